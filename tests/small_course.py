"""An assignment of two items and a written answer, small enough to be graded in a test; and ways to fill it in."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STEP = "def step(w, gradient, rate):\n    return w - rate * gradient"
DESCEND = (
    "def descend(w, slope, rate, steps):\n    for _ in range(steps):\n        w = step(w, slope(w), rate)\n    return w"
)
WHY = "Because each step **shrinks** the error by the same factor."


def cell(
    kind: str, source: str, name: str, *, points: int | None = None, item: str = "", **flags: bool
) -> NotebookNode:
    made = (new_code_cell if kind == "code" else new_markdown_cell)(source)
    about = {"schema_version": 3, "grade_id": name, "grade": False, "solution": False, "locked": False, "task": False}
    made.metadata["nbgrader"] = {**about, **flags}
    if points is not None:
        made.metadata["nbgrader"]["points"] = points
    if item:
        made.metadata["lrlib"] = {"item": item}
    return made


def source() -> NotebookNode:
    def solution(text: str, name: str, item: str = "") -> NotebookNode:
        head, colon, body = text.partition(":\n") if text.startswith("def") else ("", "", text)
        region = f"### BEGIN SOLUTION\n{body}\n### END SOLUTION"
        return cell("code", f"{head}{colon}{region}", name, solution=True, item=item)

    def test(text: str, name: str, points: int) -> NotebookNode:
        return cell("code", text, name, points=points, item=name.partition("-")[0], grade=True, locked=True)

    hidden = "# a step goes downhill\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
    downhill = 'assert abs(step(1.0, 2.0, 0.25) - 0.5) < 1e-6, "a step goes against the gradient"'
    why = cell("markdown", WHY, "why", points=3, item="why", grade=True, solution=True)
    why.metadata["lrlib"]["rubric"] = [[2, "names the factor"], [1, "says what it hangs on"]]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(
        metadata={"kernelspec": kernel},
        cells=[
            new_markdown_cell("# Steps"),
            cell("code", "import numpy as np", "prelude", locked=True),
            cell("code", 'student = "your id"', "student"),
            new_markdown_cell("Write `step`."),
            solution(STEP, "step", "step"),
            test('assert step(1.0, 1.0, 0.0) == 1.0, "with a rate of 0 nothing moves"', "step-test", 1),
            test(hidden.format(downhill), "step-hidden", 2),
            new_markdown_cell("Write `descend`."),
            solution(DESCEND, "descend", "descend"),
            test('assert abs(descend(1.0, lambda w: 2 * w, 0.25, 2) - 0.25) < 1e-6, "two steps"', "descend-test", 2),
            new_markdown_cell("Why is it geometric?"),
            why,
        ],
    )


def filled_in(release: NotebookNode, step: str = STEP, descend: str = DESCEND, why: str = WHY) -> NotebookNode:
    """The released notebook with answers."""
    answers = {"student": 'student = "ada"', "step": step, "descend": descend, "why": why}
    notebook = nbformat.from_dict(release)
    for c in notebook.cells:
        name = c.metadata.get("nbgrader", {}).get("grade_id")
        c.source = answers.get(name, c.source)
    return notebook


def save(notebook: NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
