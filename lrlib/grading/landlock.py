"""On Linux, what files a student's process may touch: Python's and the system's to read, its own folder to write."""

import contextlib
import ctypes
import os
import site
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # numbers of the system calls, the same on every processor
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 2, 4, 8, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1}  # the rights that a version of the interface knows; 3 and later all below
_ALL = (1 << 15) - 1
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev", "/nix/store")


def readable() -> list[Path]:
    """Where code lies that a student may import, the system's libraries, and no folder that only happens to be in
    Python's path: a course with its solutions may be there."""
    found = {Path(p) for p in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *_SYSTEM)}
    found.update(Path(p) for p in (*site.getsitepackages(), site.getusersitepackages()))
    for name, module in list(sys.modules.items()):
        if "." not in name:
            found.update(Path(p) for p in getattr(module, "__path__", ()))
            if getattr(module, "__file__", None):
                found.add(Path(module.__file__ or ""))
    found = {path for path in found if path.is_absolute() and path != Path("/")}
    return sorted(path for path in found if found.isdisjoint(path.parents))


def version() -> int:
    """The version of the interface that the kernel has; 0 where it has none (before 5.13, not Linux, switched off)."""
    if sys.platform != "linux":
        return 0
    return max(0, ctypes.CDLL(None).syscall(_CREATE, None, ctypes.c_size_t(0), 1))


def confine(readable: Iterable[Path], writable: Path) -> bool:
    """Confine this process for good; False where the kernel cannot."""
    if (known := version()) < 1:
        return False
    libc = ctypes.CDLL(None)
    rights = _KNOWN.get(known, _ALL)
    rules = libc.syscall(_CREATE, struct.pack("Q", rights), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    for path, allowed in (*((p, reading) for p in readable), (Path(os.devnull), rights), (writable, rights)):
        with contextlib.suppress(OSError):  # one that is not there cannot be read anyhow
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed &= rights if path.is_dir() else rights & _OF_FILES
            libc.syscall(_ADD, rules, 1, struct.pack("=Qi", allowed, place), 0)
            os.close(place)
    confined = libc.prctl(38, 1, 0, 0, 0) == 0 and libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(confined)
