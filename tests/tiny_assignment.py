"""A source notebook of five items that are graded in a moment, and what a submission to it earns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrlib.grading import Limits, Mark, grade

LIMITS = Limits(seconds=1, memory_mb=500)
PRELUDE = "import numpy as np\nimport torch\n\ndef given(x):\n    return 2 * x"
STEP = "def step(x, rate, gradient):\n    return x - rate * gradient(x)"
DECAY = "def decay(total):\n    def schedule(k):\n        return 1 - k / total\n    return schedule"
SCALE = "def scale(x):\n    return 3 * x"
ANSWERS = "answers = {'rate': 0.5}"
FIGURE = "def figure():\n    import matplotlib.pyplot as plt\n    return plt.figure(figsize=(2, 2))"
SOLUTIONS = {"scale": SCALE, "step": STEP, "decay": DECAY, "answers": ANSWERS, "figure": FIGURE}
TESTS = {
    "scale": "assert np.allclose(np.asarray(scale(np.ones(3))), 3, rtol=1e-4), 'three times as much'",
    "step": "assert abs(float(step(1.0, 0.25, lambda x: 2 * x)) - 0.5) < 1e-4, 'a step downhill'",
    "decay": "s = decay(4)\nassert [float(s(k)) for k in (0, 2, 4)] == [1, 0.5, 0], 'from 1 to 0'",
    "answers": "assert 0.4 < answers['rate'] < 0.6, 'the rate of the picture'",
}


def code(source: Any, name: str = "", **meta: Any) -> dict[str, Any]:
    about = {"nbgrader": {"grade_id": name, "locked": False, "grade": False, "solution": False, **meta}} if name else {}
    return {"cell_type": "code", "metadata": about, "source": source, "outputs": [], "execution_count": None}


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(*cells: dict[str, Any] | str) -> dict[str, Any]:
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save_source(
    folder: Path, prelude: str = PRELUDE, solutions: Mapping[str, str] = SOLUTIONS, tests: Mapping[str, str] = TESTS
) -> Path:
    """Write a source notebook; an item without a test is a figure."""
    cells = [code(prelude, "prelude", locked=True)]
    for name, solution in solutions.items():
        cells.append(code(solution, name, solution=True, grade=name not in tests, points=2))
        if name in tests:
            hidden = f"### BEGIN HIDDEN TESTS\n{tests[name]}\n### END HIDDEN TESTS"
            cells.append(code(hidden, f"{name}-test", locked=True, grade=True, points=1))
    path = folder / "tiny.ipynb"
    path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
    return path


def marks(source: Path, *cells: dict[str, Any] | str, limits: Limits = LIMITS) -> dict[str, Mark]:
    """What a submission of these cells earns, item by item."""
    return {mark.item: mark for mark in grade(notebook(*cells), source, student="ada", limits=limits)}


def lost(source: Path, *cells: dict[str, Any] | str, limits: Limits = LIMITS) -> dict[str, str]:
    """The reasons of the items without their points."""
    return {name: mark.reason for name, mark in marks(source, *cells, limits=limits).items() if mark.reason}


def others(*without: str) -> list[str]:
    """The model solutions of the other items."""
    return [solution for name, solution in SOLUTIONS.items() if name not in without]
