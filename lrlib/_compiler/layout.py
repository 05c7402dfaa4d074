"""Views: another way to walk through the same memory. Each function maps a leaf to a leaf and copies nothing."""

import math
from collections.abc import Sequence

from lrlib._compiler.expression import Leaf, contiguous_strides


def expand(leaf: Leaf, shape: Sequence[int]) -> Leaf:
    """Broadcast to ``shape``: axes that are new, or of size 1, are read with stride 0."""
    new = len(shape) - len(leaf.shape)
    strides = [
        0 if size == 1 and wanted != 1 else stride
        for size, stride, wanted in zip(leaf.shape, leaf.strides, shape[new:], strict=True)
    ]
    return Leaf(leaf.buffer, tuple(shape), (0,) * new + tuple(strides), leaf.offset)


def permute(leaf: Leaf, axes: Sequence[int]) -> Leaf:
    """Axes in another order."""
    rank = len(leaf.shape)
    return Leaf(
        leaf.buffer,
        tuple(leaf.shape[axis % rank] for axis in axes),
        tuple(leaf.strides[axis % rank] for axis in axes),
        leaf.offset,
    )


def narrow(leaf: Leaf, axis: int, start: int, size: int, step: int = 1) -> Leaf:
    """``size`` elements along ``axis``, from ``start`` on, every ``step``-th."""
    shape, strides = list(leaf.shape), list(leaf.strides)
    offset = leaf.offset + start * strides[axis]
    shape[axis], strides[axis] = size, strides[axis] * step
    return Leaf(leaf.buffer, tuple(shape), tuple(strides), offset)


def drop(leaf: Leaf, axis: int) -> Leaf:
    """Without ``axis``, which is read at its first element."""
    return Leaf(
        leaf.buffer,
        leaf.shape[:axis] + leaf.shape[axis + 1 :],
        leaf.strides[:axis] + leaf.strides[axis + 1 :],
        leaf.offset,
    )


def insert(leaf: Leaf, axis: int, size: int = 1, stride: int = 0) -> Leaf:
    """With one more axis before ``axis``."""
    return Leaf(
        leaf.buffer,
        (*leaf.shape[:axis], size, *leaf.shape[axis:]),
        (*leaf.strides[:axis], stride, *leaf.strides[axis:]),
        leaf.offset,
    )


def reshape(leaf: Leaf, shape: Sequence[int]) -> Leaf | None:
    """The same elements in row-major order under another shape, or None where strides cannot say that."""
    if math.prod(shape) == 0 or leaf.is_contiguous:
        return Leaf(leaf.buffer, tuple(shape), contiguous_strides(shape), leaf.offset)
    sizes: list[int] = []  # runs of old axes that are walked as one
    steps: list[int] = []
    for size, step in zip(leaf.shape, leaf.strides, strict=True):
        if size == 1:
            continue
        if sizes and steps[-1] == step * size:
            sizes[-1], steps[-1] = sizes[-1] * size, step
        else:
            sizes.append(size)
            steps.append(step)
    strides: list[int] = []
    run, left = len(sizes) - 1, sizes[-1] if sizes else 1
    step = steps[-1] if steps else 0
    for size in reversed(shape):
        if size == 1:
            strides.append(0)
            continue
        if left == 1:
            run -= 1
            left, step = sizes[run], steps[run]
        if left % size:
            return None
        strides.append(step)
        left, step = left // size, step * size
    return Leaf(leaf.buffer, tuple(shape), tuple(reversed(strides)), leaf.offset)
