"""Where a run computes."""

import torch

from lrlib import _check


def find_device(device: str = "auto", *, dtype: torch.dtype = torch.float32) -> torch.device:
    """``"auto"`` takes a GPU if there is one that has ``dtype``; ``"cpu"``, ``"cuda"`` and ``"mps"`` must be there.

    Apple's GPUs (``"mps"``) have no float64.

    >>> find_device("cpu")
    device(type='cpu')

    Raises:
        ValueError: for a device that is unknown or absent, or that cannot compute in ``dtype``.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    _check.choice("device", device, ("auto", "cpu", "cuda", "mps"))
    if device == "auto":
        return torch.device(next(name for name in present if not (name == "mps" and dtype == torch.float64)))
    if device not in present:
        _check.fail("device", "one that this machine has (" + ", ".join(map(repr, sorted(present))) + ")", device)
    if device == "mps" and dtype == torch.float64:
        _check.fail("device", "'cpu' or 'auto' for float64, which Apple's GPUs do not have", device)
    return torch.device(device)
