"""The mutation score of an assignment."""

import importlib
from typing import Any

from benchmarks.mutants.answers import Equivalent, Right, Wrong
from benchmarks.mutants.assignment import Assignment
from benchmarks.mutants.breeding import mutants
from benchmarks.mutants.grading import Classroom


def answers_to(assignment: Assignment) -> tuple[list[Wrong], list[Right], list[Equivalent]]:
    module = importlib.import_module(f"benchmarks.mutants.{assignment.name}")
    return module.WRONG, module.RIGHT, module.EQUIVALENT


def score(assignment: Assignment) -> dict[str, Any]:
    """What the tests of an assignment find, as it is written down."""
    room = Classroom(assignment)
    wrong, right, equivalent = answers_to(assignment)
    alike = {(one.item, label) for one in equivalent for label in one.mutants}
    bred = {(item.name, m.label): m.source for item in assignment.items.values() for m in mutants(item.solution)}
    unknown = alike - bred.keys()
    if unknown:
        raise ValueError(f"EQUIVALENT must name mutants that there are, but has {sorted(unknown)}")
    bred = {key: source for key, source in bred.items() if key not in alike}
    bred |= {(answer.item, answer.why): answer.source for answer in wrong}
    survivors = [f"{item}: {label}" for (item, label), source in bred.items() if not room.notices(item, source)]
    return {
        "fingerprint": assignment.fingerprint(),
        "mutants": len(bred),
        "caught": len(bred) - len(survivors),
        "survivors": survivors,
        "equivalent": len(alike),
        "right variants": len(right),
        "right variants that lose points": [
            f"{answer.item}: {answer.how}" for answer in right if room.notices(answer.item, answer.source)
        ],
    }
