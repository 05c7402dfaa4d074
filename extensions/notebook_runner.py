"""Executes notebooks side by side, each in a kernel of its own, the one that takes longest first."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from warm_kernels import warm_kernels

# pyplot draws each figure at the end of its cell, and the picture that is kept is drawn once more: that is enough.
DRAW_ONCE = (
    "import matplotlib.pyplot as _plt; _plt.switch_backend('module://matplotlib_inline.backend_inline'); "
    "_plt.uninstall_repl_displayhook(); del _plt"
)
# Taking all its modules apart takes a kernel a second that nobody needs.
END_AT_ONCE = "__import__('atexit').register(__import__('os')._exit, 0)"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Execution:
    """What came of one notebook: with outputs, or with the reason why it stopped."""

    path: Path
    notebook: nbformat.NotebookNode
    seconds: float
    error: str = ""


def execute_all(
    paths: Sequence[Path], *, workers: int, timeout: int, done: Callable[[Execution], None]
) -> list[Execution]:
    """Execute the notebooks in this order, ``workers`` at a time, and call ``done`` after each.

    A cell that raises ends its own notebook only. An interrupt stops all kernels before it goes on its way.

    Args:
        timeout: seconds that one cell may take.
    """

    async def all_of_them() -> list[Execution]:
        free = asyncio.Semaphore(workers)

        async def one(path: Path) -> Execution:
            async with free:
                execution = await _execute(path, timeout)
            done(execution)
            return execution

        return list(await asyncio.gather(*map(one, paths)))

    with warm_kernels() if len(paths) > 2 * workers else contextlib.nullcontext():
        return _in_a_thread(all_of_them())


def _in_a_thread(work_to_do: Coroutine[Any, Any, list[Execution]]) -> list[Execution]:
    # The event loop has a thread of its own: in the main thread nbclient would take Ctrl-C for itself.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    work = asyncio.run_coroutine_threadsafe(work_to_do, loop)
    try:
        return work.result()
    finally:
        work.cancel()
        asyncio.run_coroutine_threadsafe(_all_ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _all_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def _execute(path: Path, timeout: int) -> Execution:
    notebook = nbformat.read(path, as_version=4)
    reached = -1

    def note(cell: Any, cell_index: int) -> None:
        nonlocal reached
        reached = cell_index

    client = NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,  # jupyter-cache knows a cell by its metadata, too
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=note,
        # An error only: not the notice that a local port is not encrypted.
        extra_arguments=["--log-level=ERROR", f"--IPKernelApp.exec_lines={DRAW_ONCE}; {END_AT_ONCE}"],
    )
    began, error = time.perf_counter(), ""
    try:
        await client.async_execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
        error = f"cell {reached} (counted from 0): {ANSI.sub('', str(failure)).strip()}"
    return Execution(path, notebook, time.perf_counter() - began, error)
