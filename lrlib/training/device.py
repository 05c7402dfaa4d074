"""Where a run computes."""

import torch

from lrlib import _check


def find_device(device: str = "auto") -> torch.device:
    """``"auto"`` takes a GPU if there is one; ``"cpu"``, ``"cuda"`` and ``"mps"`` must be there.

    >>> find_device("cpu")
    device(type='cpu')

    Raises:
        ValueError: for a device that is unknown or absent.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    _check.choice("device", device, ("auto", "cpu", "cuda", "mps"))
    if device == "auto":
        return torch.device(present[0])
    if device not in present:
        _check.fail("device", "one that this machine has (" + ", ".join(map(repr, sorted(present))) + ")", device)
    return torch.device(device)
