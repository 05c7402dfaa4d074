"""What goes into a compiled program and what comes out: names, roles, shapes, dtypes."""

import math
from dataclasses import dataclass

import torch

from lrlib._compiler.expression import ITEM_SIZES

ROLES = ("carried", "constant", "per_step", "recorded")


@dataclass(frozen=True)
class Port:
    """One tensor at the border of a program.

    Attributes:
        name: what the caller calls it.
        role: ``"carried"`` (an input that an output replaces for the next step), ``"constant"`` (an input, the same in
            all steps), ``"per_step"`` (an input with one value a step) or ``"recorded"`` (an output of each step).
        shape: of one step's value.
        dtype: of its elements.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Number of elements of one step's value."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of one step's value."""
        return self.size * ITEM_SIZES[self.dtype]

    @property
    def streamed(self) -> bool:
        """Whether there is one value for each step."""
        return self.role in ("per_step", "recorded")
