"""The range-test lab: one curve of a range test, what every published rule reads off it, and what whole runs say."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.range_tests import RULES
from lrlib.widgets.drawing.still import Axis, Still
from lrlib.widgets.hosting.controls import Choice, Control, Slider
from lrlib.widgets.hosting.lab import Lab
from lrlib.widgets.hosting.portable import escape
from lrlib.widgets.range_test_lab.table import (
    OWN,
    OWN_DRAWN,
    SMOOTHINGS,
    RangeTestCase,
    Reading,
    near_best,
    readings,
    smoothed,
    table,
)

RATIOS = (0.8, 30.0)  # of a whole run's loss to the best: what the lower chart shows


class RangeTestLab(Lab):
    """Recorded range tests, read by every rule of :data:`lrlib.range_tests.RULES`, above the losses of whole runs.

    Nothing is trained: the reader moves through cases, seeds and smoothings, and everything that the rules say was
    worked out when the lab was made.

    Args:
        cases: what is on offer, by label, each with one test for each of ``seeds``; the first one is shown.
        seeds: consecutive integers, those of the tests.
        factor: > 1; a whole run ends *near the best* below this many times the loss of the best.
        hint: one line that says what to try; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> import numpy as np
    >>> from lrlib.range_tests import RangeTest
    >>> rates = np.geomspace(1e-5, 10, 100)
    >>> test = RangeTest(rates, 2 - np.tanh(np.log10(rates / 0.01)) + rates**2, None, 100)
    >>> case = RangeTestCase(tests=[test], rates=[0.001, 0.01, 0.1, 1], losses=[[2, 1.2, 1, 3]])
    >>> RangeTestLab({"A curve with a known answer": case}, seeds=range(1)).summary()
    'Range-test lab: A curve with a known answer; 5 of 7 rules land near the best rate'
    """

    module = "range_test_lab/lab.js"
    styles = ("hosting/lab.css", "range_test_lab/lab.css")
    without_scripts = "Recorded. Other seeds and smoothings need JavaScript, which is switched off here."

    def __init__(
        self,
        cases: Mapping[str, RangeTestCase],
        *,
        seeds: Sequence[int],
        factor: float = 1.5,
        hint: str = "Change the seed: which rules stay near the best rate? Then change the smoothing.",
    ) -> None:
        if not isinstance(cases, Mapping) or not all(isinstance(case, RangeTestCase) for case in cases.values()):
            _check.fail("cases", "RangeTestCases by label", cases, error=TypeError)
        if not cases:
            _check.fail("cases", "one or more", cases)
        numbers = _check.integers("seeds", seeds)
        if list(numbers) != list(range(numbers[0], numbers[0] + len(numbers))):
            _check.fail("seeds", "consecutive integers", seeds)
        for label, case in cases.items():
            if len(case.tests) != len(numbers):
                _check.fail(f"cases[{label!r}]", f"a case with {len(numbers)} tests, one a seed", case)
        if not isinstance(hint, str):
            _check.fail("hint", "text", hint, error=TypeError)
        self.cases = dict(cases)
        self.factor = _check.real("factor", factor, above=1)
        self._first_seed = numbers[0]
        smoothings = [(value, _in_words(value)) for value in SMOOTHINGS]
        controls: list[Control] = [
            Choice(name="case", label="Test", value=next(iter(cases)), options=[(label, label) for label in cases]),
            Choice(name="smoothing", label="Smoothing", value=OWN, options=smoothings),
        ]
        if len(numbers) > 1:
            ends = {"value": numbers[0], "minimum": numbers[0], "maximum": numbers[-1]}
            controls.append(Slider(name="seed", label="Seed", **ends, step=1))
        config = {"table": table(self.cases, self.factor), "seeds": list(numbers), "ratios": RATIOS}
        super().__init__(hint=hint, controls=controls, config=config)

    def readings(self) -> dict[str, Reading]:
        """What each rule says at the present settings, by its name."""
        case, seed, smoothing = self._now()
        return dict(zip(RULES, readings(case, seed, smoothing, self.factor), strict=True))

    def recompute(self) -> None:
        """Nothing: the picture has all that it needs."""

    def page_config(self) -> dict[str, Any]:
        """Nothing besides what a kernel's picture has."""
        return {}

    def _now(self) -> tuple[RangeTestCase, int, str | float]:
        settings = self.read()
        seed = settings.get("seed", self._first_seed) - self._first_seed
        return self.cases[settings["case"]], seed, settings["smoothing"]

    def still(self) -> str:
        """The first test: its curve, each rule's rate, the losses of whole runs, and a table of what the rules say."""
        case, seed, smoothing = self._now()
        test, read = case.tests[seed], self.readings()
        grid, losses = smoothed(test, OWN_DRAWN if isinstance(smoothing, str) else smoothing)
        near = near_best(case, seed, self.factor)
        over = np.asarray(case.losses)[seed] / np.min(np.asarray(case.losses)[seed])
        rate_axis = Axis("learning rate η", float(test.rates[0]), float(test.rates[-1]), log=True)
        top = 2 * float(test.judged[0])
        curve = Still(rate_axis, Axis("minibatch loss", 0, top), alt="Loss against the rate in a range test", width=520)
        curve.span(*near)
        curve.line(test.rates, test.judged, style="each")
        curve.line(grid, losses)
        truth = Still(
            rate_axis,
            Axis("loss of a whole run over the best", *RATIOS, log=True),
            alt=f"Loss of whole runs over the best against the rate; near the best from {near[0]:.2g} to {near[1]:.2g}",
            width=520,
        )
        truth.span(*near)
        truth.line(case.rates, np.minimum(over, 1e6))
        for reading in read.values():
            if (rate := reading.suggestion.rate) is not None:
                curve.dot(rate, float(np.interp(rate, grid, losses)))
                if reading.cost is not None:
                    truth.dot(rate, reading.cost)
        return (
            f"<div class='lrlab-chart'>{curve.svg()}</div><div class='lrlab-chart'>{truth.svg()}</div>"
            f"{_table_of(read, self.factor)}"
        )

    def summary(self) -> str:
        """What the lab begins with, and how many rules land near the best rate there."""
        near = sum(reading.near for reading in self.readings().values())
        return f"Range-test lab: {self.read()['case']}; {near} of {len(RULES)} rules land near the best rate"


def _in_words(smoothing: str | float) -> str:
    if isinstance(smoothing, str):
        return "as each library does"
    return f"β = {smoothing:g} for all" if smoothing else "none"


def _table_of(read: Mapping[str, Reading], factor: float) -> str:
    headings = ("rule", "rate", f"loss there over the best (near: below {factor:g})")
    head = "".join(f"<th scope='col'>{heading}</th>" for heading in headings)
    rows = []
    for name, reading in read.items():
        said = reading.suggestion
        rate = f"no suggestion, because {said.why}" if said.rate is None else f"{said.rate:.2g}"
        cost = "" if said.rate is None else "no run there" if reading.cost is None else f"{reading.cost:.2f}"
        cells = f"<th scope='row'>{name.replace('_', ' ')}</th><td>{escape(rate)}</td><td>{cost}</td>"
        rows.append(f"<tr>{cells}</tr>")
    return f"<table class='lrlab-readings'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
