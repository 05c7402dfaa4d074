"""All that the range-test lab shows, worked out in Python: for every case, seed and smoothing what every rule says.

The page only looks it up, so the rules stand once, in :mod:`lrlib.range_tests`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.range_tests import RULES, RangeTest, Suggestion, on_even_grid, running_mean, suggest_all
from lrlib.training import range_below
from lrlib.widgets.hosting.packing import pack

OWN = "own"  # each rule smooths as its library does
OWN_DRAWN = 0.98  # the smoothing of the curve that is drawn then, one of the others
SMOOTHINGS: tuple[str | float, ...] = (OWN, 0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
BETAS = [smoothing for smoothing in SMOOTHINGS if not isinstance(smoothing, str)]

_NONE = 65535  # stands for no loss, in packed losses


@dataclass(frozen=True, kw_only=True)
class RangeTestCase:
    """Range tests of one task and rule, one for each seed, and what whole runs with the same seeds ended at.

    Args:
        tests: one for each seed, in the order of ``losses``.
        rates: (rates,) constant rates of whole runs, increasing, above 0.
        losses: (seeds, rates) where these runs ended, above 0; infinite where one diverged.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind, or another number of losses.
    """

    tests: Sequence[RangeTest]
    rates: Sequence[float] | np.ndarray
    losses: Sequence[Sequence[float]] | np.ndarray

    def __post_init__(self) -> None:
        if not self.tests or not all(isinstance(test, RangeTest) for test in self.tests):
            _check.fail("tests", "one RangeTest or more", self.tests, error=TypeError)
        rates = _check.reals("rates", self.rates, above=0)
        if len(rates) < 3 or (np.diff(rates) <= 0).any():
            _check.fail("rates", "three or more in increasing order", self.rates)
        losses = np.asarray(self.losses, dtype=np.float64)
        if losses.shape != (len(self.tests), len(rates)) or not (losses > 0).all() or np.isinf(losses).all(1).any():
            _check.fail("losses", f"{len(self.tests)} rows of {len(rates)} numbers > 0, some finite", self.losses)


@dataclass(frozen=True)
class Reading:
    """What one rule says about one curve, and what a whole run at its rate costs.

    Attributes:
        suggestion: the rule's.
        cost: the loss of a whole run there over that of the best, between two runs on logarithmic axes; None without a
            rate, and where no run was made so low or so high.
        near: whether the rate lies in the range near the best.
    """

    suggestion: Suggestion
    cost: float | None
    near: bool


def smoothed(test: RangeTest, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The curve that the rules look at before they trim it: on the even grid, under the running mean."""
    grid, losses = on_even_grid(test.rates, test.judged)
    return grid, running_mean(losses, beta=beta)


def near_best(case: RangeTestCase, seed: int, factor: float) -> tuple[float, float]:
    """The range around the best rate in which a whole run ends below ``factor`` times its loss."""
    losses = np.asarray(case.losses, dtype=np.float64)[seed]
    return range_below(np.asarray(case.rates, dtype=np.float64), losses, factor * losses.min())


def readings(case: RangeTestCase, seed: int, smoothing: str | float, factor: float) -> list[Reading]:
    """One for each of :data:`lrlib.range_tests.RULES`, for the test at place ``seed``."""
    test = case.tests[seed]
    found = suggest_all(test.rates, test.judged, beta=None if isinstance(smoothing, str) else smoothing)
    low, high = near_best(case, seed, factor)
    losses = np.asarray(case.losses, dtype=np.float64)[seed]
    read = []
    for suggestion in found.values():
        rate = suggestion.rate
        cost = None if rate is None else _cost(rate, np.asarray(case.rates, dtype=np.float64), losses)
        read.append(Reading(suggestion, cost, rate is not None and low <= rate <= high))
    return read


def _cost(rate: float, rates: np.ndarray, losses: np.ndarray) -> float | None:
    if not rates[0] <= rate <= rates[-1]:
        return None
    over = np.log(np.minimum(losses / losses.min(), 1e12))  # a run that diverged costs more than any figure shows
    return math.exp(float(np.interp(math.log(rate), np.log(rates), over)))


def table(cases: dict[str, RangeTestCase], factor: float) -> dict[str, Any]:
    """Everything in plain JSON: the cases by label, and the reasons that they refer to by number."""
    reasons: list[str] = []
    told = {label: _of_case(case, factor, reasons) for label, case in cases.items()}
    return {
        "cases": told,
        "reasons": reasons,
        "rules": list(RULES),
        "smoothings": list(SMOOTHINGS),
        "betas": BETAS,
        "own_drawn": OWN_DRAWN,
        "factor": factor,
    }


def _of_case(case: RangeTestCase, factor: float, reasons: list[str]) -> dict[str, Any]:
    seeds = range(len(case.tests))
    longest = max(case.tests, key=lambda test: len(test.rates))
    top = 2 * float(np.median([test.judged[0] for test in case.tests]))
    unit = 2 * top / (_NONE - 1)
    curves = [[smoothed(test, beta)[1] for test in case.tests] for beta in BETAS]
    width = max(len(curve) for row in curves for curve in row)
    read = [[readings(case, seed, smoothing, factor) for seed in seeds] for smoothing in SMOOTHINGS]
    losses = np.asarray(case.losses, dtype=np.float64)
    ratios = losses / losses.min(1, keepdims=True)
    return {
        "rates": [_short(rate) for rate in longest.rates],
        "grid": [_short(rate) for rate in max((smoothed(test, 0)[0] for test in case.tests), key=len)],
        "top": _short(top),
        "unit": unit,
        "raw": _packed([test.judged for test in case.tests], len(longest.rates), unit),
        "smooth": _packed([curve for row in curves for curve in row], width, unit),
        "suggested": [[[_short(r.suggestion.rate) for r in row] for row in rows] for rows in read],
        "why": [[[_number(r.suggestion.why, reasons) for r in row] for row in rows] for rows in read],
        "cost": [[[_short(r.cost) for r in row] for row in rows] for rows in read],
        "near": [[[int(r.near) for r in row] for row in rows] for rows in read],
        "truth": {
            "rates": [_short(rate) for rate in case.rates],
            "ratios": [[_short(min(ratio, 1e6)) for ratio in row] for row in ratios.tolist()],
            "ranges": [[_short(end) for end in near_best(case, seed, factor)] for seed in seeds],
        },
    }


def _packed(curves: Sequence[np.ndarray], width: int, unit: float) -> dict[str, Any]:
    """Curves as whole numbers of ``unit``, what is missing or not finite as 65535."""
    rows = np.full((len(curves), width), _NONE)
    for row, curve in zip(rows, curves, strict=True):
        good = np.isfinite(curve)
        row[: len(curve)][good] = np.clip(np.rint(curve[good] / unit), 0, _NONE - 1)
    return pack(rows, dtype="uint16")


def _number(reason: str, reasons: list[str]) -> int:
    if reason not in reasons:
        reasons.append(reason)
    return reasons.index(reason)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
