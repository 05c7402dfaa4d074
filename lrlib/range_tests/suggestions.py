"""Every published rule that reads a rate off a range test, as a pure function of ``(rates, losses)``.

Each takes the recorded curve, puts it on the grid that its authors' 100 steps make, smooths and trims it as their
library does by default, and applies their formula; ``beta`` is the smoothing, which may be set to other values. Where a
library would return the rate at the end of its range, or an exception, the rule says that there is no suggestion, and
why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lrlib.range_tests.smoothing import Array, on_even_grid, running_mean

FEWEST = 5  # points that a rule needs after trimming
WIDER = "try lower and higher rates"


@dataclass(frozen=True)
class Suggestion:
    """A ``rate``, or None where the curve shows none, and ``why``."""

    rate: float | None
    why: str

    def __str__(self) -> str:
        return f"no suggestion, because {self.why}" if self.rate is None else f"{self.rate:.3g}, {self.why}"


class Rule(Protocol):
    """What reads a rate off a curve of ``losses`` (n,) at increasing ``rates`` (n,), smoothed by ``beta`` in [0, 1)."""

    __name__: str

    def __call__(self, rates: Array, losses: Array, *, beta: float = ...) -> Suggestion:
        """The suggestion."""


@dataclass(frozen=True)
class _Curve:
    rates: Array
    losses: Array  # smoothed and trimmed
    falls_to_the_end: bool  # before trimming
    trouble: str = ""


def _curve(rates: Array, losses: Array, *, beta: float, skip: int, drop: int, debiased: bool = True) -> _Curve:
    recorded = int(np.isfinite(np.asarray(losses, dtype=float)).sum())
    grid, values = on_even_grid(rates, losses)
    smooth = running_mean(values, beta=beta, debiased=debiased)
    end = max(len(grid) - drop, skip)
    kept, trimmed = grid[skip:end], smooth[skip:end]
    falls = bool(len(values)) and int(values.argmin()) == len(values) - 1
    trouble = ""
    if min(recorded, len(kept)) < FEWEST:
        trouble = f"too few points are left: {recorded} finite losses, {len(kept)} on the grid after trimming; {WIDER}"
    elif np.ptp(trimmed) <= 1e-6 * np.abs(trimmed).max():
        trouble = f"the loss is the same at every rate: {WIDER}, or make sure that the optimizer holds the parameters"
    return _Curve(kept, trimmed, falls, trouble)


def _at_steepest(curve: _Curve, slopes_of: Callable[[Array], Array]) -> Suggestion:
    if curve.trouble:
        return Suggestion(None, curve.trouble)
    slopes = slopes_of(curve.losses)
    steepest = int(slopes.argmin())
    if slopes[steepest] >= 0:
        return Suggestion(None, "the loss falls at no rate: try lower rates")
    if steepest in (0, len(slopes) - 1):
        end, what = ("lowest", "lower") if steepest == 0 else ("highest", "higher")
        return Suggestion(None, f"the loss falls fastest at the {end} rate that counts: try {what} rates")
    return Suggestion(float(curve.rates[steepest]), "where the smoothed loss falls fastest")


def steepest(rates: Array, losses: Array, *, beta: float = 0.95) -> Suggestion:
    """Where the loss falls fastest along log η: torch-lr-finder's suggestion.

    Running mean with β = 0.95 from the first loss on, without the first 10 and the last 5 points.
    Source: L. Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186;
    twin: ``LRFinder.plot`` of torch-lr-finder 0.2.2.
    """
    curve = _curve(rates, losses, beta=beta, skip=10, drop=5, debiased=False)
    return _at_steepest(curve, np.gradient)


def lightning(rates: Array, losses: Array, *, beta: float = 0.98) -> Suggestion:
    """Where the loss falls fastest along η itself, not log η, which favours low rates: Lightning's suggestion.

    Debiased running mean with β = 0.98, without the first 10 points and the last.
    Twin: ``lr_find(...).suggestion()`` of Lightning 2.6, whose own debiasing is one step ahead.
    """
    curve = _curve(rates, losses, beta=beta, skip=10, drop=1)
    return _at_steepest(curve, lambda losses: np.gradient(losses, curve.rates))


def _fastai(rates: Array, losses: Array, beta: float) -> _Curve:
    return _curve(rates, losses, beta=beta, skip=10, drop=5)


def steep(rates: Array, losses: Array, *, beta: float = 0.98) -> Suggestion:
    """Where the loss falls fastest from one rate to the next: fastai's ``steep``.

    Debiased running mean with β = 0.98, without the first 10 and the last 5 points, as in all of fastai's rules.
    """
    curve = _fastai(rates, losses, beta)
    return _at_steepest(curve, np.diff)


def minimum(rates: Array, losses: Array, *, beta: float = 0.98) -> Suggestion:
    """A tenth of the rate at which the loss is least: fastai's ``minimum``."""
    curve = _fastai(rates, losses, beta)
    if trouble := curve.trouble or _no_floor(curve):
        return Suggestion(None, trouble)
    lowest = int(curve.losses.argmin())
    if lowest == 0:
        return Suggestion(None, "the loss is least at the lowest rate that counts: try lower rates")
    return Suggestion(float(curve.rates[lowest]) / 10, "a tenth of where the smoothed loss is least")


