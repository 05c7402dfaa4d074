"""How fast the labs answer, in a static page and beside a kernel, and what they weigh: ``make bench``.

Every table stands beside the bars that the labs are built for; nothing is asserted. On a busy machine the times on the
clock grow with whatever else runs; the columns of processor time and the plain torch step of the same run tell apart.
"""

import asyncio
import collections
import contextlib
import functools
import gzip
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import torch

from benchmarks.sweeps import plain_run
from lrlib import tasks
from lrlib.widgets import AdaptiveLab, ScheduleLab, StepSizeLab, TrainingLab
from lrlib.widgets.portable import Portable
from lrlib.widgets.training_lab import STEPS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PAGE = (
    '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>Labs</title>'
    '<link rel="icon" href="data:,"><body style="margin: 16px">{}</body></html>'
)
MOVES = 12
DRAG = 3.0  # s
RATES = (0.003, 0.3)  # the slider moves between these

# Moves the slider as a hand does, and hears of every picture that the lab has drawn.
PROBE = """
(() => {
  const real = window.requestAnimationFrame.bind(window);
  let frameEnd = -1;
  window.requestAnimationFrame = (work) => real((t) => { work(t); frameEnd = performance.now(); });
  const afterRendering = (work) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = work;
    const ring = () => channel.port2.postMessage(0);
    if (performance.now() - frameEnd < 1) ring(); else real(ring);  // drawn within a frame, or before one
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const lab = () => document.querySelector('[data-settings]');
  const slider = () => document.querySelector('input[name=learning_rate]');
  const push = (place) => {
    slider().value = String(place);
    slider().dispatchEvent(new Event('input', { bubbles: true }));
    return Number(document.querySelector('input[name=learning_rate-typed]').value);
  };
  window.probe = {
    // ms from a move to the first picture of the new rate on screen, and to the finished one
    async moves(count, [low, high]) {
      const first = [], finished = [];
      for (let k = 0; k < count; k++) {
        const begun = performance.now();
        const rate = push(Math.round(low + ((high - low) * (k + 1)) / count));
        await new Promise((resolve) => {
          let seen = false;
          const observer = new MutationObserver(() => {
            const { settings, done } = lab().dataset;
            if (JSON.parse(settings).learning_rate !== rate) return;
            if (!seen) afterRendering(() => first.push(performance.now() - begun));
            seen = true;
            if (done === 'false') return;
            observer.disconnect();
            afterRendering(() => { finished.push(performance.now() - begun); resolve(); });
          });
          observer.observe(lab(), { attributes: true });
        });
        await wait(120 + 37 * (k % 3));
      }
      return { first: median(first), finished: median(finished), worst: Math.max(...finished) };
    },
    // frames, redraws and complete curves a second while the slider moves at every frame
    async drag(seconds, [low, high]) {
      let frames = 0, redraws = 0, complete = 0, going = true, longest = 0, last = performance.now();
      const observer = new MutationObserver(() => {
        redraws++;
        if (lab().dataset.done !== 'false') complete++;
      });
      observer.observe(lab(), { attributes: true });
      const begun = performance.now();
      const span = high - low;
      const frame = () => {
        frames++;
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        push(low + Math.abs(((frames + span) % (2 * span)) - span));
        if (going) real(frame);
      };
      real(frame);
      await wait(1000 * seconds);
      going = false;
      const spent = (performance.now() - begun) / 1000;
      observer.disconnect();
      await wait(700);
      return { frames: frames / spent, redraws: redraws / spent, complete: complete / spent, longest };
    },
  };
})();
"""


def plain_step() -> float:
    """Milliseconds of processor time of one plain torch step of the digits MLP at batch 64."""
    run = plain_run(tasks.digits_mlp(), torch.optim.SGD, steps=200, batch_size=64)
    run()
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return statistics.median(seconds) / 200 * 1e3


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium that is on the path, else Playwright's own."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield running
        finally:
            running.close()


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


def weights() -> None:
    """What a page carries for each lab; labs on one page share nothing."""
    print(
        "\nWeight in a page, kB: as it is, as a server sends it (gzip), of that script and style; programs, in base64"
    )
    print(f"{'':34} {'plain':>7} {'gzip':>6} {'script':>7} {'programs':>9}")
    labs = [TrainingLab(), StepSizeLab(), ScheduleLab(), AdaptiveLab()]
    html = [lab.to_html() for lab in labs]
    for lab, text in zip(labs, html, strict=True):
        config = lab.page_config()
        programs = config["training"]["programs"] if "training" in config else config["programs"]
        sizes = [len(program["wasm"]) / 1e3 for program in programs.values()]
        print(
            f"{type(lab).__name__:34} {len(text.encode()) / 1e3:7.0f} {_zipped(text):6.0f} "
            f"{_zipped(lab.source() + lab.style()):7.0f} {sum(sizes):9.0f}   "
            f"{len(sizes)} of {min(sizes):.1f}–{max(sizes):.1f}"
        )
    two = {"training and step-size lab": "".join(html[:2]), "two training labs": html[0] * 2}
    for name, text in two.items():
        print(f"{name + ', one page':34} {len(text.encode()) / 1e3:7.0f} {_zipped(text):6.0f}")


def _zipped(text: str) -> float:
    return len(gzip.compress(text.encode(), 6)) / 1e3


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


KEYS = """
(() => {
  let begun = 0, before = '';
  const seen = (window.answers = []);
  document.addEventListener('keydown', () => { begun = performance.now(); before = lab().dataset.settings; }, true);
  const lab = () => document.querySelector('[data-settings]');
  new MutationObserver(() => {
    if (!begun || lab().dataset.settings === before) return;
    const last = seen.at(-1);
    if (last?.begun !== begun) seen.push({ begun, first: performance.now() - begun });
    if (lab().dataset.done === 'true') { seen.at(-1).finished = performance.now() - begun; begun = 0; }
  }).observe(lab(), { attributes: true });
})();
"""


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


def main() -> None:
    torch.set_num_threads(1)
    display()  # first: nothing is in memory yet
    print(f"\none plain torch step of the digits MLP at batch 64: {plain_step():.3f} ms of processor time")
    kernels()
    jupyterlab()
    weights()
    pages()


if __name__ == "__main__":
    main()
