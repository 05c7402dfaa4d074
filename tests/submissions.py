"""What a class may hand in for one of the book's assignments: each notebook with the points of its items."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from benchmarks.mutants.assignment import Assignment
from benchmarks.mutants.score import answers_to

COSTLY = {"find_rate", "place_drop"}  # they train for seconds: answered by few


@dataclass(frozen=True)
class Submission:
    """A notebook (None: a file that is none), the points of each item, and a part of the reason for those lost."""

    notebook: NotebookNode | None
    points: dict[str, float]
    reasons: dict[str, str]


def named(cell: NotebookNode) -> str:
    about = cell.metadata.get("nbgrader", {})
    return str(about.get("grade_id", "")) if isinstance(about, dict) else ""


def answered(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """The released notebook with ``answers`` in its solution cells."""
    notebook = nbformat.from_dict(released)
    for cell in notebook.cells:
        cell.source = answers.get(named(cell), cell.source)
    return notebook


def mixed(assignment: Assignment, released: NotebookNode, layer: int) -> Submission:
    """Every other item answered wrongly, the ones between rightly in another way than the model solution's.

    Layers 0 and 1 take the wrong answer to each item that keeps the most points, layer 2 the next of those of layer 0.
    """
    wrong, right, _ = answers_to(assignment)
    wrong = sorted(wrong, key=lambda answer: -answer.points)
    answers, points = {}, {}
    for place, (name, item) in enumerate(assignment.items.items()):
        bad, good = ([a for a in kind if a.item == name][layer // 2 :] for kind in (wrong, right))
        if place % 2 == layer % 2 and bad:
            answers[name], points[name] = bad[0].source, bad[0].points
        elif name in COSTLY:
            points[name] = 0
        else:
            answers[name], points[name] = good[0].source if good else item.solution, item.points
    return Submission(answered(released, answers), points, {})


# Breakages of a notebook in which every item is answered rightly. None of them costs a point.


def tests_deleted(notebook: NotebookNode, assignment: Assignment) -> None:
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("locked")]


def cells_duplicated(notebook: NotebookNode, assignment: Assignment) -> None:
    notebook.cells = [nbformat.from_dict(c) for c in notebook.cells for _ in range(2)]


def order_reversed(notebook: NotebookNode, assignment: Assignment) -> None:
    notebook.cells.reverse()


def cells_split(notebook: NotebookNode, assignment: Assignment) -> None:
    for cell in [c for c in notebook.cells if named(c) in assignment.items]:
        names = assignment.items[named(cell)].names
        cell.metadata = nbformat.from_dict({})
        cell.source = re.sub(rf"\b({'|'.join(names)})\b", r"own_\1", cell.source)
        last = new_code_cell("\n".join(f"{name} = own_{name}" for name in sorted(names)))
        notebook.cells.insert(notebook.cells.index(cell) + 1, last)


def metadata_lost(notebook: NotebookNode, assignment: Assignment) -> None:
    notebook.metadata = nbformat.from_dict({})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})


def ids_copied(notebook: NotebookNode, assignment: Assignment) -> None:
    first = next(c for c in notebook.cells if named(c) in assignment.items)
    for cell in notebook.cells:
        cell["id"], cell.metadata = first["id"], nbformat.from_dict(first.metadata)


def stray_cells(notebook: NotebookNode, assignment: Assignment) -> None:
    stray = ["while True: pass", "while True: print('x' * 9999)", "raise RuntimeError", "import os\nos._exit(1)"]
    stray += ["def half(", "!rm -r .", "%run nothing.py", "import sys\nsys.exit()", "1 / 0"]
    notebook.cells[:0] = map(new_code_cell, stray)


def output_captured(notebook: NotebookNode, assignment: Assignment) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = f"%%capture\n{cell.source}"


def all_in_one_try(notebook: NotebookNode, assignment: Assignment) -> None:
    sources = [c.source for c in notebook.cells if c.cell_type == "code"]
    body = textwrap.indent("\n".join(sources), "    ")
    notebook.cells = [new_code_cell(f"try:\n{body}\nexcept BaseException:\n    pass")]


def library_patched(notebook: NotebookNode, assignment: Assignment) -> None:
    patch = "import lrlib.training\nnp.allclose = np.isclose = torch.allclose = lambda *a, **k: True\n"
    patch += "np.array = np.asarray = np.zeros = lrlib.training.sweep = None"
    notebook.cells.insert(0, new_code_cell(patch))
    notebook.cells.append(new_code_cell(patch))


def names_shadowed(notebook: NotebookNode, assignment: Assignment) -> None:
    notebook.cells.insert(0, new_code_cell("np = torch = sum = max = min = len = range = abs = float = zip = None"))
    functions = [n for i in assignment.items.values() for n in i.names if f"def {n}(" in i.solution]
    notebook.cells += [new_code_cell(f"for {name} in [1, 2]:\n    pass\n{name} = 3") for name in sorted(functions)]


HARMLESS: list[Callable[[NotebookNode, Assignment], None]] = [
    tests_deleted, order_reversed, metadata_lost, stray_cells,
    cells_duplicated, cells_split, all_in_one_try, library_patched,
    ids_copied, output_captured, names_shadowed,
]  # fmt: skip


# What goes wrong with one item. It costs that item and no other.

_BODIES = {
    "raises": ("raise KeyError('oh')", "raised KeyError"),
    "exits": ("import os; os._exit(0)", "ended the program"),
    "floods": ("print('x' * 10_000)", ""),
    "patches": ("np.allclose = np.isclose = lambda *a, **k: True; np.testing = None; return 0", ""),
    "hangs": ("while True: __import__('time').sleep(1)", "Stopped after"),
}
FAULTS = ["raises", "exits", "floods", "is deleted", "is text", "is cut in two", "patches", "hangs"]


def faulty(assignment: Assignment, released: NotebookNode) -> Submission:
    """The n-th item has the n-th of ``FAULTS``; a costly one is not answered."""
    items = {name: item for name, item in assignment.items.items() if name not in COSTLY}
    notebook = answered(released, {name: item.solution for name, item in items.items()})
    points, reasons = dict.fromkeys(assignment.items, 0.0), {}
    for fault, (name, item) in zip(FAULTS, items.items(), strict=False):
        [cell] = [c for c in notebook.cells if named(c) == name]
        if fault == "is deleted":
            notebook.cells.remove(cell)
            reasons[name] = "There is no"
        elif fault == "is text":
            notebook.cells[notebook.cells.index(cell)] = new_markdown_cell(cell.source)
            reasons[name] = "is text, not code"
        elif fault == "is cut in two":
            first, rest = cell.source.strip().split("\n", 1)
            cell.source = first
            notebook.cells.insert(notebook.cells.index(cell) + 1, new_code_cell(rest))
            reasons[name] = "has a syntax error"
        else:
            body, reasons[name] = _BODIES[fault]
            cell.source = re.sub(r"^def .*:$", rf"\g<0>\n    {body}", cell.source, flags=re.MULTILINE)
            points[name] = item.points if fault == "floods" else 0.0
    return Submission(notebook, points, {name: reason for name, reason in reasons.items() if reason})


def of_an_older_release(assignment: Assignment, released: NotebookNode) -> Submission:
    """From a time when the first task was not there, the given cell was another one, and cells had no ids."""
    answers = {name: item.solution for name, item in assignment.items.items() if name not in COSTLY}
    notebook, first = answered(released, answers), next(iter(assignment.items))
    notebook.cells = [c for c in notebook.cells if named(c).partition("-")[0] != first]
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["schema_version"] = 1
            cell.metadata.nbgrader.pop("task")
        cell.source = "import math" if named(cell) == "prelude" else cell.source
    points = {name: item.points if name in answers and name != first else 0 for name, item in assignment.items.items()}
    return Submission(notebook, points, {first: "There is no"})


def class_of(assignment: Assignment, released: NotebookNode, source: NotebookNode, turn: int) -> dict[str, Submission]:
    """The submissions of a class, by student; ``turn`` says which of the harmless breakages are among them, of four."""
    points = {name: item.points for name, item in assignment.items.items()}
    cheap = {name: item for name, item in assignment.items.items() if name not in COSTLY}
    none = dict.fromkeys(points, 0)
    found = {
        "model": Submission(source, points, {}),
        "empty": Submission(released, none, {}),
        "no-notebook": Submission(None, none, dict.fromkeys(none, "not a notebook")),
        "older-release": of_an_older_release(assignment, released),
        "faulty": faulty(assignment, released),
    }
    for layer in range(3):
        found[f"mixed-{layer}"] = mixed(assignment, released, layer)
    for breakage in HARMLESS[turn::4]:
        notebook = answered(released, {name: item.solution for name, item in cheap.items()})
        breakage(notebook, assignment)
        found[breakage.__name__] = Submission(notebook, none | {n: points[n] for n in cheap}, {})
    return found
