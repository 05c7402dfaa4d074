"""A plugin beside nbval's: what the build has executed as it stands is compared, not executed once more.

``pytest -p tests.executed_notebooks --nbval-lax chapters`` compares, by nbval's own rules, the outputs that a notebook
keeps with those in the cache of ``make book``. A notebook that the cache does not hold as it is now (never built, or
edited since, or what it imports was) is left to nbval, which executes it.
"""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

sys.path.insert(0, str(Path(__file__).parents[1] / "extensions"))

from execution_cache import ExecutedNotebooks

LITTLE = 4  # notebooks, as many as there are assignments, which are no pages of the book
EXECUTED = pytest.StashKey[ExecutedNotebooks]()


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many ``-n auto`` are: none if there is little to execute, since each process looks at all notebooks anew."""
    executed = config.stash[EXECUTED] = ExecutedNotebooks(config.rootpath)
    folders = [config.rootpath / name for name in config.args]
    notebooks = [path for folder in folders for path in folder.rglob("*.ipynb") if path.parent.name[0] != "."]
    left = [path for path in notebooks if not executed.place(path).is_dir()]
    return int(os.environ.get("WORKERS", "2")) if len(left) > LITTLE else 0


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(EXECUTED, ExecutedNotebooks(config.rootpath))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(parent: pytest.Collector) -> Generator[None, list[Any], list[Any]]:
    collected = yield
    return [_from_the_build(item) if type(item) is IPyNbFile else item for item in collected]


def _from_the_build(file: IPyNbFile) -> IPyNbFile:
    executed = file.config.stash[EXECUTED].read(file.path)
    return file if executed is None else ExecutedFile.from_parent(file.parent, path=file.path, executed=executed)


class ExecutedFile(IPyNbFile):
    """A notebook whose cells have run already."""

    def __init__(self, *, executed: nbformat.NotebookNode, **options: Any) -> None:
        super().__init__(**options)
        self.executed = [cell for cell in executed.cells if cell.cell_type == "code"]

    def setup(self) -> None:
        """No kernel is needed."""
        self.setup_sanitize_files()

    def collect(self) -> Iterator[IPyNbCell]:
        for cell in super().collect():
            yield ExecutedCell.from_parent(
                self, name=f"{cell.name} (executed)", cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


class ExecutedCell(IPyNbCell):
    """A cell that has run already: what it came to is compared with what the notebook keeps of it."""

    def runtest(self) -> None:
        outputs = coalesce_streams(self.parent.executed[self.cell_num].outputs)
        unrun = self.cell.execution_count is None
        if unrun and self.cell.outputs:
            self.raise_cell_error("Unrun reference cell has outputs")
        if (
            self.options["check"]
            and not unrun
            and not self.compare_outputs(outputs, coalesce_streams(self.cell.outputs))
        ):
            self.raise_cell_error("Cell outputs differ", "\n".join(self.comparison_traceback))
