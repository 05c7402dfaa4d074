"""Marks into nbgrader: its autograding with our marks where it would run the notebook."""

import base64
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from lrlib.grading.course import marking
from lrlib.grading.course.converters import convert
from lrlib.grading.course.layout import Course, read_notebook, read_state, update_state
from lrlib.grading.course.release import FOR_TEACHERS
from lrlib.grading.marks import Mark


class PutMarks(NbGraderPreprocessor):
    """Stands where nbgrader executes: puts the outcome of each test cell into its outputs, and runs nothing.

    A cell with an error among its outputs earns nothing, one without earns its points; nbgrader reads that off by
    itself. What the student's code printed and the figure that it drew stand under the student's cell.
    """

    root = Unicode(help="the course folder").tag(config=True)
    source = Unicode(help="the folder with the source of the assignments").tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        course = Course.at(self.root, self.source)
        which = resources["nbgrader"]["assignment"], resources["nbgrader"]["student"]
        marks = marking.kept(course, *which)
        put(notebook, marking.mark(course, *which) if marks is None else marks)
        _add_rubrics(notebook, read_notebook(course.notebook("source", which[0])))
        return notebook, resources


def put(notebook: NotebookNode, marks: list[Mark]) -> None:
    """Write ``marks`` into the outputs of ``notebook``, in place."""
    by_cell = {mark.cell: mark for mark in marks}
    printed: dict[str, str] = {}
    for mark in marks:
        printed[mark.item] = max(printed.get(mark.item, ""), mark.output, key=len)
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or not about.get("grade_id"):
            continue
        name, cell.outputs, cell.execution_count = about["grade_id"], [], None
        if about["solution"] and printed.get(name):
            cell.outputs.append(new_output("stream", name="stdout", text=printed[name]))
        found = by_cell.get(name)
        if about["solution"] and found and found.picture:
            data = {"image/png": base64.b64encode(found.picture).decode()}
            cell.outputs.append(new_output("display_data", data=data))
        if about["solution"] and found and found.reason:
            cell.outputs.append(new_output("stream", name="stdout", text=found.reason))
        if about["grade"] and not about["solution"]:
            cell.outputs += _outcome(found)


def _outcome(mark: Mark | None) -> list[NotebookNode]:
    reason = mark.reason if mark else "This cell was not graded."
    if mark and mark.points >= mark.max_points:
        return []
    if mark and mark.points > 0:
        data = {"text/plain": f"{mark.points}"}
        return [new_output("stream", name="stdout", text=reason), new_output("execute_result", data=data)]
    return [new_output("error", ename="Not correct", evalue=reason, traceback=[reason])]


def _add_rubrics(notebook: NotebookNode, source: NotebookNode) -> None:
    """Above each answer that a person marks, its rubric, in a cell that feedback leaves out."""
    rubrics = {}
    for cell in source.cells:
        if "nbgrader" in cell.metadata and cell.metadata.get("lrlib", {}).get("rubric"):
            rubrics[cell.metadata.nbgrader["grade_id"]] = cell.metadata.lrlib["rubric"]
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        rubric = rubrics.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if rubric:
            lines = "\n".join(f"- {points}: {text}" for points, text in rubric)
            note = new_markdown_cell(f"**Rubric** (not in the student's feedback)\n\n{lines}")
            note.metadata["lrlib"] = {FOR_TEACHERS: True}
            note["id"] = f"rubric-{len(cells)}"
            cells.append(note)
        cells.append(cell)
    notebook.cells = cells


@dataclass(frozen=True)
class _Decision:
    """What a teacher decided in formgrader, and the answer that it was about."""

    score: float | None
    settled: bool
    about: str


def record(course: Course, assignment: str, student: str) -> list[str]:
    """Bring the kept marks of a submission into the gradebook; a line for each manual mark that no longer fits.

    A mark that a teacher gave stays. If the answer (and for a test cell, its outcome) is what it was, it also stays
    settled; else nbgrader's formgrader asks for it again.
    """
    path = marking.place(course, assignment, student)
    before = _decisions(course, assignment, student)
    convert(Autograde, course, assignment, student)
    lines = _settle(course, assignment, student, before)
    update_state(path, recorded=read_state(path).get("fingerprint"))
    return lines


def _decisions(course: Course, assignment: str, student: str) -> dict[str, _Decision]:
    answers = _answers(course, assignment, student)
    found: dict[str, _Decision] = {}
    with Gradebook(course.gradebook) as gradebook:
        for grade in _grades(gradebook, assignment, student):
            if grade.manual_score is not None or grade.extra_credit is not None:
                about = answers.get(grade.name, "")
                found[grade.name] = _Decision(grade.manual_score, not grade.needs_manual_grade, about)
    return found


def _settle(course: Course, assignment: str, student: str, before: dict[str, _Decision]) -> list[str]:
    if not before:
        return []
    answers, lines = _answers(course, assignment, student), []
    with Gradebook(course.gradebook) as gradebook:
        for grade in _grades(gradebook, assignment, student):
            decision = before.get(grade.name)
            if decision is None:
                continue
            if decision.about and decision.about == answers.get(grade.name):
                grade.needs_manual_grade = not decision.settled
            else:
                lines.append(
                    f"{student}, {assignment}: the answer to {grade.name} has changed since a teacher marked it"
                )
        gradebook.db.commit()
    return lines


def _grades(gradebook: Gradebook, assignment: str, student: str) -> list[Any]:
    try:
        return list(gradebook.find_submission_notebook(assignment, assignment, student).grades)
    except MissingEntry:
        return []


def _answers(course: Course, assignment: str, student: str) -> dict[str, str]:
    """What a teacher saw for each graded cell: the answer, or, for a test, the outcome."""
    path = course.notebook("autograded", assignment, student)
    if not path.is_file():
        return {}
    seen = {}
    for cell in read_notebook(path).cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade"):
            outcome = "" if about["solution"] else str(cell.get("outputs", ""))
            seen[about["grade_id"]] = f"{cell.source}\n{outcome}"
    return seen
