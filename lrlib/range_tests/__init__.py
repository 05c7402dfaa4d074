"""The learning-rate range test: a curve of the loss under a rising rate, and what each published rule reads off it."""

from lrlib.range_tests.loop import range_test
from lrlib.range_tests.restoring import restored
from lrlib.range_tests.result import RangeTest
from lrlib.range_tests.smoothing import on_even_grid, running_mean
from lrlib.range_tests.stacked import RateInterval, range_tests, suggest_rate
from lrlib.range_tests.suggestions import (
    RULES,
    Suggestion,
    before_blow_up,
    lightning,
    minimum,
    slide,
    steep,
    steepest,
    suggest_all,
    valley,
)

__all__ = [
    "RULES",
    "RangeTest",
    "RateInterval",
    "Suggestion",
    "before_blow_up",
    "lightning",
    "minimum",
    "on_even_grid",
    "range_test",
    "range_tests",
    "restored",
    "running_mean",
    "slide",
    "steep",
    "steepest",
    "suggest_all",
    "suggest_rate",
    "valley",
]
