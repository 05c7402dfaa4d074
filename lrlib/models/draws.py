"""Random draws inside a module: torch's global generators, borrowed for a while and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generators(device: torch.device) -> list[torch.Generator]:
    """The global generators that a module on ``device`` draws from: the CPU's and the device's own."""
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return [torch.default_generator, torch.cuda.default_generators[index]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]


@contextmanager
def drawing(key: int, device: torch.device) -> Iterator[None]:
    """Within this context what draws from torch's global generators starts at ``key``; then they are put back."""
    used = generators(device)
    states = [generator.get_state() for generator in used]
    try:
        for generator in used:
            generator.manual_seed(key)
        yield
    finally:
        for generator, state in zip(used, states, strict=True):
            generator.set_state(state)
