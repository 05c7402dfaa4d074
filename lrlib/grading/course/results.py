"""What the gradebook says, in one read: each student's points by cell, manual marks included."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.api import Student as Enrolled

from lrlib.grading.course.layout import Course


@dataclass(frozen=True)
class Cell:
    """The points for one graded cell; ``waiting``: a person has yet to give or confirm them."""

    name: str
    score: float
    max_score: float
    waiting: bool
    manual: bool


@dataclass(frozen=True)
class Result:
    """One student's points for one assignment; ``comments`` are what a teacher wrote, cell by cell."""

    student: str
    assignment: str
    cells: tuple[Cell, ...]
    penalty: float = 0.0
    comments: tuple[tuple[str, str], ...] = ()

    @property
    def score(self) -> float:
        return sum(cell.score for cell in self.cells) - self.penalty

    @property
    def max_score(self) -> float:
        return sum(cell.max_score for cell in self.cells)

    @property
    def waiting(self) -> int:
        """How many cells wait for a person."""
        return sum(cell.waiting for cell in self.cells)


def _by_cell(record: Any, query: Any) -> Any:
    """``query`` along what nbgrader keeps for each cell, a Grade or a Comment, to whose it is and where."""
    return (
        query.select_from(record)
        .join(BaseCell, record.cell_id == BaseCell.id)
        .join(SubmittedNotebook, record.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(Enrolled, SubmittedAssignment.student_id == Enrolled.id)
        .order_by(Assignment.name, Enrolled.id, BaseCell.name)
    )


def results(course: Course) -> dict[tuple[str, str], Result]:
    """All results by (assignment, student)."""
    cells: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    comments: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    penalties: dict[tuple[str, str], float] = {}
    with Gradebook(course.gradebook) as gradebook:
        graded = _by_cell(
            Grade,
            gradebook.db.query(
                Assignment.name,
                Enrolled.id,
                BaseCell.name,
                Grade.score,
                Grade.max_score,
                Grade.needs_manual_grade,
                Grade.manual_score,
                SubmittedNotebook.late_submission_penalty,
            ),
        )
        for assignment, student, name, score, most, waiting, manual, penalty in graded:
            cells[assignment, student].append(Cell(name, score or 0.0, most or 0.0, bool(waiting), manual is not None))
            penalties[assignment, student] = penalty or 0.0
        written = _by_cell(Comment, gradebook.db.query(Assignment.name, Enrolled.id, BaseCell.name, Comment.comment))
        for assignment, student, name, text in written:
            if text:
                comments[assignment, student].append((name, text))
    return {
        key: Result(key[1], key[0], tuple(found), penalties[key], tuple(comments[key])) for key, found in cells.items()
    }
