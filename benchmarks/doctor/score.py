"""The score: how often the doctor's first advice helps, harms, alarms the healthy, or is missing."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.doctor.labels import FREE, Case
from lrlib.diagnostics import diagnose

Policy = Callable[[Case], str | None]
MEASURES = ("improves", "harms", "false alarm", "miss", "precision")


def advice(case: Case, *, probe: bool = False, without: str = "") -> str | None:
    found = diagnose(case.less.get(without, case.curve), probe=case.probe if probe else None)
    return next((r for finding in found.findings for r in finding.remedies[:1] if r in FREE), None)


POLICIES: Mapping[str, Policy] = {
    "doctor": advice,
    "doctor, cough": lambda case: advice(case, probe=True),
    "doctor without rates": lambda case: advice(case, without="rates"),
    "doctor without validation": lambda case: advice(case, without="validation"),
    "always ×9": lambda case: "rate ×9",
    "always nothing": lambda case: None,
}


def measures(cases: Sequence[Case], given: Sequence[str | None]) -> dict[str, float | None]:
    """Shares in percent, None where there is nothing to count."""

    def share(hits: list[bool]) -> float | None:
        return round(100 * float(np.mean(hits)), 1) if hits else None

    both = list(zip(cases, given, strict=True))
    return {
        "improves": share([a in c.helping for c, a in both if c.helping]),
        "harms": share([a in c.harming for c, a in both if a and c.truth != "grey"]),
        "false alarm": share([a is not None for c, a in both if c.healthy]),
        "miss": share([a is None for c, a in both if c.helping and max(c.gains.values()) > 0.10]),
        "precision": share([a in c.helping for c, a in both if a and c.truth != "grey"]),
    }


def table(cases: Sequence[Case], policies: Mapping[str, Policy] = POLICIES, draws: int = 2000) -> dict[str, dict]:
    """For each policy and measure: the mean over tasks and its 95 % interval from drawing tasks anew; and by task."""
    tasks = sorted({case.task for case in cases})
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(tasks), size=(draws, len(tasks)))
    result = {}
    for name, policy in policies.items():
        given = [policy(case) for case in cases]
        rows = {}
        for task in tasks:
            own = [k for k, case in enumerate(cases) if case.task == task]
            rows[task] = measures([cases[k] for k in own], [given[k] for k in own])
        entry: dict = {"tasks": rows, "pooled": measures(cases, given), "families": families(cases, given)}
        for measure in MEASURES:
            values = np.array([rows[task][measure] for task in tasks], dtype=float)  # None is NaN
            mean, (low, high) = np.nan, (np.nan, np.nan)
            if np.isfinite(values).any():
                with np.errstate(all="ignore"):
                    sums, counts = np.nansum(values[drawn], axis=1), np.isfinite(values[drawn]).sum(axis=1)
                    mean = float(np.nanmean(values))
                    low, high = np.nanpercentile(sums[counts > 0] / counts[counts > 0], [2.5, 97.5])
            three = (mean, float(low), float(high))
            entry[measure] = [None if np.isnan(x) else round(x, 1) for x in three]
        result[name] = entry
    return result


def families(cases: Sequence[Case], given: Sequence[str | None]) -> dict[str, dict[str, float]]:
    """By the family of the best remedy: how many runs, and in which share of them advice helps (or is silent)."""
    result = {}
    for truth in sorted({case.truth for case in cases}):
        own = [(c, a) for c, a in zip(cases, given, strict=True) if c.truth == truth]
        right = [a in c.helping if c.helping else a is None for c, a in own]
        result[truth] = {"runs": len(own), "right": round(100 * float(np.mean(right)), 1)}
    return result


def text(result: Mapping[str, dict]) -> str:
    lines = [f"{'':28}" + "".join(f"{m:>22}" for m in MEASURES)]
    for name, entry in result.items():
        cells = ["–" if entry[m][0] is None else "{:.0f} [{:.0f}, {:.0f}]".format(*entry[m]) for m in MEASURES]
        lines.append(f"{name:28}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)
