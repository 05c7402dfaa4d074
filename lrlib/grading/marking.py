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
        limits: Of each check.

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
    return [mark for item in assignment.items for mark in _Item(assignment, item, cells, student, limits).marks()]


def _mark(item: Item, test: Test, reason: str, **more: Any) -> Mark:
    points = 0.0 if reason or item.manual else test.points
    return Mark(item.name, test.cell, points, test.points, reason, manual=item.manual, **more)


class _Item:
    def __init__(
        self, assignment: Assignment, item: Item, cells: list[Mapping[str, Any]], student: str, limits: Limits
    ) -> None:
        self.assignment, self.item, self.student, self.limits = assignment, item, student, limits
        self.cells = cells
        self.code = Code([text(cell) if cell.get("cell_type") == "code" else None for cell in cells])

    def marks(self) -> list[Mark]:
        marks, stopped = [], ""
        for test in self.item.tests:
            if stopped:
                marks.append(
                    _mark(self.item, test, f"Not tried, since the check before ended so: {stopped}", look=True)
                )
                continue
            mark, was_stopped = self._check(test)
            stopped = mark.reason if was_stopped else ""
            marks.append(mark)
        return marks

    def _check(self, test: Test) -> tuple[Mark, bool]:
        from lrlib.grading.checking import check

        names = self._names(test)
        missing = [name for name in names if not self.code.defines(name)]
        if missing:
            return _mark(self.item, test, self._missing(missing[0])), False
        others = {
            n for n, owner in self.assignment.owners.items() if owner != self.item.name and n not in self.item.binds
        }
        first = None
        for model in (others, set()):  # with the model's other functions, and if that fails, with the student's own
            task = self._task(test, names, model)
            outcome = check(self.assignment.prelude, self.limits, task)
            more = {"output": outcome.output, "picture": outcome.picture, "look": outcome.look}
            mark = _mark(self.item, test, outcome.reason, **more)
            first = first or (mark, outcome.stopped)
            if not mark.reason:
                return mark, False
            if outcome.stopped or not task["model_names"]:
                break
        assert first is not None
        return first

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
