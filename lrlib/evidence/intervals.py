"""Estimates with their 95 % intervals, each on a stated scale.

What an interval covers is what varies between its values: with one value a seed, the initial weights and the order of
the examples, and the split and the label draws only where the seed draws those, too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lrlib import _check

SCALES = {
    "value": "mean",
    "geometric": "geometric mean",
    "ratio": "ratio",
    "difference": "difference",
    "share": "share",
    "percent": "change, %",
}
LOGARITHMIC = ("geometric", "ratio")
Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes:
        estimate: the mean, geometric mean, ratio, difference or share.
        low, high: the ends of the interval; infinite (or 0 on a logarithmic scale) where nothing is known.
        runs: how many independent runs it rests on; 0 for what was computed and not sampled.
        scale: one of :data:`lrlib.evidence.SCALES`; ``"ratio"`` and ``"geometric"`` live on a logarithmic axis.
        of: what was measured, in words, such as ``"validation loss"``.

    ``format(x, ".2f")`` gives the three numbers alone, ``str(x)`` says the scale and the runs, too.
    """

    estimate: float
    low: float
    high: float
    runs: int
    scale: str = "value"
    of: str = ""

    def __post_init__(self) -> None:
        _check.choice("scale", self.scale, tuple(SCALES))
        _check.integer("runs", self.runs, at_least=0)
        unknown = math.isnan(self.estimate) and math.isinf(self.high)
        if not unknown and not self.low <= self.estimate <= self.high:
            _check.fail("low, estimate, high", "in this order", (self.low, self.estimate, self.high))

    @property
    def mean(self) -> float:
        """The estimate, by the name that it has where it is a mean."""
        return self.estimate

    @property
    def exact(self) -> bool:
        """Whether it was computed, so that there is nothing to be uncertain of."""
        return self.runs == 0

    @property
    def words(self) -> str:
        """The scale and what was measured, such as ``"ratio of validation loss"``."""
        if self.scale == "percent":
            return f"change of {self.of}, %" if self.of else "change, %"
        name = "value" if self.exact and self.scale in ("value", "geometric") else SCALES[self.scale]
        return f"{name} of {self.of}" if self.of else name

    @property
    def inverse(self) -> "Interval":
        """One over a ratio, that is, of b to a instead of a to b."""
        if self.scale != "ratio":
            _check.fail("scale", "'ratio' for an inverse", self.scale)
        low, middle, high = (1 / x if x else math.inf for x in (self.high, self.estimate, self.low))
        return replace(self, estimate=middle, low=low, high=high)

    @property
    def percent(self) -> "Interval":
        """A ratio as the change in per cent (0.83 is −17), a share in per cent."""
        if self.scale not in ("ratio", "share"):
            _check.fail("scale", "'ratio' or 'share' for per cent", self.scale)
        less = 1.0 if self.scale == "ratio" else 0.0
        middle, low, high = (100 * (x - less) for x in (self.estimate, self.low, self.high))
        of = self.of if self.scale == "ratio" else f"{self.of or 'runs'}, in %"
        scale = "percent" if self.scale == "ratio" else "value"
        return Interval(middle, low, high, self.runs, scale, of)

    def __format__(self, spec: str) -> str:
        spec = spec or ".3g"
        if self.exact and self.low == self.high:
            return f"{self.estimate:{spec}}"
        return f"{self.estimate:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        runs = "exact" if self.exact else f"{self.runs} runs" if self.runs > 1 else "1 run"
        return f"{self:.3g} ({self.words}, {runs})"


def interval(values: Values, *, of: str = "") -> Interval:
    """The mean of independent ``values``, one a run, with Student's t interval.

    Raises:
        ValueError: for fewer than two values, or for values all equal, whose spread says nothing about the next one.

    >>> print(interval([1.0, 2.0, 3.0]))
    2 [-0.484, 4.48] (mean, 3 runs)
    """
    checked = _sample("values", values)
    return _student(checked, "value", of)


def geometric(values: Values, *, of: str = "") -> Interval:
    """The geometric mean of positive ``values``, such as losses or best rates; its interval is never negative.

    >>> print(geometric([0.01, 0.1, 1.0]))
    0.1 [0.000328, 30.5] (geometric mean, 3 runs)
    """
    return _student(_sample("values", values, above=0), "geometric", of)


