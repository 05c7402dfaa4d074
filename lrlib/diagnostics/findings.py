"""What a diagnosis says: findings, each with its evidence, what to try, and how sure it is."""

from dataclasses import dataclass
from typing import Any, NamedTuple

REMEDIES = {
    "rate ÷9": "lower the learning rate ninefold",
    "rate ÷3": "lower the learning rate threefold",
    "rate ×3": "raise the learning rate threefold",
    "rate ×9": "raise the learning rate ninefold",
    "hold": "keep the rate near its peak for longer, and let it fall over the last third alone",
    "decay": "let the rate fall to nearly 0 by the end of the run",
    "stop": "keep the weights of the best validation loss, and stop there",
    "regularize": "train with more weight decay, augmentation or data",
    "check outputs": "check that the loss gets what it expects (no softmax before a cross-entropy), that the inputs "
    "are normalized, and that gradients reach the first layer; one batch alone should be learnt by heart",
    "check validation": "check what the validation loss is computed on, and that outputs differ between examples",
    "finer numbers": "stop here, or compute in a finer format (float64)",
}
SURE = ("measured", "likely", "a hypothesis")


class Evidence(NamedTuple):
    """A feature of the curves, its value, and the threshold that it passed."""

    feature: str
    value: float
    threshold: float


@dataclass(frozen=True)
class Finding:
    """One thing found in a run's curves.

    Args:
        name: a few words, the same for every finding of its kind.
        statement: what was seen, in a sentence.
        evidence: what it rests on.
        remedies: what to try, keys of ``REMEDIES``, the first first; none where the finding asks for none.
        how_sure: one of ``SURE``. A hypothesis comes with a remedy that would settle it.
    """

    name: str
    statement: str
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[str, ...] = ()
    how_sure: str = "likely"

    def __post_init__(self) -> None:
        assert set(self.remedies) <= REMEDIES.keys(), self.remedies
        assert self.how_sure in SURE, self.how_sure

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.how_sure}): {self.statement}"]
        lines += [f"    seen: {feature} {value:.3g}, threshold {bar:.3g}" for feature, value, bar in self.evidence]
        lines += [f"    try: {REMEDIES[remedy]}" for remedy in self.remedies]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """What ``json.dumps`` takes; a value that is not finite is None."""
        evidence = [
            {"feature": e.feature, "value": _number(e.value), "threshold": _number(e.threshold)} for e in self.evidence
        ]
        remedies = [{"remedy": remedy, "text": REMEDIES[remedy]} for remedy in self.remedies]
        return {
            "name": self.name,
            "statement": self.statement,
            "evidence": evidence,
            "what_to_try": remedies,
            "how_sure": self.how_sure,
        }


NOTHING = "no sign of a rate problem in these curves"
HELPED, IDLE = 79, 38  # per cent, from benchmarks/doctor/held-out.json
SCORE = (
    f"How far to trust this: on tasks that its thresholds had not met, the first advice helped {HELPED} of 100 runs "
    f"that could be helped, and {IDLE} of 100 healthy runs were given some, too."
)


@dataclass(frozen=True)
class Diagnosis:
    """The findings, the most important first, and what was missing to look further.

    ``str`` gives a report; :attr:`remedy` is the one thing to try first, None where nothing was found to try.
    """

    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def remedy(self) -> str | None:
        """The first remedy of the first finding that has one."""
        return next((finding.remedies[0] for finding in self.findings if finding.remedies), None)

    def __str__(self) -> str:
        parts = [str(finding) for finding in self.findings] or [f"{NOTHING}."]
        if any(finding.how_sure != "measured" for finding in self.findings):
            parts.append(SCORE)
        parts += [f"Not looked at: {sentence}" for sentence in self.missing]
        parts += [f"Note: {sentence}" for sentence in self.notes]
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "summary": self.findings[0].name if self.findings else NOTHING,
            "remedy": self.remedy,
            "missing": list(self.missing),
            "notes": list(self.notes),
        }


def _number(value: float) -> float | None:
    return float(value) if abs(value) < float("inf") else None
