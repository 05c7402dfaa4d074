"""From what was handed in to one submission for each student and assignment, with a line for all that is odd."""

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from nbformat import NotebookNode

from lrlib.grading.code import Code
from lrlib.grading.course.archives import File, files
from lrlib.grading.course.layout import Course, CourseError, Student, listed, read_notebook
from lrlib.grading.course.who import LAYOUTS, Origin, as_id, in_roster, origin, wrappers

_COPY = re.compile(r"([-_ ]?copy[-_ ]?\d*|[-_ ]?\(\d+\)|-\d+)+$", re.IGNORECASE)  # names that browsers and LMSs make


@dataclass(frozen=True)
class Submission:
    """One student's notebook for one assignment.

    ``seed_id`` is the id that the student's own data hang on: the id in the course, or, where the course knows none,
    the one in the notebook's ``student = ...``.
    """

    student: Student
    assignment: str
    file: File
    seed_id: str
    notes: tuple[str, ...] = ()


def take_in(course: Course, directory: Path, only: str = "") -> tuple[list[Submission], list[str]]:
    """What ``directory`` (or a zip file) holds, one submission each; and a line for what is left out or worth knowing.

    Args:
        course: Its roster, if it has one, says who the students are.
        directory: In one of the layouts of :data:`lrlib.grading.course.who.LAYOUTS`.
        only: The id of one student; others are passed over in silence.

    Raises:
        CourseError: there is nothing to grade, and why.
    """
    if not directory.exists():
        raise CourseError(f"SUBMISSIONS: {directory} does not exist")
    if directory.is_file() and directory.suffix.lower() != ".zip":
        raise CourseError(f"SUBMISSIONS must be a folder or a zip file, and {directory} is neither")
    notes: list[str] = []
    found = list(files(directory, notes.append))
    notebooks = [file for file in found if file.where.suffix.lower() == ".ipynb"]
    if not notebooks:
        what = f"holds no notebook, only {listed(file.where.name for file in found)}" if found else "is empty"
        more = "".join(f"\n{note}" for note in notes)
        raise CourseError(f"SUBMISSIONS: {directory} {what}; looked for\n{LAYOUTS}{more}")
    assignments, roster = course.assignments(), course.roster()
    sources = {name: Source(read_notebook(course.notebook("source", name))) for name in assignments}
    around = wrappers([file.where for file in found], assignments, roster)
    placed = [(file, origin(file.where, assignments, roster, around)) for file in found]
    people, unknown = _people([where for _, where in placed], roster)
    handed: dict[tuple[str, str], list[Submission]] = defaultdict(list)
    for file, where in placed:
        if file.where.suffix.lower() != ".ipynb" or where not in people:
            continue
        student = people[where]
        if only and student.id != only:
            continue
        notebook, problem = read(file.data)
        assignment, doubt = which(where, notebook, sources)
        if not assignment:
            notes.append(
                f"{student.id}: {file.where} {problem or 'defines nothing that an assignment asks for'}: left out"
            )
            continue
        own = f"{student.id}, {assignment}: {file.where}"
        said = [f"{own} {line}" for line in (problem and f"{problem}: 0 points", doubt) if line]
        typed = typed_id(notebook)
        typed = "" if typed == sources[assignment].typed_id else typed
        known = bool(roster) or not where.number
        if known and typed and typed.casefold() != student.id.casefold():
            said.append(f"{own} says student = {typed!r}; its personal tasks are graded as those of {student.id}")
        seed_id = student.id if known else typed or student.id
        handed[student.id, assignment].append(Submission(student, assignment, file, seed_id, tuple(said)))
    latest = [_latest(several) for _, several in sorted(handed.items())]
    notes += unknown if not only else []
    empty = {s.id: s for s in people.values()}
    for id in sorted(empty.keys() - {student for student, _ in handed}):
        names = [file.where.name for file, where in placed if where in people and people[where].id == id]
        if (not only or id == only) and not all(name.lower().endswith(".ipynb") for name in names):
            notes.append(f"{id}: handed in no notebook, only {listed(names)}")
    if only and not latest:
        raise CourseError(f"STUDENT={only}: {directory} holds no notebook of this student")
    return latest, notes


