"""What a range test leaves behind."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lrlib.range_tests.smoothing import Array, running_mean
from lrlib.range_tests.suggestions import Suggestion, suggest_all


@dataclass(frozen=True, repr=False, eq=False)
class RangeTest:
    """The curve of one range test; :func:`lrlib.plots.plot_range_test` draws it.

    Attributes:
        rates: (updates,) the rate that each update used, that of the group with the highest.
        losses: (updates,) the loss before each update, the last perhaps not finite.
        validation_losses: (updates,) the loss after each update on other examples, or None.
        planned: how many updates were asked for.
        stopped_because: why it ended early; empty if it went to the end.
    """

    rates: Array
    losses: Array
    validation_losses: Array | None
    planned: int
    stopped_because: str = ""
    beta: float = field(default=0.98)

    @property
    def judged(self) -> Array:
        """The losses that the rules look at, on validation examples, where there are any."""
        return self.losses if self.validation_losses is None else self.validation_losses

    @property
    def smoothed(self) -> Array:
        """(updates,) the debiased running mean of :attr:`judged`."""
        return running_mean(self.judged, beta=self.beta)

    @cached_property
    def suggestions(self) -> dict[str, Suggestion]:
        """What each published rule says; see :data:`lrlib.range_tests.RULES`."""
        return suggest_all(self.rates, self.judged)

    @property
    def table(self) -> str:
        """All suggestions, a line each."""
        width = max(map(len, self.suggestions))
        return "\n".join(f"{name:{width}}  {suggestion}" for name, suggestion in self.suggestions.items())

    def __repr__(self) -> str:
        finite = np.isfinite(self.judged)
        text = f"{len(self.rates)} of {self.planned} updates, rates from {self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        if finite.any():
            lowest = int(np.where(finite, self.judged, np.inf).argmin())
            text += f", least loss {self.judged[lowest]:.3g} at {self.rates[lowest]:.3g}"
        return f"RangeTest({text}{', ' * bool(self.stopped_because)}{self.stopped_because})"
