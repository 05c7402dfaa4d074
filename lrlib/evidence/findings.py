"""A finding: a claim of the article, the checks that decide, and the verdict that follows from them alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, Self

from lrlib import _check
from lrlib.evidence.checks import Check, Region
from lrlib.evidence.claims import CLAIMS, Claim
from lrlib.evidence.intervals import Interval

Verdict = Literal["holds", "holds when", "does not hold as stated", "not decided here"]
VERDICTS: tuple[Verdict, ...] = ("holds", "holds when", "does not hold as stated", "not decided here")
MIME = "application/vnd.lrlib.finding+json"


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """The verdict on a claim, from the outcomes and sides of its checks alone.

    1. A supporting check is contradicted: ``"does not hold as stated"``.
    2. Else a supporting check is undecided: ``"not decided here"``.
    3. Else, all supporting checks being supported: ``"holds"`` if every limiting check is contradicted or there is
       none; ``"holds when"`` if at least one limiting check is supported; otherwise ``"not decided here"``.

    Noise never improves a verdict: a wider interval can make an outcome undecided and nothing else, and with any
    outcomes made undecided the verdict stays as it was or becomes ``"not decided here"``. Each check is made at 95 %.
    ``"holds"`` needs all of them at once, so that many checks make it harder to reach. One contradicted check among
    several is enough for ``"does not hold as stated"``, one supported limit for ``"holds when"``: there the chances of
    error, at most 2.5 % a check, add up.
    """
    supporting = [check.outcome for check in checks if check.side == "supports"]
    limiting = [check.outcome for check in checks if check.side == "limits"]
    if not supporting:
        _check.fail("checks", "at least one that supports the claim", [check.statement for check in checks])
    if "contradicted" in supporting:
        return "does not hold as stated"
    if "undecided" in supporting:
        return "not decided here"
    if "supported" in limiting:
        return "holds when"
    return "not decided here" if "undecided" in limiting else "holds"


@dataclass(frozen=True, repr=False)
class Finding:
    """A claim put to the test.

    Args:
        claim: its number, a key of :data:`~lrlib.evidence.CLAIMS`, which holds the article's sentence.
        checks: what :func:`supports` and :func:`limits` make; the one that says most comes first.
        where: the budget, the data and the seeds, and what the seeds vary.
        instead: what is true instead; needed if a supporting check was contradicted.

    The condition of ``"holds when"`` is not written here: it is put together from the limiting checks, each of which
    says its own; where one is undecided, so is its condition.

    Raises:
        ValueError: for an unknown claim, for no supporting check, and for a text that is missing.
    """

    claim: str
    checks: Sequence[Check]
    where: str
    instead: str = ""

    def __post_init__(self) -> None:
        _check.choice("claim", self.claim, tuple(CLAIMS))
        object.__setattr__(self, "checks", tuple(self.checks))
        for k, check in enumerate(self.checks):
            if not isinstance(check, Check):
                _check.fail(f"checks[{k}]", "made by supports() or limits()", check, error=TypeError)
        if len({check.statement for check in self.checks}) < len(self.checks):
            _check.fail("checks", "different statements", [check.statement for check in self.checks])
        if not self.where.strip():
            _check.fail("where", "the budget, the data and the seeds", self.where)
        if self.verdict == "does not hold as stated" and not self.instead.strip():
            _check.fail("instead", f"what is true instead, since {self._outcomes('contradicted')}", self.instead)

    @property
    def quoted(self) -> Claim:
        """The claim in the article's words."""
        return CLAIMS[self.claim]

    @property
    def verdict(self) -> Verdict:
        """What follows from the checks by the rules of :func:`verdict_of`."""
        return verdict_of(self.checks)

    @property
    def detail(self) -> str:
        """The text that goes with the verdict, the conditions (those left undecided named as such) or what is true."""
        limiting = [check for check in self.checks if check.side == "limits"]
        found, open_ = (
            list(dict.fromkeys(check.when for check in limiting if check.outcome == outcome))
            for outcome in ("supported", "undecided")
        )
        conditions = ", and ".join(found)
        if left := [when for when in open_ if when not in found]:  # noise must not shorten the list of conditions
            conditions += "; not decided here: whether also when " + ", or when ".join(left)
        return {"holds when": conditions, "does not hold as stated": self.instead}.get(self.verdict, "")

    def expect(self, verdict: Verdict) -> Self:
        """Return the finding if its verdict is the one that the page's prose was written for, else raise.

        This guards the prose against runs that have changed. It is no evidence: it says what came out, not that it
        had to.

        Raises:
            AssertionError: with all outcomes.
        """
        _check.choice("verdict", verdict, VERDICTS)
        if self.verdict != verdict:
            raise AssertionError(f"the page was written for {verdict!r}, but the checks say otherwise:\n{self!r}")
        return self

    def to_json(self) -> dict[str, Any]:
        """All that the finding consists of, for the evidence ledger; :meth:`from_json` reads it back."""
        checks = [
            {
                "statement": check.statement,
                "on": check.on,
                "side": check.side,
                "when": check.when,
                "estimate": {**vars(check.estimate), **_numbers(check.estimate, "estimate", "low", "high")},
                "region": {"complement": check.region.complement, **_numbers(check.region, "low", "high")},
                "outcome": check.outcome,
            }
            for check in self.checks
        ]
        texts = {name: getattr(self, name) for name in ("claim", "where", "instead", "verdict", "detail")}
        return {**texts, "sentence": self.quoted.text, "checks": checks}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote; the verdict is worked out anew."""
        checks = [
            Check(
                item["statement"],
                Interval(**{**item["estimate"], **_floats(item["estimate"], "estimate", "low", "high")}),
                Region(complement=item["region"]["complement"], **_floats(item["region"], "low", "high")),
                item["on"],
                item["side"],
                item["when"],
            )
            for item in data["checks"]
        ]
        return cls(data["claim"], checks, where=data["where"], instead=data["instead"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from lrlib.evidence.cards import card

        return {"text/plain": repr(self), "text/html": card(self), MIME: self.to_json()}

    def _outcomes(self, outcome: str) -> str:
        return "; ".join(f"{check.statement!r} was {outcome}" for check in self.checks if check.outcome == outcome)

    def __repr__(self) -> str:
        head = f"{self.claim}: {self.verdict} {self.detail}".rstrip()
        return "\n".join([head, *(f"  {check}" for check in self.checks)])


def _numbers(item: object, *names: str) -> dict[str, float | str]:
    """Floats that JSON can hold: what is not finite becomes its name."""
    values = {name: getattr(item, name) for name in names}
    return {name: value if isfinite(value) else str(value) for name, value in values.items()}


def _floats(item: dict[str, Any], *names: str) -> dict[str, float]:
    return {name: float(item[name]) for name in names}
