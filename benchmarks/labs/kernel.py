"""The labs beside a kernel: in its process, and through JupyterLab."""

import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.labs.browser import browser
from lrlib.widgets import StepSizeLab, TrainingLab

KEYS = Path(__file__).with_name("keys.js").read_text(encoding="utf-8")
MOVES = 12


def display() -> None:
    """What showing a lab costs in a kernel."""
    print("\nShowing a lab (constructor, then output), s: first in this process, then again")
    for make in (TrainingLab, StepSizeLab):
        rows = []
        for _ in range(2):
            begin = time.perf_counter()
            lab = make()
            built = time.perf_counter()
            lab._repr_mimebundle_()
            rows.append((built - begin, time.perf_counter() - built))
        print(f"{make.__name__:34} " + "   ".join(f"{a:5.2f} + {b:5.2f}" for a, b in rows))


def kernels() -> None:
    """Both labs in this process, on an event loop as in a kernel; what a browser adds is left out."""
    print(f"\nBeside a kernel, in its process: ms from a move (median of {MOVES}), wall and processor time")
    print(f"{'':34} {'first':>7} {'finished':>9} {'worst':>7} {'processor':>10}")
    for steps, bar in ((100, ""), (300, "first 100 ms, finished 400 ms")):
        lab = asyncio.run(_moves(lambda steps=steps: TrainingLab(steps=steps)))
        _kernel_row(f"training lab, MLP, {steps} steps", lab, bar)
    _kernel_row("step-size lab, 60 steps", asyncio.run(_moves(StepSizeLab)), "")


async def _moves(make: Callable[[], Any]) -> list[tuple[float, float, float]]:
    """(first, finished, processor) seconds of each move."""
    lab = make()
    lab._repr_mimebundle_()  # as a cell that shows it does
    slider, spec = lab.controls["learning_rate"], lab.specs["learning_rate"]
    measured = []
    for k in range(MOVES + 2):
        await asyncio.sleep(0.15)
        rate = spec.read(0.02 * 1.3**k)
        seen: list[float] = []
        finished = asyncio.Event()

        def hear(change: Any, rate: float = rate, seen: list[float] = seen, finished: Any = finished) -> None:
            if change.new["settings"]["learning_rate"] == rate:
                seen.append(time.perf_counter())
                if change.new.get("done", True):
                    finished.set()

        lab.picture.observe(hear, names="result")
        begin, used = time.perf_counter(), time.process_time()
        slider.value = rate
        await finished.wait()
        measured.append((seen[0] - begin, seen[-1] - begin, time.process_time() - used))
        lab.picture.unobserve(hear, names="result")
    return measured[2:]


def _kernel_row(name: str, moves: Sequence[tuple[float, float, float]], bar: str) -> None:
    first, finished, used = (1e3 * statistics.median(column) for column in zip(*moves, strict=True))
    worst = 1e3 * max(finished for _, finished, _ in moves)
    print(f"{name:34} {first:7.0f} {finished:9.0f} {worst:7.0f} {used:10.0f}{f'   bar: {bar}' if bar else ''}")


def jupyterlab() -> None:
    """From a key on ipywidgets' slider to the curve, through JupyterLab, comm and kernel."""
    print(f"\nIn JupyterLab: ms from a key on the slider (median of {MOVES})\n{'':34} {'first':>7} {'finished':>9}")
    with tempfile.TemporaryDirectory() as folder, browser() as chromium, _server(Path(folder)) as address:
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(180_000)
        page.goto(f"{address}/lab/tree/lab.ipynb?reset")
        page.locator(".jp-Notebook .jp-Cell").first.click()
        page.wait_for_function("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
        page.keyboard.press("Shift+Enter")
        page.locator("[data-done=true]").wait_for()
        page.evaluate(KEYS)
        page.locator(".noUi-handle").first.focus()
        for count in range(1, MOVES + 3):
            page.keyboard.press("ArrowRight")
            page.wait_for_function(f"answers.length >= {count} && answers.at(-1).finished")
            page.wait_for_timeout(150)
        answers = page.evaluate("answers")[2:]
        first, finished = (statistics.median(a[key] for a in answers) for key in ("first", "finished"))
        print(f"{'training lab, MLP, 300 steps':34} {first:7.0f} {finished:9.0f}   bar: first 100 ms, finished 400 ms")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A JupyterLab on loopback with one notebook that shows the training lab."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("from lrlib.widgets import TrainingLab\nTrainingLab(steps=300)")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "lab.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    command += ["--ServerApp.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}"]
    homes = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = {**os.environ, **homes, "PYTHONPATH": str(Path(__file__).parents[1])}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api/status").close()
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)
