"""Scripts that a page of the book does without: doubled ones, and those that nothing on it uses."""

import io
import sys
from pathlib import Path

import nbformat
import pytest
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "extensions"))

from offline_pages import WIDGET_STATE, needed_scripts  # noqa: E402


def inline(body: str, **attributes: str) -> _JavaScript:
    return _JavaScript(None, body=body, **attributes)


def test_each_script_stands_once_and_unused_ones_not_at_all() -> None:
    kept = [_JavaScript("_static/a.js"), inline("const A = 1;"), inline("{}", type="application/json"), "_static/b.js"]
    dropped = [
        inline("const THEBE_JS_URL = 1;"),
        _JavaScript("_static/sphinx-thebe.js?v=1"),
        inline('{"state": {}}', type=WIDGET_STATE),
    ]
    assert needed_scripts([*kept[:2], *dropped, *kept[2:], *kept]) == kept


@pytest.fixture
def page(tmp_path: Path) -> str:
    """A page built from a notebook that carries the state of a widget."""
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("execute_result", {"text/plain": "2"})])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell])
    notebook.metadata["widgets"] = {WIDGET_STATE: {"state": {"a": {"model_name": "SliderModel"}}, "version_major": 2}}
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "index.ipynb")
    settings = {"extensions": ["myst_nb", "offline_pages"], "nb_execution_mode": "off", "nb_ipywidgets_js": {}}
    out = tmp_path / "out"
    app = Sphinx(
        str(tmp_path), None, str(out), str(out / "doctrees"), "html", settings, status=None, warning=io.StringIO()
    )
    app.build()
    return (out / "index.html").read_text(encoding="utf-8")


def test_a_page_carries_no_state_of_widgets(page: str) -> None:
    assert "Title" in page
    assert "_static/doctools.js" in page
    assert "widget-state" not in page
    assert "SliderModel" not in page
