"""Short continuations of a run that settle what its curves cannot."""

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
