"""Marking a submission: each item's code is found by its names, and each of its test cells is a check of its own."""

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrlib.grading.assignments import Assignment, Item, Notebook, Test, Unreadable, read, text
from lrlib.grading.code import Code, Piece
from lrlib.grading.limits import Limits
from lrlib.grading.marks import Mark


def grade(submission: Path | Notebook, source: Path, *, student: str, limits: Limits | None = None) -> list[Mark]:
    """The marks of one submission.

    Nothing of it is run as a notebook. For each graded cell of ``source``, the statements of the submission that the
    item's names hang on are run in a process of their own, and the cell, hidden tests included, in another one that
    calls the student's functions over a pipe. May be called from several threads and processes at once: each thread
    keeps a warm process for each of its last four assignments. Needs Linux or macOS.

    Args:
        submission: The notebook handed in, as a path or as read by nbformat. One that cannot be read earns 0
            everywhere, with the reason.
        source: The instructor's notebook, with solutions and hidden tests.
        student: The student's id.
        limits: Of each check, and of all of them together.

    Returns:
        One mark for each autograded cell and each figure, in the order of ``source``.

    Raises:
        FileNotFoundError: There is no such ``submission``.
        ValueError: ``source`` is not a notebook, or its prelude fails.
        OSError: On Windows.
    """
    if sys.platform == "win32":
        raise OSError(
            "lrlib.grading must run on Linux or macOS, since it forks processes, but this is Windows: use WSL"
        )
    limits = limits or Limits()
    assignment = Assignment(Path(source))
    try:
        cells = read(submission)
    except Unreadable as error:
        return [_mark(item, test, str(error), look=True) for item in assignment.items for test in item.tests]
    code = Code([text(cell) if cell.get("cell_type") == "code" else None for cell in cells])
    items = [_Item(assignment, item, cells, code, student, limits) for item in assignment.items]
    _mark_all(items, limits)
    return [mark for item in items for mark in item.marks()]


def _mark_all(items: list["_Item"], limits: Limits) -> None:
    """Try every item in its share of the submission's time, and those that ran out of it again in what is left.

    A share is what is left over the number of items that still wait, so what one does not need, the later ones have.
    """
    left, waiting = limits.submission_seconds, items
    while waiting:
        late = []
        for number, item in enumerate(waiting):
            share = left / (len(waiting) - number)
            enough = item.tried + min(1, limits.seconds / 2) if item.tried else 0  # with less it would end where it did
            if min(share, limits.seconds) >= enough:
                left = max(0.0, left - item.go_on(share))
                if item.late:
                    late.append(item)
        waiting = [item for item in late if item.tried < limits.seconds]


def _mark(item: Item, test: Test, reason: str, **more: Any) -> Mark:
    points = 0.0 if reason or item.manual else test.points
    return Mark(item.name, test.cell, points, test.points, reason, manual=item.manual, **more)


