"""What students get: nbgrader's release of each assignment, proved to hold no solution and no hidden test."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution

from lrlib.grading.course.converters import convert, make_gradebook
from lrlib.grading.course.layout import (
    Course,
    CourseError,
    digest,
    read_notebook,
    read_state,
    update_state,
    write_configuration,
)

_REGIONS = {"BEGIN SOLUTION": "END SOLUTION", "BEGIN HIDDEN TESTS": "END HIDDEN TESTS"}
_HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS.*?END HIDDEN TESTS[^\n]*\n?", re.DOTALL | re.MULTILINE)
FOR_TEACHERS = "for_teachers"  # in a cell's `lrlib` metadata: the cell is not for students


class ForStudents(NbGraderPreprocessor):
    """Takes out what only teachers see: hidden tests, the rubrics in the metadata, and the cells that show them.

    Hidden tests are looked for in the cells that nbgrader itself has put back; the like in a student's cell is text.
    """

    def preprocess(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("lrlib", {}).get(FOR_TEACHERS)]
        for cell in notebook.cells:
            cell.metadata.get("lrlib", {}).pop("rubric", None)
            if is_grade(cell) and not is_solution(cell):
                cell.source = _HIDDEN.sub("", cell.source).rstrip()
        return notebook, resources


def release(course: Course) -> list[str]:
    """Write ``release/`` for every assignment whose source has changed, and prove it clean; the names of those written.

    Raises:
        CourseError: there is no assignment, nbgrader refused one, or a release held what it must not. Such a release
            is deleted.
    """
    names = course.assignments()
    course.root.mkdir(parents=True, exist_ok=True)
    write_configuration(course)
    make_gradebook(course)
    for folder in (course.root / "release").glob("*"):
        if folder.name not in names:
            shutil.rmtree(folder)
    written = []
    for name in names:
        key, place = _fingerprint(course.source / name), course.root / "release" / name
        if read_state(course.state("released.json")).get(name) == [key, _fingerprint(place)] and _known(course, name):
            continue
        try:
            convert(GenerateAssignment, course, name)
        except CourseError as error:
            raise CourseError(f"{name} was not released: {_advice(str(error), course)}") from None
        found = leaks(place, read_notebook(course.notebook("source", name)))
        if found:
            shutil.rmtree(place)
            raise CourseError(f"{name} was not released: {found[0]}")
        update_state(course.state("released.json"), **{name: [key, _fingerprint(place)]})
        written.append(name)
    return written


def _advice(reason: str, course: Course) -> str:
    if "Cannot add or remove cells" in reason:
        return (
            f"its cells have changed, and {course.root} has submissions of the older one; start another COURSE folder"
        )
    return reason


def _known(course: Course, assignment: str) -> bool:
    with Gradebook(course.gradebook) as gradebook:
        return assignment in {known.name for known in gradebook.assignments}


def _fingerprint(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and ".ipynb_checkpoints" not in p.parts)
    return digest(*(part for p in files for part in (p.relative_to(folder).as_posix(), p.read_bytes())))


def leaks(folder: Path, source: NotebookNode) -> list[str]:
    """Where the files in ``folder`` show what ``source`` keeps from students; each place in a line.

    Looked at are all strings of a notebook (cells, outputs, metadata) and the text of every other file. A line of a
    region counts as a secret if the parts of the source that students see do not show it, too.
    """
    hidden, found = secrets(source), []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        text = path.read_text(encoding="utf-8", errors="replace")
        texts = [text]
        if path.suffix == ".ipynb":
            notebook = json.loads(text)
            texts = list(_strings(notebook))
            found += [
                f"{path.name} has the output of a cell"
                for cell in notebook["cells"]
                if cell.get("outputs") or cell.get("execution_count") is not None
            ]
            found += [
                f"{path.name} has a rubric in its metadata"
                for cell in notebook["cells"]
                if "rubric" in cell["metadata"].get("lrlib", {})
            ]
        lines = {" ".join(line.split()) for part in texts for line in part.splitlines()}
        joined = "\n".join(lines)
        marks = [mark for pair in _REGIONS.items() for mark in pair if mark in joined]
        shown = [secret for secret in sorted(hidden) if secret in lines or (len(secret) > 15 and secret in joined)]
        found += [f"{path.name} shows the marker {mark}" for mark in marks]
        found += [f"{path.name} shows a line that is kept from students: `{line}`" for line in shown]
    return found


def secrets(source: NotebookNode) -> set[str]:
    """The lines of solutions and hidden tests, white space made single, that no visible part of ``source`` shows."""
    kept: set[str] = set()
    visible = [
        "# YOUR CODE HERE",
        "raise NotImplementedError()",
        "YOUR ANSWER HERE",
    ]  # what nbgrader puts in their place
    for cell in source.cells:
        until, regions, lines = "", False, []
        for line in cell.source.splitlines():
            begins = [end for begin, end in _REGIONS.items() if begin in line]
            if begins:
                until, regions = begins[0], True
            elif until and until in line:
                until = ""
            elif until:
                kept.add(" ".join(line.split()))
            else:
                lines.append(" ".join(line.split()))
        whole = cell.metadata.get("nbgrader", {}).get("solution", False) and not regions
        kept.update(lines if whole else ())
        visible += [] if whole else lines
    text = "\n".join(visible)
    return {line for line in kept if any(c.isalnum() for c in line) and len(line) > 5 and line not in text}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)  # the lines of a cell
        for item in value:
            yield from _strings(item)
