"""Range tests and short runs of a :class:`~lrlib.tasks.Task`, several seeds in one stack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from lrlib import _check
from lrlib.range_tests.loop import BlowUp, test_rates
from lrlib.range_tests.result import RangeTest
from lrlib.range_tests.smoothing import Array
from lrlib.schedules import exponential, scale, warmup_linear
from lrlib.tasks import Task
from lrlib.training import sweep, typical_loss
from lrlib.training.settings import Settings, with_settings

# log10 of (best rate of a training of 500 updates / best of 100): middle and ends of the 90 % interval over 14 tasks
# and 5 sets of seeds; ``python -m benchmarks range_tests`` computes them, and scores them on 12 tasks of other data
LOWER, MIDDLE, UPPER = -1.21, -0.30, 0.19
GRID = tuple(np.geomspace(1e-4, 10, 26).tolist())


@with_settings
def range_tests(
    task: Task,
    *,
    seeds: Sequence[int] = range(5),
    low: float = 1e-7,
    high: float = 10.0,
    spacing: str = "exponential",
    threshold: float = 4.0,
    **settings: Unpack[Settings],
) -> tuple[RangeTest, ...]:
    """One range test for each of ``seeds``, trained as one stack; ``settings`` are those of ``training.sweep``.

    ``steps`` is how many rates are tried. Other arguments as in :func:`~lrlib.range_tests.range_test`.

    >>> from lrlib.tasks import digits_mlp
    >>> tests = range_tests(digits_mlp(), seeds=[0, 1], steps=100)
    >>> [test.suggestions["valley"].rate is None for test in tests]
    [False, False]
    """
    steps = settings["steps"]
    rates = test_rates(low=low, high=high, steps=steps, spacing=spacing)
    if settings.get("schedule") is not None:
        _check.fail("schedule", "None, since the test has one of its own", settings["schedule"])
    if spacing == "exponential":
        shape = scale(exponential(low, gamma=(high / low) ** (1 / (steps - 1))), 1 / high)
    else:
        shape = warmup_linear(1.0, warmup_steps=steps - 1, start_factor=low / high)
    settings |= {"schedule": shape, "unfinished": "ok"}
    result = sweep(task, learning_rates=[high], seeds=seeds, **settings)
    tests = []
    for losses in result.loss:
        stop = BlowUp(threshold)
        end = next((k + 1 for k, loss in enumerate(losses.tolist()) if stop(loss)), steps)
        tests.append(RangeTest(rates[:end], losses[:end].astype(np.float64), None, steps, stop.why))
    return tuple(tests)


@dataclass(frozen=True)
class RateInterval:
    """A ``rate`` with its 90 % interval from ``low`` to ``high``, or None three times, and ``why``.

    ``rates`` (rates,) and ``losses`` (rates, seeds) are the short runs that it was read off.
    """

    rate: float | None
    low: float | None
    high: float | None
    why: str
    rates: Array
    losses: Array

    def __repr__(self) -> str:
        if self.rate is None:
            return f"RateInterval(no suggestion, because {self.why})"
        return f"RateInterval({self.rate:.2g} [{self.low:.2g}, {self.high:.2g}], {self.why})"


@with_settings
def suggest_rate(
    task: Task,
    *,
    learning_rates: Sequence[float] | np.ndarray = GRID,
    seeds: Sequence[int] = range(5),
    measure: str = "validation_loss",
    **settings: Unpack[Settings],
) -> RateInterval:
    """A rate for a training about five times as long as ``steps``, with a 90 % interval, from short stacked runs.

    Every rate is held for ``steps`` updates (calibrated for 100) with every seed. The best of them, between grid points
    by a parabola through the logarithms, is too high for a longer training, by a factor that was measured on other
    tasks; so are the ends of the interval, which cover what one more task is likely to differ by.

    Args:
        task: what to train.
        learning_rates: three or more, rising; the best must lie inside.
        seeds: initial weights and minibatches to average over.
        measure: the loss that is judged, ``"validation_loss"`` or ``"train_loss"``.
        settings: those of :func:`lrlib.training.sweep`, such as ``rule``, ``steps``, ``batch_size``.

    >>> from lrlib.tasks import digits_mlp
    >>> found = suggest_rate(digits_mlp(), steps=100, seeds=[0])
    >>> found.low < found.rate < found.high
    True
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    if len(rates) < 3 or (np.diff(rates) <= 0).any():
        _check.fail("learning_rates", "three or more in increasing order", learning_rates)
    _check.choice("measure", measure, ("validation_loss", "train_loss"))
    result = sweep(task, learning_rates=rates, seeds=seeds, **settings)
    losses = np.where(result.by_rate(result.diverged), np.inf, result.final(measure))
    best, why = lowest(rates, typical_loss(losses))
    if best is None:
        return RateInterval(None, None, None, why, rates, losses)
    low, rate, high = (best * 10**shift for shift in (LOWER, MIDDLE, UPPER))
    return RateInterval(rate, low, high, why, rates, losses)


def lowest(rates: Array, losses: Array) -> tuple[float | None, str]:
    """The rate of the least loss, by a parabola through three points on logarithmic axes; None at an end, and why."""
    if not np.isfinite(losses).any():
        return None, "every rate diverged: try lower rates"
    lowest = int(np.where(np.isfinite(losses), losses, np.inf).argmin())
    if lowest in (0, len(rates) - 1):
        end, what = ("lowest", "lower") if lowest == 0 else ("highest", "higher")
        return None, f"the {end} rate is the best: try {what} rates"
    x, y = np.log(rates[lowest - 1 : lowest + 2]), losses[lowest - 1 : lowest + 2]
    y = np.log(y) if (y > 0).all() else y
    why = f"short runs are best near {rates[lowest]:.2g}"
    if not np.isfinite(y).all():
        return float(rates[lowest]), why
    (left, right), (before, after) = np.diff(x), np.diff(y) / np.diff(x)
    if after == before:
        return float(rates[lowest]), why
    place = x[0] + left / 2 - before * (left + right) / 2 / (after - before)
    return math.exp(float(np.clip(place, x[0], x[2]))), why


__all__ = ["RateInterval", "range_tests", "suggest_rate"]
