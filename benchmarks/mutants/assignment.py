"""A source notebook, read: its prelude, and each item with its model solution and its test cells."""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "chapters" / "assignments"
ANSWERS = Path(__file__).parent
SOLUTION_MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")


@dataclass(frozen=True)
class TestCell:
    name: str  # its grade_id
    source: str
    points: float


@dataclass(frozen=True)
class Item:
    name: str
    solution: str
    tests: tuple[TestCell, ...]

    @property
    def points(self) -> float:
        return sum(test.points for test in self.tests)

    @property
    def names(self) -> frozenset[str]:
        """What the solution defines at top level."""
        return bound_names(self.solution)


@dataclass(frozen=True)
class Assignment:
    name: str
    path: Path
    prelude: str
    items: dict[str, Item]

    def fingerprint(self) -> str:
        """A hash of the notebook and of the answers that it is measured by."""
        answers = ANSWERS / f"{self.name}.py"
        return hashlib.sha256(self.path.read_bytes() + answers.read_bytes()).hexdigest()


def bound_names(source: str) -> frozenset[str]:
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return frozenset(names)


def assignment_names() -> list[str]:
    """The assignments that are there, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*/*.ipynb") if path.stem == path.parent.name)


def read_assignment(name: str) -> Assignment:
    path = FOLDER / name / f"{name}.ipynb"
    prelude, solutions, tests = "", {}, {}
    for cell in nbformat.read(path, as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        item = cell.metadata.get("lrlib", {}).get("item")
        if about.get("grade_id") == "prelude":
            prelude = cell.source
        elif cell.cell_type == "code" and item and about["grade"] and not about["solution"]:
            test = TestCell(about["grade_id"], cell.source, about["points"])
            tests[item] = (*tests.get(item, ()), test)
        elif cell.cell_type == "code" and item and about["solution"]:
            solutions[item] = without_marks(cell.source)
    items = {item: Item(item, solutions[item], tests[item]) for item in tests}
    return Assignment(name, path, prelude, items)


def without_marks(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if line.strip() not in SOLUTION_MARKS)
