"""Calls the C compiler of the ``ziglang`` package, and keeps what it made under the hash of what it was made from."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_COMMON = [
    "-O3",
    "-std=gnu11",
    "-fno-strict-aliasing",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-slp-vectorize",  # a fifth of the compile time, and no gain: what is long enough is a loop already
    "-nostdlib",
    "-Wno-everything",
]
_NATIVE = [*_COMMON, "-march=native", "-shared", "-fPIC", "-fvisibility=hidden"]
_WASM = [
    *_COMMON,
    *("-target", "wasm32-freestanding", "-msimd128", "-mbulk-memory", "-mnontrapping-fptoint", "-s"),
    *("-Wl,--no-entry", "-Wl,-z,stack-size=131072"),
]


class CompilerMissing(ImportError):
    """The package ``ziglang`` is not installed."""


def cache_directory() -> Path:
    """Where compiled programs are kept: ``LRLIB_CACHE_DIR``, else the platform's place for caches."""
    chosen = os.environ.get("LRLIB_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lrlib"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lrlib"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lrlib"


def build(text: str, *, wasm: bool) -> Path:
    """The compiled form of a C text, from the cache or made now. Safe to call from several processes at once.

    Raises:
        CompilerMissing: without the package ``ziglang``, unless the cache has it already.
        RuntimeError: if the C compiler refuses the text.
    """
    flags = _WASM if wasm else _NATIVE
    suffix = ".wasm" if wasm else {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    directory = cache_directory()
    target = directory / f"{_key(text, wasm=wasm)}{suffix}"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as workshop:
            made = _compile(text, flags, Path(workshop), suffix, directory / "zig")
            os.replace(made, target)  # atomic: others see all of it or nothing
    return target


def remember(name: str, program: Path, facts: dict[str, Any], *, wasm: bool) -> None:
    """Note under ``name`` which compiled form it has, and ``facts`` about it, for :func:`recall` in other processes."""
    directory = cache_directory()
    with tempfile.TemporaryDirectory(dir=directory) as workshop:
        note = Path(workshop, "note.json")
        note.write_text(json.dumps({**facts, "program": program.name}), encoding="utf-8")
        os.replace(note, directory / f"{_key(name, wasm=wasm)}.json")


def recall(name: str, *, wasm: bool) -> tuple[Path, dict[str, Any]] | None:
    """What :func:`remember` noted, if the compiled form is still there."""
    directory = cache_directory()
    try:
        facts = json.loads((directory / f"{_key(name, wasm=wasm)}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    program = directory / facts.pop("program")
    return (program, facts) if program.exists() else None


def _key(text: str, *, wasm: bool) -> str:
    """A name for what ``text`` is compiled to by this compiler, for this machine unless for a page."""
    flags, machine = (_WASM, "") if wasm else (_NATIVE, _processor())
    return hashlib.sha256("\0".join([text, *flags, _zig_version(), machine]).encode()).hexdigest()[:32]


def _compile(text: str, flags: list[str], workshop: Path, suffix: str, zig_cache: Path) -> Path:
    if find_spec("ziglang") is None:
        raise CompilerMissing('compiling needs the package "ziglang": pip install ziglang')
    (workshop / "program.c").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "program.c", "-o", f"program{suffix}"]
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(zig_cache), "ZIG_LOCAL_CACHE_DIR": str(workshop / "zig")}
    result = subprocess.run(command, cwd=workshop, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"the C compiler refused the program: {result.stderr.strip()[-2000:]}")
    return workshop / f"program{suffix}"


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
