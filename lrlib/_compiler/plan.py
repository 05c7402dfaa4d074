"""Where temporaries live: one block of memory, planned before anything runs, that reuses the places of dead ones."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lrlib._compiler.emitter import Kernel
from lrlib._compiler.expression import ITEM_SIZES, Buffer

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True)
class Plan:
    """Byte offset of each temporary, and the size of the block."""

    offsets: dict[Buffer, int]
    size: int


def aligned(size: int) -> int:
    """``size`` rounded up to whole cache lines.

    >>> [aligned(n) for n in (0, 1, 64, 65)]
    [0, 64, 64, 128]
    """
    return -(-size // ALIGNMENT) * ALIGNMENT


def plan(
    kernels: Sequence[Kernel],
    *,
    parents: Mapping[Buffer, tuple[Buffer, int]],
    elsewhere: Collection[Buffer] = (),
) -> Plan:
    """Assign offsets: each temporary lives from its first to its last use, and takes the smallest gap that fits.

    ``parents`` tells which buffers are parts of larger ones, and from which element on; buffers ``elsewhere`` get none.
    """
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for time, kernel in enumerate(kernels):
        for buffer in kernel.reads | kernel.writes:
            whole = root(buffer, parents)
            if whole.temporary and whole not in elsewhere:
                first.setdefault(whole, time)
                last[whole] = time
    offsets: dict[Buffer, int] = {}
    free: list[tuple[int, int]] = []  # (offset, size), by offset
    end = 0
    births = sorted(first, key=lambda b: (first[b], b.name))
    deaths = sorted(last, key=lambda b: last[b])
    for buffer in births:
        while deaths and last[deaths[0]] < first[buffer]:
            dead = deaths.pop(0)
            free = _released(free, offsets[dead], aligned(dead.bytes))
        size = aligned(buffer.bytes)
        gaps = [gap for gap in free if gap[1] >= size]
        heir = _overwritten(buffer, kernels[first[buffer]], first[buffer], last, deaths)
        if heir:  # what is read here for the last time is still in the cache
            deaths.remove(heir)
            offsets[buffer] = offsets[heir]
        elif gaps:
            gap = min(gaps, key=lambda g: g[1])
            free.remove(gap)
            if gap[1] > size:
                free = sorted([*free, (gap[0] + size, gap[1] - size)])
            offsets[buffer] = gap[0]
        else:  # at the end, over a free piece that touches it
            tail = free.pop() if free and sum(free[-1]) == end else (end, 0)
            offsets[buffer] = tail[0]
            end = tail[0] + size
    for buffer in parents:
        whole, elements = root(buffer, parents), 0
        part = buffer
        while part in parents:
            part, start = parents[part]
            elements += start
        if whole in offsets:
            offsets[buffer] = offsets[whole] + elements * ITEM_SIZES[buffer.dtype]
    return Plan(offsets, end)


def _overwritten(
    buffer: Buffer, kernel: Kernel, time: int, last: Mapping[Buffer, int], deaths: Sequence[Buffer]
) -> Buffer | None:
    """A buffer of the same size that the kernel reads for the last time, and only where it writes next."""
    for dying in sorted(kernel.in_place, key=lambda b: b.name):
        same = dying.bytes == buffer.bytes and buffer in kernel.writes
        if same and last.get(dying) == time and dying in deaths:
            return dying
    return None


def root(buffer: Buffer, parents: Mapping[Buffer, tuple[Buffer, int]]) -> Buffer:
    """The buffer that this one is, in the end, a part of."""
    while buffer in parents:
        buffer = parents[buffer][0]
    return buffer


def _released(free: Sequence[tuple[int, int]], offset: int, size: int) -> list[tuple[int, int]]:
    """The list of gaps with one more, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for start, length in sorted([*free, (offset, size)]):
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    return joined
