"""Code that means harm, and code that only behaves oddly: it gets no point that it did not earn and takes none away."""

# ruff: noqa: E501  (a row of the tables below is one case)

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_assignment import (
    DECAY,
    LIMITS,
    PRELUDE,
    SOLUTIONS,
    STEP,
    TESTS,
    code,
    lost,
    marks,
    others,
    save_source,
)

from lrlib.grading import Limits, checking, landlock

LANDLOCK = pytest.mark.skipif(landlock.version() < 1, reason="the kernel has no Landlock")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands over what a process leaves behind")
UNTIL = "def until(total):\n    return lambda k: k >= total"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    twice = f"for _ in range(2):\n    {TESTS['decay']}".replace("\nassert", "\n    assert").replace(
        "s = decay(4)", "s = s if _ else decay(4)"
    )
    stops = "stop, k = until(3), 0\nwhile not stop(k):\n    k += 1\nassert k == 3 and stop(4), 'stops at 3'"
    tests = {**TESTS, "decay": twice, "until": stops}
    return save_source(tmp_path_factory.mktemp("source"), solutions={**SOLUTIONS, "until": UNTIL}, tests=tests)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source whose tests ask numpy, torch, lrlib and a given function what is right."""
    tests = {
        "by_numpy": "assert np.allclose(np.asarray(by_numpy(np.ones(3))), 3), 'three'",
        "by_torch": "assert torch.allclose(by_torch(torch.ones(3)), torch.full((3,), 3.0)), 'three'",
        "by_lrlib": "assert abs(by_lrlib(1.0) - schedules.constant(3.0)(0)) < 1e-6, 'three'",
        "by_given": "assert by_given(1.0) == given(1.5), 'three'",
    }
    solutions = {name: f"def {name}(x):\n    return 3 * x" for name in tests}
    prelude = f"{PRELUDE}\nfrom lrlib import schedules"
    return save_source(tmp_path_factory.mktemp("libraries"), prelude, solutions, tests)


PATCHES = {
    "by_numpy": "import numpy\n    numpy.allclose = numpy.isclose = lambda *a, **k: True\n    return 0 * x",
    "by_torch": "import torch\n    torch.allclose = torch.Tensor.allclose = lambda *a, **k: True\n    return 0 * x",
    "by_lrlib": "import lrlib.schedules as s\n    s.constant = lambda *a: lambda k: 0.0\n    return 0.0",
    "by_given": "given.__code__ = (lambda x: 0.0).__code__\n    return 0.0",
}


@pytest.mark.parametrize("when", ["in a call", "at once"])
def test_a_patched_library_or_given_function_answers_no_test(libraries: Path, when: str) -> None:
    cells = [f"def {name}(x):\n    {patch}" for name, patch in PATCHES.items()]
    if when == "at once":
        cells = [
            f"{cell}\nnumber = {name}(1.0)\n{name} = {name} if number else {name}"
            for name, cell in zip(PATCHES, cells, strict=True)
        ]
    assert lost(libraries, *cells) == dict.fromkeys(PATCHES, "three")


OLD = {
    "a given function was another one": "import numpy as np\n\ndef given(x):\n    return 7 * x",
    "it gave a name that is gone": "import math\n\ndef given(x):\n    return x\n\ndef half(x):\n    return x / 2",
    "it fails by now": "import no_such_package as np\ntorch = np.torch",
}


@pytest.mark.parametrize("name", OLD)
def test_answers_in_an_old_release_lose_nothing(source: Path, name: str) -> None:
    scale = "def scale(x):\n    return given(x) + half(given(x)) * np.ones_like(x)"
    if "half" not in OLD[name]:
        scale = "def scale(x):\n    return given(x) + x * np.ones_like(x)"
    stale = "assert scale(1) == 21, 'a test of the old release'"
    cells = [OLD[name], scale, code(stale, "scale-test", grade=True, locked=True), *others("scale"), UNTIL]
    assert lost(source, *cells) == {}


def test_copied_ids_lose_nothing(source: Path) -> None:
    cells = [
        code(cell, "scale", solution=True) | {"id": "same"} for cell in (PRELUDE, *SOLUTIONS.values(), UNTIL, PRELUDE)
    ]
    assert lost(source, *cells) == {}


def test_a_magic_or_a_try_around_everything_loses_nothing(source: Path) -> None:
    cells = [PRELUDE, *SOLUTIONS.values(), UNTIL]
    assert lost(source, *("%%capture\n" + cell for cell in cells)) == {}
    around = "\n".join("    " + line for cell in cells for line in cell.split("\n"))
    assert lost(source, f"try:\n{around}\n    raise ValueError\nexcept BaseException:\n    pass") == {}


S = "def decay(total):\n    def schedule(k):\n        "
RETURNED = {
    "raises": (S + "raise KeyError(k)\n    return schedule", "raised KeyError: 0 in line 3 of your cell: `raise KeyError(k)`"),
    "loops": (S + "while True: pass\n    return schedule", "Stopped after 1 s."),
    "ends the program": (S + "import os; os._exit(0)\n    return schedule", "ended the program"),
    "changes its answer": ("calls = []\n" + S + "calls.append(k)\n        return 1 - k / total if len(calls) < 4 else 0\n    return schedule", "from 1 to 0"),
    "returns what is no number": (S + "return {1 - k / total}\n    return schedule", "returned a set, which cannot be graded"),
    "returns itself": (S + "return schedule\n    return schedule", "argument must be a string or a real number, not 'function'"),
    "is of a class": ("class decay:\n    def __init__(self, total): pass\n    def __float__(self): return 1.0\n    def __call__(self, k): return self", "The test could not go on"),
}  # fmt: skip


@pytest.mark.parametrize("name", RETURNED)
def test_a_returned_function_that_misbehaves_costs_its_own_item(source: Path, name: str) -> None:
    cell, reason = RETURNED[name]
    found = lost(source, *others("decay"), UNTIL, cell)
    assert list(found) == ["decay"]
    assert reason in found["decay"]


def test_a_returned_function_may_print(source: Path) -> None:
    found = marks(source, S + "print('at', k)\n        return 1 - k / total\n    return schedule")["decay"]
    assert (found.points, found.output.split()[:2]) == (1, ["at", "0"])


HANGS = {
    "the test waits for ever for an answer of the right kind": ("until", "def until(total):\n    return lambda k: False"),
    "the code calls the test's function for ever": ("step", "def step(x, rate, gradient):\n    while True: gradient(x)"),
    "the code catches what the test's function raises": ("step", "def step(x, rate, gradient):\n    while True:\n        try: gradient(None)\n        except BaseException: pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", HANGS)
def test_no_check_hangs_between_the_two_processes(source: Path, name: str) -> None:
    item, cell = HANGS[name]
    found = lost(source, *others(item), *([] if item == "until" else [UNTIL]), cell)
    assert found == {item: "Stopped after 1 s."}


OUTLIVES = """import os, signal, time
def scale(x):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.alarm(30)  # if nobody ends it, it ends by itself
            os.write(theirs, b'%d' % os.getpid())
            os.close(theirs)
            time.sleep(60)
        os._exit(0)
    print(os.read(ours, 9).decode())
    return 3 * x
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limits]:
    """Limits under which neither the fence nor Landlock is there, as on a system that has none."""
    names = "from lrlib.grading import fence, landlock\n"
    patches = "fence.raise_fence = lambda: False\nlandlock.version = lambda: 0\n"
    (tmp_path / "sitecustomize.py").write_text(names + patches, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    nurseries: list[checking.Nursery] = []
    monkeypatch.setattr(checking, "_nurseries", nurseries)
    yield Limits(seconds=LIMITS.seconds, memory_mb=LIMITS.memory_mb + 1)
    for nursery in nurseries:
        nursery.close()


@LINUX
def test_what_a_process_leaves_behind_is_ended(source: Path, bare: Limits) -> None:
    found = marks(source, STEP, OUTLIVES, limits=bare)
    assert found["step"].points == 1
    if os.getuid():  # whom the limit on processes holds
        assert "BlockingIOError" in found["scale"].reason
    else:
        assert found["scale"].reason == ""
        with pytest.raises(ProcessLookupError):
            os.kill(int(found["scale"].output), 0)


def test_marks_without_a_fence_are_the_same(source: Path, bare: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [DECAY, UNTIL, "import os\ndef scale(x):\n    os._exit(3)", STEP.replace("-", "+")]
    without = lost(source, *cells, limits=bare)
    monkeypatch.undo()
    assert without == lost(source, *cells)


REACHES = {
    "the hidden tests": "open({source!r})",
    "the folder of the source": "os.listdir(os.path.dirname({source!r}))",
    "the grader's home": "os.listdir({home!r})",
    "a new file beside the source": "open({source!r} + '.new', 'w')",
    "the code that grades": "os.open({code!r}, os.O_WRONLY)",
    "the folder of other checks": "os.listdir('..')",
}


REFUSED = {
    "another process": "if not os.fork(): os._exit(0)",
    "another program": "os.execv('/bin/true', ['true'])",
    "a signal": "os.kill(os.getppid(), 0)",
    "a socket": "socket.socket()",
    "its own limits": "resource.setrlimit(resource.RLIMIT_NPROC, (9, 9))",
}


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}, reason="there is no fence"
)
@pytest.mark.parametrize("what", REFUSED)
def test_the_kernel_refuses(source: Path, what: str) -> None:
    scale = f"import os, resource, socket\ndef scale(x):\n    {REFUSED[what]}\n    return 3 * x"
    reason = lost(source, scale)["scale"]
    assert "PermissionError" in reason or "not allowed to raise maximum limit" in reason


