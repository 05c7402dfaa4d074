"""Primitives that rearrange: views cost nothing; joining and padding write into parts of one new buffer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lrlib._compiler import layout
from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Leaf, Scalar, Value, cast, leaves, reindex
from lrlib._compiler.rules import rule


def _view(input: Value, shape: Sequence[int], change: Callable[[Leaf], Leaf]) -> Value:
    return Value(tuple(shape), reindex(input.expression, change))


def _extent(start: int | None, end: int | None, step: int, size: int) -> tuple[int, int]:
    first, last, _ = slice(start, end, step).indices(size)
    return first, len(range(first, last, step))


@rule("view", "_unsafe_view")
def view(emitter: Emitter, meta: Meta, input: Value, **_shape: Any) -> Value:
    if any(layout.reshape(leaf, meta.shape) is None for leaf in leaves(input.expression)):
        emitter.contiguous(input)

    def change(leaf: Leaf) -> Leaf:
        changed = layout.reshape(leaf, meta.shape)
        assert changed is not None
        return changed

    return _view(input, meta.shape, change)


@rule("permute")
def permute(emitter: Emitter, meta: Meta, input: Value, dims: Sequence[int]) -> Value:
    return _view(input, meta.shape, lambda leaf: layout.permute(leaf, dims))


@rule("expand")
def expand(emitter: Emitter, meta: Meta, input: Value, **_options: Any) -> Value:
    return Value(meta.shape, emitter.broadcast(input, meta.shape, meta.dtype))


@rule("unsqueeze")
def unsqueeze(emitter: Emitter, meta: Meta, input: Value, dim: int) -> Value:
    return _view(input, meta.shape, lambda leaf: layout.insert(leaf, dim % len(meta.shape)))


@rule("squeeze")
def squeeze(emitter: Emitter, meta: Meta, input: Value, dim: int | Sequence[int] | None = None) -> Value:
    rank = len(input.shape)
    asked = range(rank) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = {axis % rank for axis in asked} if rank else set()

    def change(leaf: Leaf) -> Leaf:
        for axis in sorted(axes, reverse=True):
            if leaf.shape[axis] == 1:
                leaf = layout.drop(leaf, axis)
        return leaf

    return _view(input, meta.shape, change)


@rule("select")
def select(emitter: Emitter, meta: Meta, input: Value, dim: int, index: int) -> Value:
    axis = dim % len(input.shape)
    place = index % input.shape[axis]
    return _view(input, meta.shape, lambda leaf: layout.drop(layout.narrow(leaf, axis, place, 1), axis))


@rule("slice")
def slice_(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    axis = dim % len(input.shape)
    first, count = _extent(start, end, step, input.shape[axis])
    return _view(input, meta.shape, lambda leaf: layout.narrow(leaf, axis, first, count, step))


@rule("split_with_sizes")
def split_with_sizes(
    emitter: Emitter, metas: Sequence[Meta], input: Value, split_sizes: Sequence[int], dim: int = 0
) -> tuple[Value, ...]:
    axis = dim % len(input.shape)
    emitter.share(input)
    starts = [sum(split_sizes[:part]) for part in range(len(split_sizes))]
    return tuple(_part(input, axis, start, meta) for start, meta in zip(starts, metas, strict=True))


def _part(input: Value, axis: int, start: int, meta: Meta) -> Value:
    return _view(input, meta.shape, lambda leaf: layout.narrow(leaf, axis, start, meta.shape[axis]))


@rule("cat")
def cat(emitter: Emitter, meta: Meta, tensors: Sequence[Value], dim: int = 0) -> Value:
    result, axis, start = emitter.new(meta), dim % max(len(meta.shape), 1), 0
    whole = emitter.in_memory(result)
    for tensor in tensors:
        if tensor.size:
            target = layout.narrow(whole, axis, start, tensor.shape[axis])
            if not _lives_in(emitter, tensor, target):
                emitter.store(target, tensor.expression)
            start += tensor.shape[axis]
    return result


def _lives_in(emitter: Emitter, tensor: Value, target: Leaf) -> bool:
    """Let the tensor's own buffer be a part of the larger one from the start, where it may: nothing is left to copy."""
    leaf = tensor.expression
    fits = (
        isinstance(leaf, Leaf)
        and leaf.buffer is not None
        and leaf.buffer.temporary
        and leaf.buffer.dtype == target.dtype
        and leaf.buffer.size == tensor.size
        and leaf.buffer not in emitter.parents
        and leaf.offset == 0
        and leaf.is_contiguous
        and layout.reshape(target, (tensor.size,)) is not None
        and Leaf(None, target.shape, target.strides).is_contiguous
    )
    if fits and isinstance(leaf, Leaf) and leaf.buffer and target.buffer:
        emitter.parents[leaf.buffer] = (target.buffer, target.offset)
    return fits


def _patched(emitter: Emitter, meta: Meta, input: Value, src: Value, change: Callable[[Leaf], Leaf]) -> Value:
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    emitter.store(whole, input.expression)
    target = change(whole)
    emitter.store(target, emitter.broadcast(src, target.shape, meta.dtype))
    return result


@rule("slice_scatter")
def slice_scatter(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    src: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    axis = dim % len(meta.shape)
    first, count = _extent(start, end, step, meta.shape[axis])
    return _patched(emitter, meta, input, src, lambda leaf: layout.narrow(leaf, axis, first, count, step))


@rule("constant_pad_nd")
def constant_pad_nd(emitter: Emitter, meta: Meta, input: Value, pad: Sequence[int], value: float = 0) -> Value:
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    emitter.store(whole, cast(Scalar(value, torch.float64), meta.dtype))
    target, source, rank = whole, input, len(meta.shape)
    for pair in range(len(pad) // 2):
        axis, before, after = rank - 1 - pair, pad[2 * pair], pad[2 * pair + 1]
        kept = source.shape[axis] - max(-before, 0) - max(-after, 0)
        target = layout.narrow(target, axis, max(before, 0), kept)
        shape = (*source.shape[:axis], kept, *source.shape[axis + 1 :])
        source = _cropped(source, shape, axis, max(-before, 0))
    emitter.store(target, source.expression)
    return result


def _cropped(source: Value, shape: Sequence[int], axis: int, start: int) -> Value:
    return _view(source, shape, lambda leaf: layout.narrow(leaf, axis, start, shape[axis]))
