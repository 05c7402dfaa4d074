"""Forking a large process at a third of the cost: its memory in huge pages, of which there are few to copy."""

import contextlib
import ctypes
import re
import sys
from collections.abc import Iterator

_COLLAPSE, _SIZE = 25, 2**21  # Linux 6.1 and later; earlier ones refuse, and nothing is lost


def gather() -> None:
    """Bring what this process has allocated so far into huge pages, where the system can."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    with contextlib.suppress(OSError):
        for start, end in _own():
            start, end = -(-start // _SIZE) * _SIZE, end // _SIZE * _SIZE
            if start < end:
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _COLLAPSE)


def _own() -> Iterator[tuple[int, int]]:
    with open("/proc/self/maps") as file:
        for line in file.readlines():
            if found := re.match(r"(\w+)-(\w+) rw-p \S+ \S+ 0\s*(?:\[heap\])?$", line):
                yield int(found[1], 16), int(found[2], 16)
