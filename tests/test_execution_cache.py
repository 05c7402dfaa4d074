"""What the build executes: everything that may have changed, side by side, and nothing twice."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "extensions"))

import execution_cache  # noqa: E402
from execution_cache import ExecutedNotebooks, Sources, fingerprint  # noqa: E402
from notebook_runner import Execution, execute_all  # noqa: E402
from warm_kernels import ForkedKernel, warm_kernels  # noqa: E402


def write_notebook(path: Path, *cells: str, kept: str | None = None) -> Path:
    """A notebook of code cells, the last of which keeps an output."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {path.stem}")])
    notebook.cells += map(nbformat.v4.new_code_cell, cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if kept is not None:
        cell = notebook.cells[-1]
        cell.metadata["tags"] = ["nbval-check-output", "keep_output"]
        cell.execution_count = 1
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=kept)]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package of four modules, of which ``high`` uses ``low``, and an empty folder of chapters."""
    (tmp_path / "requirements.txt").write_text("numpy==2\n", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("scipy==1\n", encoding="utf-8")
    rooms = {
        "__init__": "import importlib\ndef __getattr__(name): return importlib.import_module('lrlib.' + name)\n",
        "low": "x = 1\n",
        "high": "def f():\n    from lrlib import low\n    return low.x\n",
        "apart": "",
    }
    (tmp_path / "lrlib").mkdir()
    for name, code in rooms.items():
        (tmp_path / "lrlib" / f"{name}.py").write_text(code, encoding="utf-8")
    (tmp_path / "chapters").mkdir()
    return tmp_path


def runs_again(project: Path, notebook: Path, changed: str) -> bool:
    before = fingerprint(notebook, Sources(project))
    assert before == fingerprint(notebook, Sources(project))
    with (project / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    return before != fingerprint(notebook, Sources(project))


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("lrlib/low.py", True),
        ("lrlib/high.py", True),
        ("lrlib/__init__.py", True),
        ("requirements.txt", True),
        ("constraints.txt", True),
        ("lrlib/apart.py", False),
    ],
)
def test_a_notebook_runs_again_when_what_it_reaches_has_changed(project: Path, changed: str, again: bool) -> None:
    notebook = write_notebook(project / "chapters" / "page.ipynb", "from lrlib.high import f", "f()")
    assert runs_again(project, notebook, changed) is again


@pytest.mark.parametrize(
    "code",
    [
        "from lrlib.high import f\nt = %timeit -o f()",
        "if True:\n    %time import lrlib.high",
        "import lrlib.high\nlrlib.high.f?",
        "import importlib\nimportlib.import_module('lrlib.' + 'low')",
        "from importlib import import_module as bring\nbring('lrlib.' + 'low')",
        "%run helper_elsewhere.py",
        "!python -c 'import lrlib.low'",
        "%%time\nimport lrlib.high",
        "exec('import lrlib.low')",
        "__import__('lrlib.low')",
        "import lrlib\nlrlib.low.x",
        "import lrlib.apart\nlrlib.low.x",
        "from lrlib import low",
        "this is no Python",
    ],
)
def test_code_that_hides_its_imports_runs_again_whatever_changed(project: Path, code: str) -> None:
    notebook = write_notebook(project / "chapters" / "page.ipynb", code)
    assert runs_again(project, notebook, "lrlib/low.py")


def test_a_module_beside_the_notebook_counts_with_all_that_it_may_import(project: Path) -> None:
    helper = project / "chapters" / "helper.py"
    helper.write_text("from lrlib import low\n", encoding="utf-8")
    notebook = write_notebook(project / "chapters" / "page.ipynb", "import helper")
    assert runs_again(project, notebook, "lrlib/low.py")
    assert runs_again(project, notebook, "chapters/helper.py")


def test_a_file_that_the_code_names_counts_and_its_neighbour_does_not(project: Path) -> None:
    (project / "measured").mkdir()
    for name in ("named.json", "other.json"):
        (project / "measured" / name).write_text("{}", encoding="utf-8")
    notebook = write_notebook(project / "chapters" / "a.ipynb", 'text = open("../measured/named.json").read()')
    assert runs_again(project, notebook, "measured/named.json")
    assert not runs_again(project, notebook, "measured/other.json")


@pytest.mark.parametrize("what", ["python_version", "version"])
def test_another_python_or_torch_is_another_fingerprint(
    project: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    notebook = write_notebook(project / "chapters" / "page.ipynb", "1")
    before = fingerprint(notebook, Sources(project))
    monkeypatch.setattr(execution_cache.platform if what == "python_version" else execution_cache, what, lambda *_: "0")
    assert before != fingerprint(notebook, Sources(project))


def test_an_edited_cell_is_another_fingerprint_and_edited_prose_is_not(project: Path) -> None:
    path = project / "chapters" / "page.ipynb"
    before = fingerprint(write_notebook(path, "1"), Sources(project))
    assert before != fingerprint(write_notebook(path, "2"), Sources(project))
    notebook = nbformat.read(write_notebook(path, "1"), as_version=4)
    notebook.cells[0].source += "\n\nMore prose."
    nbformat.write(notebook, path)
    assert before == fingerprint(path, Sources(project))


def build(project: Path) -> tuple[str, str]:
    """Build the chapters; what was reported, and what was complained of."""
    said, complained = io.StringIO(), io.StringIO()
    names = sorted(path.stem for path in (project / "chapters").glob("*.ipynb"))
    index = "# Contents\n\n```{toctree}\n" + "".join(f"chapters/{name}\n" for name in names) + "```\n"
    (project / "index.md").write_text(index, encoding="utf-8")
    settings = {
        "extensions": ["myst_nb", "execution_cache"],
        "nb_execution_mode": "cache",
        "nb_output_stderr": "warn",
        "exclude_patterns": ["_build"],
        "html_theme": "basic",
    }
    out, trees = project / "_build" / "html", project / "_build" / "trees"
    app = Sphinx(
        str(project), None, str(out), str(trees), "html", settings, status=said, warning=complained, keep_going=True
    )
    try:
        app.build()
    except SystemExit as stop:
        complained.write(f"exit {stop.code}")
    return said.getvalue(), complained.getvalue()


def test_a_raising_cell_stops_the_build_when_all_others_have_run(project: Path) -> None:
    bad = write_notebook(project / "chapters" / "bad.ipynb", "x = 1", "x / 0")
    write_notebook(project / "chapters" / "good.ipynb", "print('fine')")
    write_notebook(project / "chapters" / "loud.ipynb", "import warnings\nwarnings.warn('take care')")

    said, complained = build(project)
    assert "bad (FAILED)" in said
    assert re.search(r"\d s  good \(executed\)", said)
    assert "chapters/bad.ipynb, cell 2 (counted from 0)" in complained
    assert "ZeroDivisionError: division by zero" in complained
    assert "x / 0" in complained
    assert complained.endswith("exit 1")
    assert not (project / "_build" / "html" / "index.html").exists()

    write_notebook(bad, "x = 1", "x / 1")
    said, complained = build(project)
    assert "good (from the cache)" in said
    assert "loud (from the cache)" in said
    assert re.search(r"\d s  bad \(executed\)", said)
    assert said.count("(executed)") == 1
    assert "stderr was found in the cell outputs" in complained  # a warning that a reader would see is one of the build
    assert "exit" not in complained
    assert "fine" in (project / "_build" / "html" / "chapters" / "good.html").read_text(encoding="utf-8")

    said, complained = build(project)
    assert said.count("(from the cache)") == 3
    assert "(executed)" not in said


def test_notebooks_executed_by_themselves_are_not_executed_by_the_build(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_notebook(project / "chapters" / "good.ipynb", "print(40 + 2)")
    write_notebook(project / "chapters" / "raises.ipynb", "1 / 0")
    pages = "- file: chapters/good\n- file: chapters/raises\n- file: chapters/text\n"
    (project / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{pages}", encoding="utf-8")
    (project / "_config.yml").write_text("execute:\n  timeout: 60\n", encoding="utf-8")
    assert execution_cache.main(project) == 1
    said = capfd.readouterr()
    assert "good (executed)" in said.out
    assert "raises (FAILED)" in said.out
    assert "chapters/raises.ipynb, " in said.err
    assert "ZeroDivisionError" in said.err
    (project / "chapters" / "raises.ipynb").unlink()
    assert "good (from the cache)" in build(project)[0]


@pytest.mark.parametrize(("tag", "again"), [("hide-input", False), ("raises-exception", True)])
def test_a_tag_runs_a_notebook_again_only_if_its_execution_hangs_on_it(project: Path, tag: str, again: bool) -> None:
    path = write_notebook(project / "chapters" / "page.ipynb", "print(40 + 2)")
    build(project)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].metadata["tags"] = [tag]
    nbformat.write(notebook, path)
    for first in (True, False):
        said, _ = build(project)
        assert ("page (from the cache)" in said) is not (again and first)
        page = (project / "_build" / "html" / "chapters" / "page.html").read_text(encoding="utf-8")
        assert "42" in page
        assert f"tag_{tag}" in page


def test_the_notebooks_that_took_longest_come_first(project: Path) -> None:
    paths = [
        write_notebook(project / "chapters" / f"{name}.ipynb", "1" * n) for name, n in (("a", 1), ("b", 2), ("c", 3))
    ]
    executed = ExecutedNotebooks(project)
    assert [path.stem for path in executed.longest_first(paths)] == ["c", "b", "a"]
    for path, seconds in zip(paths[:2], (2.0, 1.0), strict=True):
        executed.write(Execution(path, nbformat.read(path, as_version=4), seconds))
    assert [path.stem for path in executed.longest_first(paths)] == ["c", "a", "b"]


def test_what_is_used_no_more_is_dropped(project: Path) -> None:
    path = write_notebook(project / "chapters" / "page.ipynb", "1")
    executed = ExecutedNotebooks(project)
    executed.write(Execution(path, nbformat.read(path, as_version=4), 1.0))
    assert executed.read(path) is not None
    write_notebook(path, "2")
    edited = ExecutedNotebooks(project)
    assert edited.read(path) is None
    edited.keep_only([path])
    assert not list(edited.folder.glob("*/"))


def test_an_interrupt_stops_the_kernels_and_keeps_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = project / "started"
    cell = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    path = write_notebook(project / "chapters" / "long.ipynb", cell)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # another test may have left its own

    def interrupt() -> None:
        while not started.exists() or not started.read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), 2)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            execute_all([path], workers=1, timeout=60, done=lambda _: None)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
@pytest.mark.slow
def test_forked_kernels_begin_alike_each_in_its_own_folder_and_end(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAID_BEFORE", "here")
    look = (
        "import gc, os, sys; frozen = gc.get_freeze_count() > 100_000\n"
        "x = ['torch' in sys.modules, 'lrlib' in sys.modules, frozen, os.getcwd(), os.environ['SAID_BEFORE']]"
    )
    at_the_end = "import atexit, pathlib; atexit.register(pathlib.Path('ended').touch)"
    cells = {
        "good": [look, "y = globals().get('y', 0) + 1", "import subprocess", "print(*x, y, subprocess.call('true'))"],
        "again": [look, "y = globals().get('y', 0) + 1", "print(*x, y, os.getppid())", at_the_end],
        "raises": ["1 / 0"],
        "dies": ["import os; os._exit(3)"],
    }
    paths = [write_notebook(project / "chapters" / f"{name}.ipynb", *code) for name, code in cells.items()]
    with warm_kernels():
        nursery = ForkedKernel.nursery
        found = {e.path.stem: e for e in execute_all(paths, workers=2, timeout=60, done=lambda _: None)}
        parent = nursery._process.pid
        begun = f"True False True {project / 'chapters'} here 1"
        assert found["good"].notebook.cells[-1].outputs[0].text == f"{begun} 0\n"
        assert found["again"].notebook.cells[-2].outputs[0].text == f"{begun} {parent}\n"
        assert (project / "chapters" / "ended").exists()
        assert "ZeroDivisionError" in found["raises"].error
        assert "died" in found["dies"].error
        left = subprocess.run(["ps", "--ppid", str(parent), "-o", "pid="], capture_output=True, text=True, check=False)
        assert left.stdout == ""
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="the process that kernels are forked from has ended, with -9"):
            execute_all(paths, workers=2, timeout=60, done=lambda _: None)
    with pytest.raises(ProcessLookupError):
        os.kill(parent, 0)


def outcomes(project: Path) -> dict[str, tuple[bool, bool]]:
    """Run nbval beside the build's cache: for each notebook, was it executed now, and is it as it says."""
    command = [sys.executable, "-m", "pytest", "-v", "--rootdir", ".", "-p", "no:cacheprovider", "--color=no"]
    command += ["-p", "tests.executed_notebooks", "--nbval-lax", "chapters"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(project), str(ROOT)])}
    text = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False).stdout
    found: dict[str, tuple[bool, bool]] = {}
    for name, executed, word in re.findall(
        r"chapters/(\w+)(?:\.|::)ipynb::Cell \d+( \(executed\))? (PASSED|FAILED)", text
    ):
        now, passed = found.get(name, (False, True))
        found[name] = now or not executed, passed and word == "PASSED"
    return found


@pytest.mark.slow
def test_a_poisoned_cache_is_noticed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chapters = project / "chapters"
    ours = "import lrlib.high as high"
    for name in ("as_built", "edited_cell", "edited_output"):
        write_notebook(chapters / f"{name}.ipynb", "x = 1", "print(x)", kept="1\n")
    write_notebook(chapters / "edited_module.ipynb", ours, "print(high.f())", kept="1\n")
    monkeypatch.setenv("PYTHONPATH", str(project))
    build(project)
    assert outcomes(project) == {path.stem: (False, True) for path in chapters.glob("*.ipynb")}

    write_notebook(chapters / "edited_cell.ipynb", "x = 2", "print(x)", kept="1\n")
    write_notebook(chapters / "edited_output.ipynb", "x = 1", "print(x)", kept="2\n")
    (project / "lrlib" / "low.py").write_text("x = 2\n", encoding="utf-8")
    assert outcomes(project) == {
        "as_built": (False, True),
        "edited_cell": (True, False),
        "edited_output": (False, False),
        "edited_module": (True, False),
    }