def valley(rates: Array, losses: Array, *, beta: float = 0.98) -> Suggestion:
    """Halfway down the longest stretch in which the loss falls: fastai's ``valley``, its default.

    The stretch is the longest decreasing subsequence; its length is counted back from its last point, as fastai does.
    """
    curve = _fastai(rates, losses, beta)
    if trouble := curve.trouble or _no_floor(curve):
        return Suggestion(None, trouble)
    lengths = np.ones(len(curve.losses), dtype=int)
    for i in range(1, len(lengths)):
        before = lengths[:i][curve.losses[:i] > curve.losses[i]]
        lengths[i] = 1 + before.max(initial=0)
    end = int(lengths.argmax())
    if lengths[end] < 3:
        return Suggestion(None, "the loss falls at no rate: try lower rates")
    third = int(lengths[end]) / 3
    place = end - int(lengths[end]) + int(third) + int(third / 2)  # fastai's start is one point before the stretch
    return Suggestion(float(curve.rates[place]), "halfway down the longest fall of the smoothed loss")


def slide(rates: Array, losses: Array, *, beta: float = 0.98) -> Suggestion:
    """The last rate before the slope changes for good, sought from the high end: fastai's ``slide``.

    An interval 15 points wide slides down from the highest rate for as long as the slopes at its ends differ by more
    than 0.005.
    """
    curve, width, threshold = _fastai(rates, losses, beta), 15, 0.005
    if trouble := curve.trouble or _no_floor(curve):
        return Suggestion(None, trouble)
    slopes, right, found = np.gradient(curve.losses), -1, None
    while right - width >= -len(slopes) and abs(slopes[right] - slopes[right - width]) > threshold:
        found, right = right - width, right - 1
    if found is None:
        return Suggestion(None, f"slopes {width} points apart differ by no more than {threshold} at the high end")
    return Suggestion(float(curve.rates[found]), "where the slope of the smoothed loss stops changing")


def before_blow_up(rates: Array, losses: Array, *, beta: float = 0.9) -> Suggestion:
    """Half of the highest rate before the loss blows up, that is, comes back above where it started.

    Debiased running mean with β = 0.9. Source: Y. Bengio (2012), Practical Recommendations for Gradient-Based Training
    of Deep Architectures, arXiv:1206.5533, section 3.1.1: the best rate is often within a factor of two of the largest
    that does not diverge.
    """
    total = len(np.atleast_1d(losses))
    curve = _curve(rates, losses, beta=beta, skip=0, drop=0)
    if curve.trouble:
        return Suggestion(None, curve.trouble)
    lowest = int(curve.losses.argmin())
    if lowest == 0:
        return Suggestion(None, "the loss falls at no rate: try lower rates")
    above = curve.losses[lowest:] > curve.losses[0]
    if above.any():
        place = lowest + int(above.argmax()) - 1
    elif np.isfinite(np.asarray(losses, dtype=float)).sum() < total:
        place = len(curve.losses) - 1
    else:
        return Suggestion(None, "the loss does not blow up: try higher rates")
    return Suggestion(float(curve.rates[place]) / 2, "half of the highest rate before the loss blows up")


def _no_floor(curve: _Curve) -> str:
    return "the loss still falls at the highest rate: try higher rates" if curve.falls_to_the_end else ""


RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (steepest, lightning, steep, valley, slide, minimum, before_blow_up)
}


def suggest_all(rates: Array, losses: Array, *, beta: float | None = None) -> dict[str, Suggestion]:
    """What every rule of :data:`lrlib.range_tests.RULES` says about one curve, by its name.

    ``beta`` in [0, 1) smooths the curve alike for all of them; if None, each smooths as its library does.

    Raises:
        TypeError, ValueError: for rates that do not increase, another number of losses, or ``beta`` outside its range.

    >>> import numpy as np
    >>> rates = np.geomspace(1e-7, 10, 100)
    >>> curve = 2 - np.tanh(np.log10(rates / 1e-3)) + (rates / 0.5) ** 2
    >>> print(suggest_all(rates, curve)["steepest"])
    0.00586, where the smoothed loss falls fastest
    >>> print(suggest_all(rates, np.ones(100))["valley"])
    no suggestion, because the loss is the same at every rate: try lower and higher rates, or make sure that the
    optimizer holds the parameters
    """
    smoothing = {} if beta is None else {"beta": beta}
    return {name: rule(rates, losses, **smoothing) for name, rule in RULES.items()}
