"""A check: an estimate with its interval against the smallest effect that matters, stated before the runs."""

import math
from dataclasses import dataclass
from typing import Literal

from lrlib import _check
from lrlib.evidence.intervals import LOGARITHMIC, Interval

Outcome = Literal["supported", "contradicted", "undecided"]
Side = Literal["supports", "limits"]
MARKS = {"supported": "✓", "contradicted": "✗", "undecided": "?"}
_LEANING = ("the same", "same", "likewise", "ditto", "as above", "so is", "so does", "this", "it ", "also")


@dataclass(frozen=True)
class Region:
    """Where the truth must lie: between ``low`` and ``high``, or, if ``complement``, beyond them."""

    low: float
    high: float
    complement: bool = False

    def outcome(self, interval: Interval) -> Outcome:
        """``"supported"`` if all of ``interval`` is inside, ``"contradicted"`` if all is outside, else ``"undecided"``.

        The bounds themselves are inside. A wider interval never turns one of the first two into the other.
        """
        if math.isnan(interval.estimate):
            return "undecided"
        within = self.low <= interval.low and interval.high <= self.high
        apart = interval.high < self.low or self.high < interval.low
        if self.complement:
            apart = interval.high <= self.low or self.high <= interval.low
            within = self.low < interval.low and interval.high < self.high
            within, apart = apart, within
        return "supported" if within else "contradicted" if apart else "undecided"

    def __str__(self) -> str:
        if self.complement:
            return f"at most {self.low:.3g} or at least {self.high:.3g}"
        if math.isinf(self.high):
            return f"at least {self.low:.3g}"
        return f"at most {self.high:.3g}" if math.isinf(self.low) else f"between {self.low:.3g} and {self.high:.3g}"


def at_least(bound: float) -> Region:
    """The effect is ``bound`` or more.

    >>> print(at_least(1.2))
    at least 1.2
    """
    return Region(_check.real("bound", bound), math.inf)


def at_most(bound: float) -> Region:
    """The effect is ``bound`` or less."""
    return Region(-math.inf, _check.real("bound", bound))


def within(low: float, high: float) -> Region:
    """The effect is too small to matter in either direction: the only way to say "no difference"."""
    low = _check.real("low", low)
    return Region(low, _check.real("high", high, above=low))


def outside(low: float, high: float) -> Region:
    """The effect matters, in either direction."""
    region = within(low, high)
    return Region(region.low, region.high, complement=True)


@dataclass(frozen=True)
class Check:
    """One estimate against one region; make it with :func:`supports` or :func:`limits`.

    Attributes:
        statement: what is put to the test, in words that need no row above them.
        estimate: what was measured.
        region: where it must lie for the statement to be supported.
        on: the task and what the seeds vary, such as ``"digits MLP, batches of 8, 12 seeds"``.
        side: ``"supports"`` the claim, or ``"limits"`` it: shows where it stops.
        when: of a limiting check, the condition under which the claim holds if this is supported; it goes on from
            "holds when".
    """

    statement: str
    estimate: Interval
    region: Region
    on: str
    side: Side
    when: str = ""

    def __post_init__(self) -> None:
        text = _check_text("statement", self.statement)
        if len(text.split()) < 4 or text.lower().startswith(_LEANING):
            _check.fail("statement", "a sentence that can be read without the one above it", text)
        _check_text("on", self.on)
        if not isinstance(self.estimate, Interval):
            need = "an Interval: interval(), ratio(), difference(), geometric(), share(), or exact() for the computed"
            _check.fail("estimate", need, self.estimate, error=TypeError)
        if not isinstance(self.region, Region):
            _check.fail("region", "at_least(), at_most(), within() or outside()", self.region, error=TypeError)
        bounds = [bound for bound in (self.region.low, self.region.high) if math.isfinite(bound)]
        if self.estimate.scale in LOGARITHMIC and min(bounds) <= 0:
            _check.fail("region", f"bounded by numbers > 0 for a {self.estimate.scale}", str(self.region))
        if self.estimate.scale == "share" and not all(0 <= bound <= 1 for bound in bounds):
            _check.fail("region", "bounded by numbers from 0 to 1 for a share", str(self.region))
        if _check.choice("side", self.side, ("supports", "limits")) == "limits":
            _check_text("when", self.when)
        elif self.when:
            _check.fail("when", "empty for a check that supports the claim", self.when)

    @property
    def outcome(self) -> Outcome:
        """``"supported"``, ``"contradicted"`` or ``"undecided"``, of the statement and not of the claim."""
        return self.region.outcome(self.estimate)

    def __str__(self) -> str:
        numbers = f"{self.estimate!s}; asked for: {self.region}"
        return f"{MARKS[self.outcome]} {self.outcome} ({self.side} the claim): {self.statement} [{self.on}] {numbers}"


def supports(statement: str, estimate: Interval, region: Region, *, on: str) -> Check:
    """A check that must be supported for the claim to hold.

    >>> from lrlib.evidence import at_most, ratio
    >>> gain = ratio([0.8, 0.7, 0.9], [1.1, 1.0, 1.2], of="validation loss")
    >>> supports("linear decay ends below a constant rate", gain, at_most(0.95), on="a toy, 3 seeds").outcome
    'supported'
    """
    return Check(statement, estimate, region, on, "supports")


def limits(statement: str, estimate: Interval, region: Region, *, on: str, when: str) -> Check:
    """A check that shows, if it is supported, where the claim stops, and ``when`` it holds, seen from there.

    >>> from lrlib.evidence import ratio, within
    >>> clean = ratio([0.99, 1.02, 1.0], [1.0, 1.01, 1.01], of="training loss")
    >>> text = "with clean labels decay changes the loss by less than 5 %"
    >>> limits(text, clean, within(0.95, 1.05), on="a toy, 3 seeds", when="gradient noise is left").outcome
    'supported'
    """
    return Check(statement, estimate, region, on, "limits", when)


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        _check.fail(name, "a text", value, error=ValueError if isinstance(value, str) else TypeError)
    return str(value)
