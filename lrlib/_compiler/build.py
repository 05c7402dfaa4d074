"""Calls the C compiler of the ``ziglang`` package, and keeps what it made under the hash of what it was made from."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lrlib._cache import cache_directory

_COMMON = [
    "-O3",
    "-g0",  # what a debugger wants takes a quarter of the compiler's time
    "-std=gnu11",
    "-fno-strict-aliasing",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-slp-vectorize",  # a fifth of the compile time, and no gain: what is long enough is a loop already
    "-Wno-everything",
]
_NATIVE = [*_COMMON, "-march=native", "-fPIC", "-fvisibility=hidden"]
_WASM = [*_COMMON, "-target", "wasm32-freestanding", "-msimd128", "-mbulk-memory", "-mnontrapping-fptoint"]
_LINKED = ["-nostdlib", "-shared"]
_LINKED_WASM = ["-nostdlib", "-s", "-Wl,--no-entry", "-Wl,-z,stack-size=131072"]


class CompilerMissing(ImportError):
    """The package ``ziglang`` is not installed."""


def build(text: str, *, wasm: bool, apart: Sequence[str] = ()) -> Path:
    """The compiled form of a C text, from the cache or made now. Safe to call from several threads and processes.

    A file carries a digest of its content in its name; one that was damaged is not taken, but made again.

    Args:
        apart: C texts that it is linked with: what many programs share is compiled once on a machine.

    Raises:
        CompilerMissing: without the package ``ziglang``, unless the cache has it already.
        RuntimeError: if the C compiler refuses a text.
    """
    suffix = ".wasm" if wasm else {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")

    def make(workshop: Path) -> Path:
        return _compile(text, [_object(shared, wasm=wasm) for shared in apart], workshop, f"program{suffix}", wasm)

    return _kept("\0".join([text, *apart]), suffix, make, wasm=wasm)


def _object(text: str, *, wasm: bool) -> Path:
    """The object file of a C text that programs share; kept for a page and for this machine apart."""

    def make(workshop: Path) -> Path:
        return _zig(text, ["-c", *(_WASM if wasm else _NATIVE)], workshop, "shared.o")

    return _kept(text, ".o", make, wasm=wasm)


def _kept(text: str, suffix: str, make: Callable[[Path], Path], *, wasm: bool) -> Path:
    """What ``make`` makes of a text in a folder that it is given: from the cache if it is there undamaged."""
    key = _key(text, wasm=wasm)
    with _building.setdefault(key + suffix, threading.Lock()):  # two threads do not compile the same
        for directory in _places():
            for found in sorted(directory.glob(f"{key}-*{suffix}")):
                if intact(found):
                    return found
        directory = _writable()
        with tempfile.TemporaryDirectory(dir=directory) as workshop:
            made = make(Path(workshop))
            target = directory / f"{key}-{_digest(made.read_bytes())}{suffix}"
            os.replace(made, target)  # atomic: others see all of it or nothing
        return target


_building: dict[str, threading.Lock] = {}


def intact(program: Path) -> bool:
    """Whether a compiled form is there, and is what it was when it was made."""
    try:
        return program.stem.partition("-")[2] == _digest(program.read_bytes())
    except OSError:
        return False


def remember(name: str, program: Path, facts: dict[str, Any], *, wasm: bool) -> None:
    """Note under ``name`` which compiled form it has, and ``facts`` about it, for :func:`recall` in other processes."""
    text = json.dumps({**facts, "program": program.name})
    directory = _writable()
    with tempfile.TemporaryDirectory(dir=directory) as workshop:
        note = Path(workshop, "note")
        note.write_text(f"{_digest(text.encode())}\n{text}", encoding="utf-8")
        os.replace(note, directory / f"{_key(name, wasm=wasm)}.note")


def recall(name: str, *, wasm: bool) -> tuple[Path, dict[str, Any]] | None:
    """What :func:`remember` noted, if the note and the compiled form are there and undamaged."""
    for directory in _places():
        try:
            digest, _, text = (directory / f"{_key(name, wasm=wasm)}.note").read_text(encoding="utf-8").partition("\n")
        except (OSError, ValueError):
            continue
        if digest == _digest(text.encode()):
            facts: dict[str, Any] = json.loads(text)
            program = directory / facts.pop("program")
            if intact(program):
                return program, facts
    return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


_temporary: list[tempfile.TemporaryDirectory[str]] = []  # at most one, removed when this process ends


def _places() -> Iterator[Path]:
    """Where programs may lie."""
    yield cache_directory()
    yield from (Path(folder.name) for folder in _temporary)


def _writable() -> Path:
    """The cache, made for this user alone if it is not there; a temporary directory if nothing can be kept in it."""
    directory = cache_directory()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError:
        if not _temporary:
            _temporary.append(tempfile.TemporaryDirectory(prefix="lrlib-"))
        return Path(_temporary[0].name)


def _key(text: str, *, wasm: bool) -> str:
    """A name for what ``text`` is compiled to by this compiler, for this machine unless for a page."""
    flags, machine = ([*_WASM, *_LINKED_WASM], "") if wasm else ([*_NATIVE, *_LINKED], _processor())
    return hashlib.sha256("\0".join([text, *flags, _zig_version(), machine]).encode()).hexdigest()[:32]


def _compile(text: str, objects: list[Path], workshop: Path, name: str, wasm: bool) -> Path:
    """A program: the text, compiled and linked with the objects."""
    flags = [*_WASM, *_LINKED_WASM] if wasm else [*_NATIVE, *_LINKED]
    return _zig(text, [*flags, *map(str, objects)], workshop, name)


def _zig(text: str, arguments: list[str], workshop: Path, name: str) -> Path:
    """What the C compiler makes of a text, in the file of this name in the workshop."""
    package = find_spec("ziglang")
    if package is None or package.origin is None:
        raise CompilerMissing('compiling needs the package "ziglang": pip install ziglang')
    zig = Path(package.origin).with_name("zig.exe" if sys.platform == "win32" else "zig")
    (workshop / "text.c").write_text(text, encoding="utf-8")
    command = [str(zig), "cc", "text.c", *arguments, "-o", name]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(workshop.parent / "zig"), "ZIG_LOCAL_CACHE_DIR": str(workshop / "zig")}
    result = subprocess.run(command, cwd=workshop, env=os.environ | caches, capture_output=True, check=False)
    if result.returncode:
        said = result.stderr.decode("utf-8", errors="replace").strip()  # whatever encoding this machine likes
        raise RuntimeError(f"the C compiler refused the program: {said[-2000:]}")
    return workshop / name


def _zig_version() -> str:
    try:
        return version("ziglang")
    except PackageNotFoundError:
        return "none"


@cache
def _processor() -> str:
    """What tells this machine's instruction set from another's that may share the cache directory."""
    lines: list[str] = []
    if Path("/proc/cpuinfo").exists():
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        lines = [
            next((line for line in text.splitlines() if line.startswith(k)), "")
            for k in ("model name", "flags", "Features")
        ]
    return "\0".join([sys.platform, platform.machine(), platform.processor(), *lines])
