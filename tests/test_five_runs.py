"""The five runs of the assignment on diagnosis: a student's own, each helped by what is meant for it."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks.mutants.assignment import read_assignment

MEANT = ("rate ×9", "rate ÷9", "rate ÷9", "hold", "stop", None)  # by the number of the sickness; the last is healthy


@cache
def given() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(read_assignment("diagnosis").prelude, "prelude", "exec"), names)
    return names


@pytest.mark.parametrize("student", ["ada", "grace@example.org", "model"])
def test_the_treatment_that_is_meant_helps_more_than_the_others(student: str) -> None:
    runs = given()["five_runs"](student)
    for letter, kind in zip("ABCDE", given()["drawn"](student), strict=True):
        before = runs[letter]["validation"][-1]
        ends = {name: given()["treat"](student, letter, name)["validation"][-1] for name in given()["TREATMENTS"]}
        if MEANT[kind] is None:
            assert min(ends.values()) > 0.9 * before
        else:
            best = ends.pop(MEANT[kind])
            assert best < 0.8 * before, (letter, kind)
            assert best < 0.9 * min(ends.values()), (letter, kind)


def test_runs_are_a_students_own_and_the_same_each_time() -> None:
    orders = {tuple(given()["drawn"](f"student {n}")) for n in range(40)}
    assert len(orders) > 30
    assert given()["drawn"](" Ada ") == given()["drawn"]("ada")
    case = given()["cases_of"]("ada")["A"]
    first, again = given()["trained"](case), given()["trained"](case)
    assert all(np.array_equal(first[name], again[name]) for name in first)
