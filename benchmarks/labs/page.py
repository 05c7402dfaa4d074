"""The labs in a static page: how soon they answer a move, and how often they redraw while the slider is dragged."""

import collections
import contextlib
import functools
import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.labs.browser import browser
from lrlib.widgets import StepSizeLab, TrainingLab
from lrlib.widgets.hosting.portable import Portable
from lrlib.widgets.training_lab.lab import STEPS

PAGE = (
    '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>Labs</title>'
    '<link rel="icon" href="data:,"><body style="margin: 16px">{}</body></html>'
)
PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")
MOVES = 12
DRAG = 3.0  # s
RATES = (0.003, 0.3)  # the slider moves between these


def pages() -> None:
    """The training lab and the step-size lab in a static page."""
    print(f"\nIn a page: ms from a move (median of {MOVES}), and per second while dragging for {DRAG:g} s;")
    print("processor ms for one redraw (page and compositor) and of training for one move")
    print(
        f"{'':32} {'first':>6} {'finished':>9} {'frames':>7} {'redraws':>8} {'complete':>9} "
        f"{'drawing':>8} {'training':>9}"
    )
    bars = {100: "30 frames", 300: "150 ms"}
    with browser() as chromium:
        lab: Any = TrainingLab()
        for way in ("http", "file"):
            with open_lab(chromium, lab, way=way) as page:
                for steps in STEPS if way == "http" else (300,):
                    page.locator("select[name=steps]").select_option(label=str(steps))
                    _row(f"training lab, {way}, {steps} steps", page, lab, bars.get(steps, ""))
        lab = StepSizeLab()
        with open_lab(chromium, lab) as page:
            for steps in (60, 300):
                page.locator("input[name=steps]").fill(str(steps))
                _row(f"step-size lab, {steps} steps", page, lab, "60 frames")


def _row(name: str, page: Any, lab: Any, bar: str) -> None:
    page.evaluate(f"probe.moves(2, {span(lab)})")
    before = processor_times()
    moves = page.evaluate(f"probe.moves({MOVES}, {span(lab)})")
    between = processor_times()
    drag = page.evaluate(f"probe.drag({DRAG}, {span(lab)})")
    after = processor_times()
    training = (between["training"] - before["training"]) / MOVES
    drawing = (after["drawing"] - between["drawing"]) / max(drag["redraws"] * DRAG, 1)
    print(
        f"{name:32} {moves['first']:6.0f} {moves['finished']:9.0f} {drag['frames']:7.0f} {drag['redraws']:8.0f} "
        f"{drag['complete']:9.0f} {drawing:8.1f} {training:9.1f}{f'   bar: {bar}' if bar else ''}"
    )


def processor_times() -> collections.Counter[str]:
    """Milliseconds of processor time of this process's descendants: workers' threads, and all else; Linux tells."""
    used: collections.Counter[str] = collections.Counter()
    if not Path("/proc/self/schedstat").exists():
        return used
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int(Path(folder, "stat").read_text().rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    for pid in family - {os.getpid()}:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                kind = "training" if Path(thread, "comm").read_text().startswith("DedicatedWorker") else "drawing"
                used[kind] += int(Path(thread, "schedstat").read_text().split()[0]) / 1e6  # type: ignore[assignment]
    return used


@contextmanager
def served(folder: str) -> Iterator[str]:
    """The address at which a folder is served on loopback."""
    handler = functools.partial(_Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def open_lab(chromium: Any, lab: Portable, *, way: str = "http") -> Iterator[Any]:
    """The lab alone in a page, from a web server on loopback or from a file."""
    with tempfile.TemporaryDirectory() as folder, served(folder) as address:
        path = Path(folder, "lab.html")
        path.write_text(PAGE.format(lab.to_html()), encoding="utf-8")
        page = chromium.new_page(viewport={"width": 1000, "height": 900})
        page.set_default_timeout(180_000)
        page.add_init_script(PROBE)
        page.goto(path.as_uri() if way == "file" else f"{address}/lab.html")
        page.wait_for_function("document.querySelector('.lrlab-host')?.dataset.ready === 'true'")
        page.evaluate(f"probe.moves(3, {span(lab)})")  # warm
        yield page
        page.close()


def span(lab: Any) -> list[int]:
    """The slider's positions of ``RATES``."""
    spec = lab.specs["learning_rate"]
    return [round(math.log10(rate / spec.minimum) * spec.per_decade) for rate in RATES]
