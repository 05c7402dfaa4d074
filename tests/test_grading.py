"""Marking a notebook item by item: what earns the points, what does not, and that nothing takes another item along."""

# ruff: noqa: E501  (a row of the tables below is one case)

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_assignment import LIMITS, PRELUDE, SCALE, SOLUTIONS, STEP, TESTS, code, lost, marks, others, save_source, text

from benchmarks.grading_defences import DEFENCES, ROOT
from lrlib.grading import Limits, checking, grade, personal_seed


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_source(tmp_path_factory.mktemp("source"))


def parents() -> set[int]:
    """The processes that this thread's servers were forked from."""
    paths = [Path(f"/proc/{server._pid}/stat") for server in checking._own.servers.values()]
    return {int(path.read_text().rpartition(")")[2].split()[1]) for path in paths}


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell whose child a process is")
def test_all_servers_are_forked_from_one_process_and_that_is_replaced_once_it_has_ended(tmp_path: Path) -> None:
    def full(number: int) -> bool:
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        source = save_source(folder, f"{PRELUDE}\nNUMBER = {number}", {"scale": SCALE})
        return marks(source, SCALE)["scale"].points == 1

    assert full(1)
    assert full(2)
    nursery = checking._nurseries[0]
    assert parents() == {nursery._process.pid}
    nursery._process.kill()
    nursery._process.wait()
    assert full(2)  # by the server that is still there
    assert full(3)
    assert checking._nurseries[0] is not nursery
    assert checking._nurseries[0]._process.pid in parents()
    nursery.close()
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(_forked_from, PRELUDE).result() == {checking._nurseries[0]._process.pid}