class _Item:
    def __init__(
        self,
        assignment: Assignment,
        item: Item,
        cells: list[Mapping[str, Any]],
        code: Code,
        student: str,
        limits: Limits,
    ) -> None:
        self.assignment, self.item, self.student, self.limits = assignment, item, student, limits
        self.cells, self.code = cells, code
        self.done: list[Mark] = []
        self.late: Mark | None = None  # of a check that ran out of time, unless it is tried again with more
        self.tried = 0.0  # with how many seconds it was

    def marks(self) -> list[Mark]:
        """What the item earned; what comes after a check that ran out of time is not tried."""
        marks = [*self.done, self.late] if self.late else list(self.done)
        for test in self.item.tests[len(marks) :]:
            reason = f"Not tried, since the check before ended so: {marks[-1].reason}"
            marks.append(_mark(self.item, test, reason, look=True))
        return marks

    def go_on(self, seconds: float) -> float:
        """Carry out the checks that are still to be done, in ``seconds`` in all; how long they took."""
        left, self.late = seconds, None
        for test in self.item.tests[len(self.done) :]:
            mark, took, stopped = self._check(test, left)
            left -= took
            if stopped:
                self.late, self.tried = mark, stopped
                break
            self.done.append(mark)
        return seconds - left

    def _check(self, test: Test, seconds: float) -> tuple[Mark, float, float]:
        """A check in ``seconds``: its mark, how long it took, and, if it ran out of time, how much it was given."""
        from lrlib.grading.checking import check

        names = self._names(test)
        missing = [name for name in names if not self.code.defines(name)]
        if missing:
            return _mark(self.item, test, self._missing(missing[0])), 0, 0
        others = {
            n for n, owner in self.assignment.owners.items() if owner != self.item.name and n not in self.item.binds
        }
        marks, took = [], 0.0
        for model in (others, set()):  # with the model's other functions, and if that fails, with the student's own
            task = self._task(test, names, model)
            given = min(self.limits.seconds, max(seconds - took, 0.1))
            outcome = check(self.assignment.prelude, self.limits, task, given)
            took += outcome.seconds
            reason = outcome.reason
            if outcome.stopped and given < self.limits.seconds:
                reason = f"{reason[:-1]}, its share of the {self.limits.submission_seconds:g} s that a submission has."
            more = {"output": outcome.output, "picture": outcome.picture, "look": outcome.look}
            marks.append(_mark(self.item, test, reason, **more))
            if not reason:
                return marks[-1], took, 0
            if outcome.stopped and model is others:
                return marks[-1], took, given
            if not task["model_names"]:
                break
        return marks[0], took, 0

    def _names(self, test: Test) -> list[str]:
        if self.item.manual:
            functions = [name for name in self.item.binds if name in self.item.functions]
            return (functions or list(self.item.binds))[-1:]
        tree = ast.parse(test.source)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        return [name for name in self.item.binds if name in used and name not in self.assignment.given]

    def _task(self, test: Test, names: list[str], others: set[str]) -> dict[str, Any]:
        given = self.assignment.given
        pieces = self.code.slice(names, given=given | others, functions=self.item.functions)
        chosen = {(p.cell, n) for p in pieces for n in p.statements}
        used = {name for s in self.code.statements if (s.cell, s.number) in chosen for name in s.uses}
        model_names = sorted(used & others)
        model = self.assignment.code.slice(model_names, given=given, functions=model_names)
        return {
            "pieces": [_plain(piece) for piece in pieces],
            "names": names,
            "functions": sorted(self.item.functions & set(names)) if not self.item.manual else [],
            "model": [_plain(piece) for piece in model],
            "model_names": model_names,
            "test": "" if self.item.manual else test.source,
            "hidden": test.hidden,
            "student": self.student,
            "draw": names[0] if self.item.manual else "",
        }

    def _missing(self, name: str) -> str:
        what = "function" if name in self.item.functions else "value"
        pattern = re.compile(rf"^\s*(?:(?:async\s+)?def|class)\s+{re.escape(name)}\b|^\s*{re.escape(name)}\s*=", re.M)
        for number, cell in enumerate(self.cells, 1):
            if not pattern.search(text(cell)):
                continue
            if cell.get("cell_type") != "code":
                return f"The cell that defines `{name}` is text, not code."
            if error := self.code.errors.get(number):
                where = f" in line {error.lineno}: `{(error.text or '').strip()[:200]}`" if error.lineno else ""
                return f"The cell that defines `{name}` has a syntax error{where} ({error.msg})."
            if text(cell).lstrip().startswith("%%"):
                return f"The cell that defines `{name}` begins with `{text(cell).split()[0]}`, so it is not Python."
        return f"There is no {what} named `{name}` in a code cell."


def _plain(piece: Piece) -> tuple[int, str, tuple[int, ...]]:
    return piece.cell, piece.source, piece.statements