def ratio(a: Values, b: Values, *, of: str = "") -> Interval:
    """How many times as large ``a`` is as ``b``, run by run: the geometric mean of the pairs' ratios.

    ``a[k]`` and ``b[k]`` must belong together, as two arms trained with one seed do. A loss that came out infinite has
    no ratio: report the share of runs that diverged.

    >>> print(ratio([2.0, 4.0, 8.0], [1.0, 1.5, 4.0], of="loss"))
    2.2 [1.46, 3.33] (ratio of loss, 3 runs)
    """
    a, b = _pair(a, b, above=0)
    return _student(_varied("a / b", a / b), "ratio", of)


def difference(a: Values, b: Values, *, of: str = "") -> Interval:
    """``a`` less ``b``, run by run, with Student's t interval; ``a[k]`` and ``b[k]`` belong together.

    >>> print(difference([3.0, 4.0, 6.0], [1.0, 1.0, 2.0], of="points"))
    3 [0.516, 5.48] (difference of points, 3 runs)
    """
    a, b = _pair(a, b)
    return _student(_varied("a - b", a - b), "difference", of)


def share(successes: int, runs: int, *, of: str = "") -> Interval:
    """The share of independent ``runs`` that succeeded, with the exact interval of Clopper and Pearson (1934).

    It stays wide where all or none succeeded. Starts that share a seed are not independent: count seeds.

    >>> print(share(10, 10))
    1 [0.692, 1] (share, 10 runs)
    """
    from scipy.special import betaincinv

    runs = _check.integer("runs", runs, at_least=1)
    successes = _check.integer("successes", successes, at_least=0, at_most=runs)
    low = float(betaincinv(successes, runs - successes + 1, 0.025)) if successes else 0.0
    high = float(betaincinv(successes + 1, runs - successes, 0.975)) if successes < runs else 1.0
    return Interval(successes / runs, low, high, runs, "share", of)


def share_difference(a: Interval, b: Interval, *, of: str = "") -> Interval:
    """One :func:`share` less another, of independent runs: their exact intervals combined as in Newcombe (1998).

    It stays wide where all or none succeeded.

    >>> print(share_difference(share(9, 10), share(2, 10)))
    0.7 [0.204, 0.9] (difference, 10 runs)
    """
    for name, value in (("a", a), ("b", b)):
        if not isinstance(value, Interval) or value.scale != "share":
            _check.fail(name, "what share() returns", value, error=TypeError)
    middle = a.estimate - b.estimate
    low = middle - math.hypot(a.estimate - a.low, b.high - b.estimate)
    high = middle + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Interval(middle, low, high, min(a.runs, b.runs), "difference", of or a.of)


def exact(value: float, *, scale: str = "value", of: str = "") -> Interval:
    """A number that was computed and not sampled: a formula, a deterministic recursion, an agreement to rounding.

    >>> print(exact(2.0, of="the power of κ"))
    2 (value of the power of κ, exact)
    """
    number = _check.real("value", value)
    return Interval(number, number, number, 0, scale, of)


def _student(values: np.ndarray, scale: str, of: str, *, resolution: float = 1.0) -> Interval:
    """Student's interval on ``scale``; on a logarithmic one widened by the factor ``resolution`` on either side."""
    from scipy.special import stdtrit  # scipy.stats, which wraps it, takes half a second to import

    forward, back = _axis(scale)
    places = forward(values)
    half = float(stdtrit(len(places) - 1, 0.975)) * places.std(ddof=1) / math.sqrt(len(places)) + math.log(resolution)
    middle = float(places.mean())
    estimate, low, high = (float(back(middle + d)) for d in (0, -half, half))
    return Interval(estimate, low, high, len(places), scale, of)


def _axis(scale: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return (np.log, np.exp) if scale in LOGARITHMIC else (np.asarray, float)


def _sample(name: str, values: Values, *, above: float = -math.inf) -> np.ndarray:
    checked = _check.reals(name, values, above=above)
    if len(checked) < 2:
        _check.fail(name, "at least two numbers", values)
    return _varied(name, checked)


def _varied(name: str, values: np.ndarray) -> np.ndarray:
    if np.ptp(values) == 0:
        _check.fail(
            name, "not all equal (use share() for what did or did not happen, exact() for the computed)", values
        )
    return values


def _pair(a: Values, b: Values, *, above: float = -math.inf) -> tuple[np.ndarray, np.ndarray]:
    first, second = (_check.reals(name, values, above=above) for name, values in (("a", a), ("b", b)))
    if len(first) != len(second) or len(first) < 2:
        _check.fail("a and b", "of one length, two or more", (len(first), len(second)))
    return first, second