def test_a_server_begins_with_the_callers_path_folder_and_environment_of_now(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert marks(source, SCALE)["scale"].points == 1  # the process that servers are forked from is there
    (tmp_path / "only_here.py").write_text("THREE = 3\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("A_SECRET", "of the teacher's")
    prelude = (
        "import os, only_here\nwith open('only_here.py') as file: file.read()\n"
        "assert (os.environ['LC_ALL'], os.environ.get('A_SECRET')) == ('C.UTF-8', None)\n"
        "assert os.path.basename(os.environ['HOME']).startswith('lrlib-grading-')"
    )
    checking.Server([prelude], LIMITS).close()  # a prelude that raises is an error


def _forked_from(prelude: str) -> set[int]:
    checking._own.servers.clear()
    checking.server([prelude], LIMITS)
    return parents()


def test_the_model_solution_is_worth_all_points(source: Path) -> None:
    found = marks(source, PRELUDE, *SOLUTIONS.values())
    assert {name: mark.points for name, mark in found.items()} == dict.fromkeys(TESTS, 1) | {"figure": 0}
    assert found["figure"].manual
    assert found["figure"].picture is not None
    assert found["figure"].picture.startswith(b"\x89PNG")


RIGHT = {
    "list": "def scale(x):\n    return [3 * float(v) for v in x]",
    "float32": "def scale(x):\n    return (3 * x).astype('float32')",
    "tensor": "def scale(x):\n    return torch.tensor(x, requires_grad=True) * 3",
    "in place": "def scale(x):\n    x *= 3\n    return x",
    "lambda": "scale = lambda x: 3 * x",
    "default": "FACTOR = 3\ndef scale(x, factor=FACTOR):\n    return factor * x",
    "late helper": "def scale(x):\n    return triple(x)\n\ndef triple(x):\n    return 3 * x",
    "decorated": "import functools as ft\n@ft.lru_cache\ndef three():\n    return 3\ndef scale(x):\n    return three() * x",
    "recursion": "def scale(x, n=3):\n    return x * 0 if n == 0 else x + scale(x, n - 1)",
    "wrapped": "def scale(x):\n    return 3 * x\nscale = np.vectorize(scale)",
    "table filled": "table = []\nfor i in range(4):\n    table.append(i)\ndef scale(x):\n    return table[3] * x",
    "global state": "calls = 0\ndef scale(x):\n    global calls\n    calls += 1\n    return 3 * calls * x",
    "import again": "import math\nTHREE = math.sqrt(9)\ndef scale(x):\n    return THREE * x\nimport math",
    "constant again": "N = 3\ndef made():\n    return N\nTHREE = made()\nN = 5\ndef scale(x):\n    return THREE * x",
    "own given": "np = None\nprint = None\ndef scale(x):\n    print('x')\n    return 3 * np.asarray(x)",
    "own given beside a constant": "np, FACTOR = None, 3\ndef scale(x):\n    return FACTOR * np.asarray(x)",
    "loop variable": "def scale(x):\n    return 3 * x\nfor scale in range(3): pass\nscale = 3",
    "capture": "%%capture out\n%matplotlib inline\n!ls\ndef scale(x):\n    return 3 * x",
    "try": "try:\n    def scale(x):\n        return 3 * x\nexcept Exception:\n    pass",
    "loop elsewhere": "while True: pass\ndef scale(x):\n    return 3 * x",
    "duplicate": "def scale(x):\n    return 0\n\ndef scale(x):\n    return 3 * x",
    "flood": "def scale(x):\n    print('x' * 20_000_000)\n    return 3 * x",
    "class of calls": "class Scale:\n    def __call__(self, x): return 3 * x\nscale = Scale()",
    "list source": ["def scale(x):\n", "    return 3 * x"],
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_in_another_form_loses_nothing(source: Path, name: str) -> None:
    found = marks(source, code(RIGHT[name]))["scale"]
    assert (found.points, found.reason) == (1, "")


F = "def scale(x):\n    "
WRONG = {
    "absent": ("", "no function named `scale`"),
    "text": (text(SCALE), "is text, not code"),
    "no source": ({"cell_type": "code", "metadata": {}}, "no function named"),
    "syntax": ("def scale(x):\n    return 3 *", "syntax error in line 2"),
    "bash": ("%%bash\ndef scale(x):", "begins with `%%bash`"),
    "number": ("scale = 3", "is an int, not a function"),
    "class": ("class scale:\n    def __init__(self, x): pass", "returned a scale, which cannot be graded"),
    "async": ("async def scale(x):\n    return 3 * x", "returned a coroutine"),
    "generator": (F + "yield 3", "returned a generator"),
    "not written": (F + "raise NotImplementedError()", "not written yet"),
    "exception": (F + "return 3 / 0", "raised ZeroDivisionError: division by zero in line 2 of your cell: `return 3 / 0`"),
    "wrong": (F + "return 2 * x", "three times as much"),
    "loop": (F + "while True:\n        try:\n            while True: pass\n        except BaseException: pass", "Stopped after 1 s"),
    "loop in C": (F + "return sum(iter(int, 1))", "Stopped after 1 s"),
    "sleep": ("import time, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + F + "time.sleep(99)", "Stopped after 1 s"),
    "recursion": (F + "return scale(x)", "RecursionError"),
    "memory": (F + "return len(np.empty(10**10 // 8))", "more memory"),
    "patched numpy": ("np.allclose = lambda *a, **k: True\n" + F + "np.allclose = lambda *a, **k: True\n    return 0", "three"),
    "patched builtins": (F + "import builtins\n    builtins.abs = lambda v: 0\n    builtins.len = None\n    return 0", "three|ended the program"),
    "liar": ("class Liar:\n    __eq__ = __le__ = __array__ = lambda *a, **k: True\n" + F + "return Liar()", "a Liar, which"),
    "lying float": ("class Liar(float):\n    __abs__ = __sub__ = lambda *a: 0.0\n" + F + "return Liar(9)", "three times"),
    "_exit": (F + "import os; os._exit(0)", "ended the program"),
    "exit": (F + "import sys; sys.exit()", "SystemExit"),
    "kill parent": (F + "import os; os.kill(os.getppid(), 9)", "PermissionError|ended the grader"),
    "killpg": (F + "import os; os.killpg(0, 9)", "PermissionError|was killed"),
    "fork": (F + "import os\n    if not os.fork(): os._exit(0)\n    return 0", "PermissionError|BlockingIOError|three"),
    "shell": (F + "import subprocess\n    subprocess.run(['sleep', '99'])", "PermissionError|BlockingIOError|Stopped"),
    "pipe": (F + "import os\n    for n in range(3, 40):\n        try: os.write(n, b'\\xff' * 99)\n        except OSError: pass", "own channel"),
    "segfault": (F + "import ctypes; ctypes.string_at(0)", "crashed the program"),
    "huge": (F + "return 'x' * 10**8", "MB, which cannot"),
    "digits": (F + "return 10**5000", "digits, which cannot"),
    "cycle": (F + "x = []; x.append(x); return x", "nested"),
    "frames": (F + "import gc\n    return float(any('three times' in str(o) for o in gc.get_objects() if type(o) is str))", "three"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_an_item_costs_that_item_alone(source: Path, name: str) -> None:
    cell, reason = WRONG[name]
    found = lost(source, *others("scale"), cell)
    assert list(found) == ["scale"]
    assert any(part in found["scale"] for part in reason.split("|")), found["scale"]


def test_one_fault_costs_one_item_and_cells_stand_in_any_order(source: Path) -> None:
    cells = [code(cell, "prelude", grade=True, points=99) for cell in reversed([PRELUDE, *SOLUTIONS.values()])]
    assert lost(source, *cells) == {}
    assert set(lost(source, "import os\nos._exit(1)", "raise SystemExit")) == set(SOLUTIONS)


def test_a_value_crosses_as_a_copy_and_its_kind_is_said(source: Path) -> None:
    found = lost(source, *others("answers"), "answers = {1, 2}")
    assert found == {"answers": "`answers` is a set, which cannot be graded."}
    assert lost(source, *others("answers"), "answers = {}", "answers['rate'] = 0.5") == {}


def test_no_line_of_a_hidden_test_is_shown(tmp_path: Path) -> None:
    source = save_source(tmp_path, tests={"scale": "assert scale(1.0) == 3.0"})
    assert lost(source, SCALE.replace("3", "2"))["scale"] == "A hidden test did not hold."


def test_what_is_printed_is_kept_and_cut(source: Path) -> None:
    found = marks(source, *others("scale"), "def scale(x):\n    print('here' * 9000)\n    return x")["scale"]
    assert found.output.startswith("herehere")
    assert len(found.output) == LIMITS.output_characters + 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a notebook"),
        (b"\x00\xff\x89PNG", "not a notebook"),
        (b"[1, 2]", "not a notebook"),
        (b'{"cells": 3}', "not a notebook"),
        (b"[" * 100_000, "not a notebook"),
        (b'{"worksheets": [], "nbformat": 3}', "old format"),
        (b" " * 20_000_001, "too large"),
        (None, "a folder"),
    ],
)
def test_a_file_that_is_no_notebook_earns_nothing_and_says_why(
    source: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "tiny.ipynb"
    path.mkdir() if content is None else path.write_bytes(content)
    found = grade(path, source, student="ada", limits=LIMITS)
    assert {mark.points for mark in found} == {0}
    assert all(reason in mark.reason for mark in found)


def test_arguments_are_checked(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="submission must be a file that exists"):
        grade(tmp_path / "none.ipynb", source, student="ada")
    with pytest.raises(ValueError, match="seconds must be a finite number > 0"):
        Limits(seconds=0)
    with pytest.raises(TypeError, match="student must be a string"):
        personal_seed(3)  # type: ignore[arg-type]
    assert personal_seed("Ada ") == personal_seed("ada") != personal_seed("bob")


def test_threads_grade_at_once_and_each_keeps_its_own_marks(source: Path) -> None:
    bad = F + "import os; os.kill(os.getppid(), 9)"
    with ThreadPoolExecutor(2) as pool:
        good, hostile = pool.map(lambda cell: marks(source, STEP, cell)["scale"].points, (SCALE, bad))
    assert (good, hostile) == (1, 0)


def test_every_defence_that_is_measured_is_still_there() -> None:
    for defence in DEFENCES:
        assert defence.source(ROOT).read_text(encoding="utf-8").count(defence.before) == 1, defence.what
        assert defence.before not in defence.after
