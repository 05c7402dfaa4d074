"""A submission put into shape for nbgrader: the released notebook, with the student's answers in its solution cells.

Cells that were deleted, reordered, copied, split or stripped of their metadata thus cost nothing. Nothing of what was
handed in is lost: what has no place in the released notebook is kept at its end, as text.
"""

import re
from copy import deepcopy
from itertools import pairwise

from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from lrlib.grading.course.intake import Source, defined, is_plain

_MOST_CELLS, _MOST_CHARACTERS = 100, 20_000


def rebuild(release: NotebookNode, handed_in: NotebookNode | None, source: Source) -> tuple[NotebookNode, list[str]]:
    """The released notebook with the answers of ``handed_in``; and a line for each written answer that is not there.

    Args:
        release: What the students got.
        handed_in: The student's notebook; None for a file that is no notebook.
        source: The names that each solution cell defines.
    """
    notebook = deepcopy(release)
    if handed_in is None:
        return notebook, []
    cells = handed_in.cells
    used: set[int] = set()
    missing: list[str] = []
    for number, cell in enumerate(notebook.cells):
        about = cell.metadata.get("nbgrader", {})
        if not about or not (about["solution"] or is_plain(about)):
            continue
        name, stub = about["grade_id"], cell.source
        if cell.cell_type == "code":
            answer: list[int] | None = _code(cells, name, source.items.get(name, frozenset()), stub)
        else:
            answer = _text(cells, name, stub, notebook.cells[number - 1] if number else None, release)
            if answer is None:
                missing.append(name)
        if answer:
            used.update(answer)
            text = "\n\n".join(dict.fromkeys(cells[n].source for n in answer))
            cell.source = text if cell.cell_type == "code" else _harmless(text)
    known = {cell.source.strip() for cell in release.cells} | {""}
    rest = [cell for n, cell in enumerate(cells) if n not in used and cell.source.strip() not in known]
    if rest:
        notebook.cells.append(new_markdown_cell("---\n*What follows stands elsewhere in the notebook as handed in.*"))
        notebook.cells += [new_markdown_cell(_as_text(cell)) for cell in rest[:_MOST_CELLS]]
    if len(rest) > _MOST_CELLS:
        notebook.cells.append(new_markdown_cell(f"*… and {len(rest) - _MOST_CELLS} more cells.*"))
    for n, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{n}"  # the same at every run
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook, missing


def _id(cell: NotebookNode) -> str:
    about = cell.metadata.get("nbgrader")
    return str(about.get("grade_id", "")) if isinstance(about, dict) else ""


def _code(cells: list[NotebookNode], name: str, names: frozenset[str], stub: str) -> list[int]:
    """Where the item's code stands: all cells that define one of its names; else the one that has its ``grade_id``."""
    defining = [n for n, c in enumerate(cells) if c.cell_type == "code" and names & defined(c.source)]
    written = [n for n in defining if cells[n].source.strip() != stub.strip()]
    same = [n for n, c in enumerate(cells) if _id(c) == name and c.source.strip()]
    return written or defining or same[-1:]


def _text(
    cells: list[NotebookNode], name: str, stub: str, question: NotebookNode | None, release: NotebookNode
) -> list[int] | None:
    """Where a written answer stands: by ``grade_id``, else after its question. None: there is no such cell."""
    same = [n for n, c in enumerate(cells) if _id(c) == name]
    written = [n for n in same if cells[n].source.strip() not in {stub.strip(), ""}]
    if same:
        return written[-1:]
    released = {cell.source.strip() for cell in release.cells if cell.source.strip() != stub.strip()}
    for n, (cell, following) in enumerate(pairwise(cells), start=1):
        asked = question is not None and cell.source.strip() == question.source.strip()
        if asked and not _id(following) and following.source.strip() not in released:
            return [] if following.source.strip() == stub.strip() else [n]
    return None


def _harmless(text: str) -> str:
    """Markdown without tags that run scripts in the browser of whoever reads it."""
    cleaner = SanitizeHTML()
    return cleaner.sanitize_html_tags(text[: 10 * _MOST_CHARACTERS])


def _as_text(cell: NotebookNode) -> str:
    text = cell.source[:_MOST_CHARACTERS] + (" …" if len(cell.source) > _MOST_CHARACTERS else "")
    if cell.cell_type == "markdown":
        return _harmless(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}python\n{text}\n{fence}"