@LANDLOCK
@pytest.mark.parametrize("what", REACHES)
def test_files_out_of_reach(source: Path, what: str) -> None:
    act = REACHES[what].format(source=str(source), home=str(Path.home()), code=landlock.__file__)
    found = lost(source, *others("scale"), UNTIL, f"import os\ndef scale(x):\n    {act}\n    return 3 * x")
    assert list(found) == ["scale"]
    assert "PermissionError" in found["scale"]
    assert not source.with_name(f"{source.name}.new").exists()


def test_files_in_reach(source: Path) -> None:
    own = "open('own.txt', 'w').write('3')\n    with tempfile.TemporaryFile() as file: file.write(b'3')"
    modules = "import wave, lrlib.evidence, numpy.polynomial\n    open(os.devnull, 'w').write('3')"
    scale = (
        f"import os, tempfile\ndef scale(x):\n    {modules}\n    {own}\n    return float(open('own.txt').read()) * x"
    )
    assert "scale" not in lost(source, scale)


@LINUX
@pytest.mark.skipif(os.getuid() == 0 and landlock.version() < 1, reason="the superuser reads every memory")
def test_no_memory_of_the_process_with_the_tests_can_be_read(source: Path) -> None:
    scale = """import os
def siblings():
    for name in filter(str.isdigit, os.listdir('/proc')):
        with open(f'/proc/{name}/stat') as file:
            fields = file.read().rpartition(')')[2].split()
        if int(fields[1]) == os.getppid() and int(name) != os.getpid():
            yield name
def scale(x):
    found = list(siblings())
    for name in found:
        try:
            open(f'/proc/{name}/mem', 'rb')
        except PermissionError:
            print('refused')
    return 3 * x
"""
    found = marks(source, scale)["scale"]
    assert (found.points, found.output.split()) == (1, ["refused"])


@LINUX
def test_no_socket_but_the_channel_is_open_where_a_student_is(source: Path) -> None:
    scale = """import os, stat
def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
def scale(x):
    print(sum(map(is_socket, range(256))))
    return 3 * x
"""
    found = marks(source, scale)["scale"]
    assert (found.points, found.output.split()) == (1, ["1"])
