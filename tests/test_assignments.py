"""The sources of the assignments: their form, their points, and how sharp their tests are."""

import ast
import json

import nbformat
import pytest

from benchmarks.mutants.assignment import FOLDER, SOLUTION_MARKS, assignment_names, read_assignment
from benchmarks.mutants.breeding import mutants
from benchmarks.mutants.score import answers_to

NAMES = assignment_names()
HIDDEN_MARKS = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_the_cells_are_as_nbgrader_wants_them(name: str) -> None:
    keys = {"schema_version", "grade_id", "grade", "solution", "locked", "task"}
    cells = [c for c in notebook(name).cells if "nbgrader" in c.metadata]
    grade_ids = [c.metadata.nbgrader.grade_id for c in cells]
    assert len(grade_ids) == len(set(grade_ids))
    assert "prelude" in grade_ids
    assert "student" in grade_ids
    first = next(c for c in notebook(name).cells if c.cell_type == "code")
    assert first.metadata.nbgrader == {
        **dict.fromkeys(("grade", "solution", "task"), False),
        "schema_version": 3,
        "grade_id": "prelude",
        "locked": True,
    }
    for cell in cells:
        about = cell.metadata.nbgrader
        assert about.keys() - {"points"} == keys, about
        assert about.schema_version == 3
        assert ("points" in about) == about.grade
        if about.grade:
            assert about.points > 0
            assert about.solution != about.locked
        marked = [mark for mark in SOLUTION_MARKS if mark in cell.source]
        assert len(marked) == (2 if about.solution and cell.cell_type == "code" and about.grade_id != "student" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_an_item_has_a_solution_and_checks_that_are_seen_and_hidden(name: str) -> None:
    assignment = read_assignment(name)
    for item in assignment.items.values():
        seen, hidden = item.tests
        assert (seen.name, hidden.name) == (f"{item.name}-test", f"{item.name}-hidden")
        assert item.names
        assert HIDDEN_MARKS[0] not in seen.source
        first, begin, *_, end = hidden.source.splitlines()
        assert first.startswith("# ")
        assert (begin, end) == HIDDEN_MARKS


@pytest.mark.parametrize("name", NAMES)
def test_the_points_are_a_hundred_and_most_are_given_by_program(name: str) -> None:
    graded = [c.metadata for c in notebook(name).cells if c.metadata.get("nbgrader", {}).get("grade")]
    by_hand = [m for m in graded if m.nbgrader.solution]
    assert sum(m.nbgrader.points for m in graded) == 100
    assert 20 <= sum(m.nbgrader.points for m in by_hand) <= 35
    for about in by_hand:
        assert sum(points for points, _ in about.lrlib.rubric) == about.nbgrader.points
    kinds = {c.cell_type for c in notebook(name).cells if c.metadata.get("lrlib", {}).get("rubric")}
    assert kinds == {"code", "markdown"}, "a figure and a free text"


@pytest.mark.parametrize("name", NAMES)
def test_tests_of_one_item_use_no_solution_of_another(name: str) -> None:
    assignment = read_assignment(name)
    for item in assignment.items.values():
        others = {n for other in assignment.items.values() if other is not item for n in other.names} - item.names
        for test in item.tests:
            used = {node.id for node in ast.walk(ast.parse(test.source)) if isinstance(node, ast.Name)}
            assert not used & others, test.name


def test_the_score_belongs_to_the_assignments_and_meets_the_bars() -> None:
    scores = json.loads((FOLDER / "mutation_score.json").read_text(encoding="utf-8"))
    assert scores.keys() == set(NAMES), "run python -m benchmarks.mutants"
    for name, found in scores.items():
        assert found["fingerprint"] == read_assignment(name).fingerprint(), f"{name}: run python -m benchmarks.mutants"
        assert found["caught"] >= 0.95 * found["mutants"], found["survivors"]
        assert found["right variants that lose points"] == []
    assert sum(found["mutants"] for found in scores.values()) >= 200
    assert sum(found["right variants"] for found in scores.values()) >= 20


def test_mutants_differ_from_the_program_and_from_each_other_in_one_place() -> None:
    source = "def f(a, b):\n    for t in range(b):\n        a += 2 * t\n    return a, max(a, b)\n"
    bred = mutants(source)
    labels = [mutant.label for mutant in bred]
    assert len({mutant.source for mutant in bred} | {source.strip()}) == len(bred) + 1
    assert len(labels) == len(set(labels))
    for slip in ("range(b) → range(b + 1)", "a += 2 * t → a -= 2 * t", "max(a, b) → min(a, b)", "2 → 3"):
        assert slip in labels
    assert [mutant.label for mutant in mutants(source)] == labels


def test_answers_name_items_and_mutants_that_there_are() -> None:
    for name in NAMES:
        assignment = read_assignment(name)
        wrong, right, equivalent = answers_to(assignment)
        assert {answer.item for answer in (*wrong, *right, *equivalent)} <= assignment.items.keys()
        assert len({(a.item, a.why) for a in wrong}) == len(wrong)
        assert len({(a.item, a.how) for a in right}) == len(right)
        bred = {(i.name, m.label) for i in assignment.items.values() for m in mutants(i.solution)}
        assert {(one.item, label) for one in equivalent for label in one.mutants} <= bred