def _people(origins: Iterable[Origin], roster: dict[str, Student]) -> tuple[dict[Origin, Student], list[str]]:
    """The student behind each origin; and a line for each name that belongs to none, or to several."""
    people: dict[Origin, Student] = {}
    lines: dict[str, None] = {}
    numbers: dict[tuple[str, str], set[str]] = defaultdict(set)
    origins = list(origins)
    for where in origins:
        numbers[as_id(where.name), where.assignment].add(where.number)
    for where in origins:
        if not where.name:
            lines[f"{where.file}: no folder or file name says whose it is; looked for\n{LAYOUTS}"] = None
        elif roster:
            students = in_roster(where, roster)
            if len(students) == 1:
                people[where] = students[0]
            else:
                several = f"may be {listed(s.id for s in students)}: give their lms_id in students.csv"
                lines[f"{where.name}: {several if students else 'is not in students.csv'}; not graded"] = None
        else:
            id = as_id(where.name) or where.number
            if where.number and len(numbers[as_id(where.name), where.assignment]) > 1:
                id = f"{id[:50]}_{where.number}"  # two of the same name
            if id:
                people[where] = Student(id, where.name if id != where.name else "", where.number)
            else:
                lines[f"{where.name}: cannot be an id; name the student by letters or digits"] = None
    return people, list(lines)


def _latest(several: list[Submission]) -> Submission:
    """The later one of two, by the time of its last change, then by its name; which one counts is noted."""
    ordered = sorted(several, key=lambda s: (s.file.time, s.file.where))
    last = ordered[-1]
    others = [f"{s.file.where} ({s.file.time:%Y-%m-%d %H:%M})" for s in ordered[:-1] if s.file.data != last.file.data]
    if not others:
        return last
    own = f"{last.student.id}, {last.assignment}"
    counts = f"{last.file.where} ({last.file.time:%Y-%m-%d %H:%M})"
    return replace(last, notes=(f"{own}: {counts} counts, the latest; not {listed(others)}", *last.notes))


class Source:
    """What tells an assignment from another: the names that its solution cells define."""

    def __init__(self, notebook: NotebookNode) -> None:
        self.items: dict[str, frozenset[str]] = {}
        for cell in notebook.cells:
            about = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code" and about and (about["solution"] or is_plain(about)):
                self.items[about["grade_id"]] = frozenset(defined(cell.source) - {"_"})  # which many cells bind
        self.typed_id = typed_id(notebook)  # what `student = ...` says before anybody has changed it
        self.names = frozenset().union(*self.items.values()) - {"student"}


def is_plain(about: dict[str, Any]) -> bool:
    """Whether nbgrader's metadata are those of a cell that is the student's and earns nothing: ``student = "..."``."""
    return not (about["grade"] or about["solution"] or about["locked"] or about.get("task"))


def defined(source: str) -> set[str]:
    """The names that a cell binds; none, if it cannot be read."""
    return {name for statement in Code([source]).statements for name in statement.binds}


def read(data: bytes) -> tuple[NotebookNode | None, str]:
    """The notebook, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat's, of cells that have no id, or another one's
            notebook = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        cells = [(cell.cell_type, cell.source, cell.metadata.get("nbgrader")) for cell in notebook.cells]
    except Exception as error:  # whatever a file that only has a notebook's name may hold
        return None, f"is no notebook ({type(error).__name__})"
    if not all(isinstance(source, str) for _, source, _ in cells):
        return None, "is no notebook (a cell has no text)"
    return notebook, ""


def which(where: Origin, notebook: NotebookNode | None, sources: dict[str, Source]) -> tuple[str, str]:
    """The assignment that a file belongs to ("" if to none), and a line if its name says another one."""
    stem = PurePosixPath(where.file).stem.casefold()
    names = {name.casefold(): name for name in sources}
    named = names.get(stem) or names.get(_COPY.sub("", stem)) or where.assignment
    if not named:
        held = [name for name in names if name in stem]
        named = names[max(held, key=len)] if held else ""
    here = set().union(*(defined(c.source) for c in notebook.cells if c.cell_type == "code")) if notebook else set()
    fit = {name: len(source.names & here) for name, source in sources.items()}
    best = max(fit, key=lambda name: fit[name])
    if not fit[best] or (named and fit[named]):
        return named, ""
    if list(fit.values()).count(fit[best]) > 1:
        return named, ""
    doubt = f"has the name of {named} and the functions of {best}: graded as {best}" if named else ""
    return best, doubt


def typed_id(notebook: NotebookNode | None) -> str:
    """What the notebook's ``student = "..."`` says, "" if nothing."""
    typed = ""
    for cell in notebook.cells if notebook else ():
        for statement in Code([cell.source]).statements if cell.cell_type == "code" else ():
            node = statement.node
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and "student" in statement.binds:
                typed = str(node.value.value).strip()
    return typed
