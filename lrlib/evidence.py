"""What an experiment says of a claim: a verdict that is computed, with the figures that it rests on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from lrlib import _check


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval over ``runs`` independent runs."""

    mean: float
    low: float
    high: float
    runs: int

    def __format__(self, spec: str) -> str:
        spec = spec or ".3g"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self)


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The mean of independent ``values`` with Student's t interval at 95 %.

    >>> print(interval([1.0, 2.0, 3.0]))
    2 [-0.484, 4.48]
    """
    from scipy.stats import t

    values = _check.reals("values", values)
    if len(values) < 2:
        _check.fail("values", "at least two numbers", values)
    half = float(t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) / math.sqrt(len(values))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half, len(values))


@dataclass(frozen=True)
class Finding:
    """A claim put to the test.

    Attributes:
        claim: its number in the evidence ledger, such as ``"C01"``.
        text: the claim in a sentence.
        checks: what must be so for the claim to hold, and whether it was.
        when: the condition under which it was tested, if it is part of the verdict.
        instead: what is true instead, if a check failed.
        figures: the numbers behind it, by name.
        where: task, seeds and budget.
    """

    claim: str
    text: str
    checks: Mapping[str, bool]
    figures: Mapping[str, Interval | float | str]
    where: str
    when: str = ""
    instead: str = ""

    def __post_init__(self) -> None:
        if not self.checks:
            _check.fail("checks", "at least one named check", self.checks)
        for name, passed in self.checks.items():
            _check.boolean(f"checks[{name!r}]", passed)

    @property
    def verdict(self) -> str:
        """``"holds"``, ``"holds when"`` its condition is met, or ``"does not hold as stated"``."""
        if not all(self.checks.values()):
            return "does not hold as stated"
        return "holds when" if self.when else "holds"

    def _repr_html_(self) -> str:
        def value(figure: Interval | float | str) -> str:
            return escape(figure if isinstance(figure, str) else format(figure, ".3g"))

        detail = self.when if self.verdict == "holds when" else self.instead if "not" in self.verdict else ""
        checks = "".join(f"<li>{'✓' if ok else '✗'} {escape(name)}</li>" for name, ok in self.checks.items())
        figures = "".join(f"<tr><th>{escape(k)}</th><td>{value(v)}</td></tr>" for k, v in self.figures.items())
        return (
            f'<div class="finding"><p><strong>{escape(self.claim)}</strong> {escape(self.text)} '
            f"<strong>Verdict: {self.verdict}</strong> {escape(detail)}</p><ul>{checks}</ul>"
            f"<table>{figures}</table><p><small>{escape(self.where)}</small></p></div>"
        )

    def __repr__(self) -> str:
        return f"{self.claim}: {self.verdict} {self.when}".rstrip()
