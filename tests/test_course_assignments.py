"""The book's assignments from end to end on the real nbgrader: a whole class, each submission with its own points."""

import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from submissions import HARMLESS, class_of

from benchmarks.mutants.assignment import FOLDER, assignment_names, read_assignment
from benchmarks.mutants.score import answers_to
from lrlib.grading.course import Course
from lrlib.grading.course.layout import read_notebook
from lrlib.grading.course.release import leaks, release
from lrlib.grading.course.results import results
from lrlib.grading.course.run import grade_course

NAMES = assignment_names()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_of_a_class_gets_exactly_the_points_that_are_due(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / name, tmp_path / "source" / name)
    course, assignment = Course.at(tmp_path / "course", tmp_path / "source"), read_assignment(name)
    release(course)
    released, source = read_notebook(course.notebook("release", name)), read_notebook(course.notebook("source", name))
    assert leaks(course.root / "release" / name, source) == []
    handed_in = class_of(assignment, released, source, NAMES.index(name))
    for student, one in handed_in.items():
        path = tmp_path / "handed" / student / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(one.notebook) if one.notebook else "no notebook", encoding="utf-8")
    grade_course(course, tmp_path / "handed", workers=1)

    owner = {test.name: item.name for item in assignment.items.values() for test in item.tests}
    found: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(assignment.items, 0.0))
    for (_, student), result in results(course).items():
        for cell in result.cells:
            if cell.name in owner:
                assert not cell.waiting
                found[student][owner[cell.name]] += cell.score
    assert found == {student: one.points for student, one in handed_in.items()}

    with (course.root / "reasons.csv").open(newline="", encoding="utf-8") as file:
        reasons = {(row["id"], row["cell"]): row for row in csv.DictReader(file)}
    for (student, cell), row in reasons.items():
        if cell in owner:
            assert bool(row["reason"]) == (row["points"] != row["of"]), row
            assert handed_in[student].reasons.get(owner[cell], "") in row["reason"], row
    assert {page.parts[-3] for page in course.root.glob("feedback/*/*/*.html")} == handed_in.keys()


def test_every_breakage_has_its_turn_and_each_assignment_eight_wrong_answers() -> None:
    assert len(NAMES) == 4
    for name in NAMES:
        wrong = Counter(answer.item for answer in answers_to(read_assignment(name))[0])
        first = list(read_assignment(name).items)[::2]
        assert len(wrong) + sum(wrong[item] > 1 for item in first) >= 8
    assert sorted(f.__name__ for turn in range(4) for f in HARMLESS[turn::4]) == sorted(f.__name__ for f in HARMLESS)
