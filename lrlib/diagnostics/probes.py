"""Short continuations of a run that settle what its curves cannot."""

import math
from dataclasses import dataclass

from lrlib import _check


@dataclass(frozen=True)
class Probe:
    """What a short continuation at a higher rate did to the validation loss.

    Args:
        before: the validation loss at the end of the run.
        after: that of the continuation; not finite where it diverged.
        factor: by what the peak rate was multiplied.
        steps: how long the continuation was, in updates.
    """

    before: float
    after: float
    factor: float = 3.0
    steps: int = 0

    def __post_init__(self) -> None:
        _check.real("before", self.before)
        _check.real("factor", self.factor, above=0)
        _check.integer("steps", self.steps, at_least=0)
        if isinstance(self.after, bool) or not isinstance(self.after, int | float):
            _check.fail("after", "a number", self.after, error=TypeError)

    @property
    def gain(self) -> float:
        """How much lower the loss became, as a natural logarithm; where a loss is not above 0, as a share of its size.

        Minus infinity where the continuation diverged.
        """
        if not math.isfinite(self.after):
            return -math.inf
        if self.before > 0 and self.after > 0:
            return math.log(self.before / self.after)
        return (self.before - self.after) / max(abs(self.before), 1e-12)
