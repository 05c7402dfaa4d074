"""An assignment's source notebook as items, and a submission as cells."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrlib.grading.code import Code
from lrlib.grading.limits import LOAD_BYTES

Notebook = Mapping[str, Any]


class Unreadable(ValueError):
    """A file that is no notebook; the message is a sentence for the student."""


@dataclass(frozen=True)
class Test:
    """A graded cell."""

    cell: str
    points: float
    source: str

    @property
    def hidden(self) -> bool:
        return "BEGIN HIDDEN TESTS" in self.source


@dataclass(frozen=True)
class Item:
    """A solution with the cells that test it; ``tests`` holds the cell itself if a person marks it."""

    name: str
    binds: tuple[str, ...]
    functions: frozenset[str]
    tests: tuple[Test, ...]
    manual: bool


class Assignment:
    """What a source notebook holds.

    Args:
        source: The path of the instructor's notebook.
    """

    def __init__(self, source: Path) -> None:
        try:
            cells = read(source)
        except Unreadable as error:
            raise ValueError(f"source must be a notebook, but {source}: {error}") from None
        texts = [text(cell) if cell.get("cell_type") == "code" else None for cell in cells]
        self.code = Code(texts)
        self.prelude: list[str] = []
        self.items: list[Item] = []
        solutions: dict[str, int] = {}
        tests: dict[str, list[Test]] = {}
        for number, (cell, source_text) in enumerate(zip(cells, texts, strict=True), 1):
            meta = cell.get("metadata", {}).get("nbgrader", {})
            name = str(meta.get("grade_id", ""))
            if source_text is None:
                continue
            if name == "prelude" or (meta.get("locked") and not meta.get("grade") and not meta.get("solution")):
                self.prelude.append(self.code.sources.get(number, ""))
            elif meta.get("solution"):
                solutions[name] = number
                tests.setdefault(name, [])
                if meta.get("grade"):
                    tests[name].append(Test(name, float(meta.get("points", 0)), source_text))
            elif meta.get("grade"):
                item = cell["metadata"].get("lrlib", {}).get("item") or name.rpartition("-")[0]
                tests.setdefault(item, []).append(Test(name, float(meta.get("points", 0)), source_text))
        for name, number in solutions.items():
            statements = [s for s in self.code.statements if s.cell == number]
            binds = tuple(dict.fromkeys(bound for s in statements for bound in sorted(s.binds)))
            functions = frozenset(
                b for b in binds if any(s.defines(b) and type(s.node).__name__.endswith("Def") for s in statements)
            )
            manual = any(t.cell == name for t in tests[name])
            if tests[name]:
                self.items.append(Item(name, binds, functions, tuple(tests[name]), manual))
        given = Code(self.prelude)
        self.given = frozenset(b for s in given.statements for b in s.binds) | {"student", "STUDENT"}
        self.owners = {bound: item.name for item in self.items for bound in item.binds if bound not in self.given}


def text(cell: Mapping[str, Any]) -> str:
    """The source of a cell, which may be a list of lines, or missing."""
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def read(notebook: Path | Notebook) -> list[Mapping[str, Any]]:
    """The cells of a notebook."""
    if not isinstance(notebook, Mapping):
        path = Path(notebook)
        if not path.exists():
            raise FileNotFoundError(f"submission must be a file that exists, but got {path}")
        if not path.is_file():
            raise Unreadable("What was handed in is a folder, not a notebook.")
        if path.stat().st_size > LOAD_BYTES:
            size = path.stat().st_size / 1e6
            raise Unreadable(
                f"The file is too large ({size:.0f} MB): clear the outputs, save it, and hand it in again."
            )
        try:
            notebook = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise Unreadable("The file is not a notebook that can be read.") from None
    if not isinstance(notebook, Mapping):
        raise Unreadable("The file is not a notebook that can be read.")
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        if isinstance(notebook.get("worksheets"), list):
            raise Unreadable("The notebook has an old format (3): open it in Jupyter, save it, and hand it in again.")
        raise Unreadable("The file is not a notebook that can be read.")
    return [cell for cell in cells if isinstance(cell, Mapping)]
