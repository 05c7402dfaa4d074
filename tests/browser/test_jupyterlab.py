"""The labs in JupyterLab on loopback: ipywidgets' sliders retrain by the kernel, a burst settles on the last."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import TimeoutError

ROOT = Path(__file__).parents[2]
PATIENCE = 120_000  # ms: the first start of a server and a kernel on a busy machine


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A JupyterLab with one notebook that holds both labs; extensions named in a parameter are switched off."""
    settings = tmp_path / "JUPYTER_CONFIG_DIR" / "labconfig"
    settings.mkdir(parents=True)
    disabled = {"disabledExtensions": dict.fromkeys(getattr(request, "param", []), True)}
    (settings / "page_config.json").write_text(json.dumps(disabled), encoding="utf-8")
    cells = ["from lrlib.widgets import *\nStepSizeLab()", "TrainingLab(steps=50)", "import os; os._exit(1)"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "labs.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    command += [
        "--ServerApp.port_retries=0",
        "--ServerApp.token=",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    homes = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = {**os.environ, **homes, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api/status").close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _notebook(server: str, visit: Any) -> Any:
    """The page of the notebook of labs, its kernel at rest."""
    page = visit(f"{server}/lab/tree/labs.ipynb?reset", origin=server, width=1300, wait=False).page
    page.set_default_timeout(PATIENCE)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.wait_for_function("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'")
    return page


def test_labs_beside_a_kernel(server: str, visit: Any) -> None:
    page = _notebook(server, visit)
    step, training = (page.locator(".jp-Cell").nth(i) for i in range(2))
    for lab in (step, training):
        _run(page, lab, "[data-settings]")
        before = lab.locator("[data-settings]").get_attribute("data-settings")
        lab.locator(".noUi-handle").first.focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        page.wait_for_function(
            """([lab, before, readout]) => lab.dataset.settings !== before && lab.dataset.done !== 'false'
            && JSON.parse(lab.dataset.settings).learning_rate === Number(readout.value)""",
            arg=[
                lab.locator("[data-settings]").element_handle(),
                before,
                lab.locator(".lrlab-rate input[type=text]").first.element_handle(),
            ],
        )
        assert "Trained by the kernel on" in lab.locator(".lrlab-status").inner_text()
    _keys_stay_in_the_lab(page, step)
    _a_bad_rate_is_refused_in_words(page, step)
    # a kernel that dies leaves the last curve, and the lab says so
    line = training.locator("[data-name=validation]").get_attribute("d")
    page.keyboard.press("Escape")
    page.locator(".jp-Cell").nth(2).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    training.locator(".lrlab-status", has_text="The kernel is gone").wait_for()
    assert training.locator("[data-name=validation]").get_attribute("d") == line


@pytest.mark.parametrize("server", [["@jupyter-widgets/jupyterlab-manager"]], indirect=True)
def test_a_host_that_cannot_load_the_widgets_front_end_shows_the_page_s_lab(server: str, visit: Any) -> None:
    page = _notebook(server, visit)
    _run(page, page.locator(".jp-Cell").first, ".lrlab-host[data-ready=true]")
    page.locator("input[name=learning_rate-typed]").fill("0.01")
    page.locator(".lrlab-status", has_text="Trained in this browser. η = 0.01").wait_for()


def _run(page: Any, cell: Any, lab: str) -> None:
    """Run a cell until its lab is there: JupyterLab, while it loads, may lose a key or a widget's first view."""
    seen = []
    for _ in range(4):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        try:
            cell.locator(lab).wait_for(timeout=PATIENCE / 3)
            return
        except TimeoutError:
            seen.append(cell.inner_text())
    pytest.fail(f"no lab after four runs of its cell, which showed {seen}")


def _keys_stay_in_the_lab(page: Any, lab: Any) -> None:
    """Arrows, Home and End move the slider; the notebook's shortcuts do nothing; Tab leaves."""
    cells = page.locator(".jp-Cell").count()
    sources = page.locator(".jp-Cell .cm-content").all_inner_texts()
    handle, field = lab.locator(".noUi-handle").first, lab.locator(".lrlab-rate input[type=text]").first
    handle.focus()
    place = float(field.input_value())
    for key in ("a", "b", "d", "d", "x", "v", "m", "z", "0", "0"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)  # long enough for what must not happen
    assert page.locator(".jp-Cell").count() == cells
    assert page.locator(".jp-Cell .cm-content").all_inner_texts() == sources
    assert page.locator(".jp-Dialog").count() == 0
    for key, reached in {"ArrowLeft": f"< {place}", "Home": "=== 1e-4", "End": "=== 10"}.items():
        page.keyboard.press(key)
        page.wait_for_function(f"(field) => Number(field.value) {reached}", arg=field.element_handle())
    assert handle.evaluate("(e) => e === document.activeElement")
    page.keyboard.press("Tab")
    assert field.evaluate("(e) => e === document.activeElement")
    own = lab.locator("svg.lrlab-drag")  # drawn by the lab itself
    own.focus()
    for key in ("a", "b", "d", "d"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    assert page.locator(".jp-Cell").count() == cells


def _a_bad_rate_is_refused_in_words(page: Any, lab: Any) -> None:
    field = lab.locator(".lrlab-rate input[type=text]").first
    for typed, complaint in {"0": "above 0", "fast": "is not a number"}.items():
        field.fill(typed)
        field.press("Tab")
        lab.locator(".lrlab-problem [role=alert]", has_text=complaint).wait_for()
        assert field.input_value() == typed
    field.fill("2.5e-4")
    field.press("Tab")
    lab.locator(".lrlab-problem [role=alert]").wait_for(state="detached")
    assert field.input_value() == "2.5e-4"
    page.wait_for_function(
        "(lab) => JSON.parse(lab.dataset.settings).learning_rate === 2.5e-4",
        arg=lab.locator("[data-settings]").element_handle(),
    )
