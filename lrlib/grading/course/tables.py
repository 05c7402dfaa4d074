"""Marks as CSV: for the teacher, and as Moodle and Canvas import them. Everything stays in the course folder."""

import csv
import io
from collections.abc import Iterable, Sequence

from lrlib.grading.course import marking
from lrlib.grading.course.layout import Course, Student, read_state, write
from lrlib.grading.course.results import Result

Results = dict[tuple[str, str], Result]


def write_tables(course: Course, found: Results, students: dict[str, Student]) -> None:
    """Write ``marks.csv``, ``reasons.csv``, ``moodle.csv`` and ``canvas.csv`` into the course folder.

    ``marks.csv`` has a line a student, ``reasons.csv`` one for each graded cell of each student. ``moodle.csv`` has
    columns of Moodle's own export; its import asks what each of them is and passes over those that it is not told.
    Canvas's import wants the five columns of ``canvas.csv`` in this order. It finds a student by ``ID`` (its own
    number, ``lms_id`` in the roster), else by ``SIS User ID``, here the id in the course, else by the name; the line
    ``Points Possible`` says what an assignment is worth.
    """
    names = sorted({assignment for assignment, _ in found})
    most = {name: max(r.max_score for (a, _), r in found.items() if a == name) for name in names}
    people = [students[id] for id in sorted(students)]

    def points(student: Student) -> list[str]:
        return [_points(found.get((name, student.id))) for name in names]

    head = ["id", "name", *(f"{name} (of {most[name]:g})" for name in names), "total", "waiting for a teacher"]
    rows = []
    for student in people:
        own = [found[name, student.id] for name in names if (name, student.id) in found]
        total = f"{sum(r.score for r in own):g}" if own else ""
        rows.append([student.id, student.name, *points(student), total, str(sum(r.waiting for r in own))])
    _write(course, "marks.csv", [head, *rows])

    moodle = ["First name", "Last name", "ID number", "Email address"]
    moodle += [f"Assignment: {name} (Real)" for name in names]
    _write(course, "moodle.csv", [moodle, *([*s.first_and_last, s.id, s.email, *points(s)] for s in people)])

    canvas = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
    possible = ["    Points Possible", "", "", "", "", *(f"{most[name]:g}" for name in names)]
    lines = ([s.name or s.id, s.lms_id, s.id, "", "", *points(s)] for s in people)
    _write(course, "canvas.csv", [canvas, possible, *lines])

    _write(course, "reasons.csv", [["id", "assignment", "cell", "points", "of", "reason"], *_reasons(course, found)])


def _points(result: Result | None) -> str:
    return "" if result is None else f"{result.score:g}"


def _reasons(course: Course, found: Results) -> Iterable[list[str]]:
    for (assignment, student), result in sorted(found.items()):
        state = read_state(marking.place(course, assignment, student))
        reasons = {entry["cell"]: entry["reason"] for entry in state.get("marks", ())}
        for cell in result.cells:
            reason = "waits for a teacher" if cell.waiting else "" if cell.manual else reasons.get(cell.name, "")
            yield [student, assignment, cell.name, f"{cell.score:g}", f"{cell.max_score:g}", reason]


def _write(course: Course, name: str, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_plain(cell) for cell in row] for row in rows)
    write(course.root / name, text.getvalue())


def _plain(cell: str) -> str:
    """A spreadsheet takes what begins like this for a formula, and a student may have written it."""
    number = cell.replace(".", "", 1).replace("-", "", 1).isdigit()
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} and not number else cell
