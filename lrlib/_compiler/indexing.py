"""Primitives that look up by position: gathers, scatters, embedding rows. A position out of range raises the flag."""

from collections.abc import Sequence
from typing import Any

import torch

from lrlib._compiler import layout
from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Expression, Leaf, Scalar, Value, linear_index, literal
from lrlib._compiler.rules import rule


def _names(count: int, letter: str = "i") -> list[str]:
    return [f"{letter}{axis}" for axis in range(count)]


def _loops(shape: Sequence[int], names: Sequence[str]) -> str:
    return "".join(f"for (i64 {name} = 0; {name} < {size}; {name}++) " for name, size in zip(names, shape, strict=True))


def _lookup(
    emitter: Emitter, table: Leaf, indices: Sequence[Value | None], other: Leaf, statement: str
) -> tuple[str, list[Leaf]]:
    """Loops over ``table[indices]``, with ``statement`` made of ``{0}``, its element, and ``{1}``, the other side's.

    ``other`` has the shape that torch gives to ``table[indices]``.
    """
    given = {axis: index for axis, index in enumerate(indices) if index is not None}
    shape = _broadcast([index.shape for index in given.values()])
    leaves = {axis: layout.expand(emitter.in_memory(index), shape) for axis, index in given.items()}
    adjacent = list(given) == list(range(min(given), max(given) + 1))
    before = [axis for axis in range(min(given)) if adjacent]
    after = [axis for axis in range(len(table.shape)) if axis not in given and axis not in before]
    places = dict(zip([*before, *after], _names(len(before) + len(after)), strict=True))
    found = _names(len(shape), "k")
    sides = [places[axis] for axis in before] + found + [places[axis] for axis in after]
    where = [places.get(axis, f"p{axis}") for axis in range(len(table.shape))]
    positions = "".join(
        f"const i64 p{axis} = at({leaf.element(found)}, {table.shape[axis]}, bad);\n" for axis, leaf in leaves.items()
    )
    outer = [table.shape[axis] for axis in before]
    inner = [table.shape[axis] for axis in after]
    place = linear_index(where, table.strides, table.offset, (2,) * len(where))  # 2: positions count on axes of size 1
    assert table.buffer is not None
    element = f"{table.buffer.name}[{place}]"
    text = (
        f"{_loops(outer, [places[a] for a in before])}{_loops(shape, found)}{{\n{positions}"
        f"{_loops(inner, [places[a] for a in after])}{statement.format(element, other.element(sides))} }}"
    )
    return text, list(leaves.values())


def _broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))


def _no_masks(indices: Sequence[Value | None]) -> None:
    if any(index is not None and index.dtype == torch.bool for index in indices):
        raise NotImplementedError("a truth mask as an index has no fixed shape")


@rule("index")
def look_up(emitter: Emitter, meta: Meta, input: Value, indices: Sequence[Value | None]) -> Value:
    _no_masks(indices)
    result, table = emitter.new(meta), emitter.in_memory(input)
    whole = emitter.in_memory(result)
    text, read = _lookup(emitter, table, indices, whole, "{1} = {0};")
    emitter.kernel(text, reads=[table, *read], writes=[whole])
    return result


@rule("embedding")
def embedding(emitter: Emitter, meta: Meta, weight: Value, indices: Value, **_options: Any) -> Value:
    return look_up(emitter, meta, weight, [indices])


@rule("index_put")
def index_put(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
    **_options: Any,
) -> Value:
    _no_masks(indices)
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    emitter.store(whole, input.expression)
    given = [index for index in indices if index is not None]
    first = next(axis for axis, index in enumerate(indices) if index is not None)
    adjacent = all(index is not None for index in indices[first : first + len(given)])
    rest = [size for axis, size in enumerate(meta.shape) if axis >= len(indices) or indices[axis] is None]
    split = first if adjacent else 0
    shape = (*rest[:split], *_broadcast([index.shape for index in given]), *rest[split:])
    source = layout.expand(emitter.in_memory(values), shape)
    text, read = _lookup(emitter, whole, indices, source, "{0} += {1};" if accumulate else "{0} = {1};")
    emitter.kernel(text, reads=[whole, source, *read], writes=[whole])
    return result


@rule("gather")
def gather(emitter: Emitter, meta: Meta, input: Value, dim: int, index: Value, **_options: Any) -> Value:
    result, table, positions = emitter.new(meta), emitter.in_memory(input), emitter.in_memory(index)
    whole = emitter.in_memory(result)
    text = _along(table, positions, whole, dim, "{1} = {0};")
    emitter.kernel(text, reads=[table, positions], writes=[whole])
    return result


def _along(table: Leaf, positions: Leaf, other: Leaf | str, dim: int, statement: str) -> str:
    """Loops over ``positions``, which replace the index along ``dim`` of ``table``."""
    names = _names(len(positions.shape))
    axis = dim % max(len(names), 1)
    where = ["p" if place == axis else name for place, name in enumerate(names)]
    extent = table.shape[axis] if table.shape else 1
    place = linear_index(where, table.strides, table.offset, (2,) * len(where))
    value = other if isinstance(other, str) else other.element(names)
    assert table.buffer is not None
    return (
        f"{_loops(positions.shape, names)}{{ const i64 p = at({positions.element(names)}, {extent}, bad);\n"
        f"{statement.format(f'{table.buffer.name}[{place}]', value)} }}"
    )


def _scatter(
    emitter: Emitter, meta: Meta, input: Value, dim: int, index: Value, source: Value | float, statement: str
) -> Value:
    result, positions = emitter.new(meta), emitter.in_memory(index)
    whole = emitter.in_memory(result)
    emitter.store(whole, input.expression)
    reads: list[Expression] = [whole, positions]
    other: Leaf | str
    if isinstance(source, Value):
        leaf = emitter.in_memory(source)
        other = Leaf(leaf.buffer, positions.shape, leaf.strides, leaf.offset)  # torch takes a part of a larger source
        reads.append(other)
    else:
        other = literal(source, meta.dtype)
    emitter.kernel(_along(whole, positions, other, dim, statement), reads=reads, writes=[whole])
    return result


@rule("scatter")
def scatter(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    dim: int,
    index: Value,
    src: Value | None = None,
    value: float | None = None,
) -> Value:
    source = src if src is not None else value
    assert source is not None
    return _scatter(emitter, meta, input, dim, index, source, "{0} = {1};")


@rule("scatter_add")
def scatter_add(emitter: Emitter, meta: Meta, input: Value, dim: int, index: Value, src: Value) -> Value:
    return _scatter(emitter, meta, input, dim, index, src, "{0} += {1};")


@rule("embedding_dense_backward")
def embedding_dense_backward(
    emitter: Emitter,
    meta: Meta,
    grad_output: Value,
    indices: Value,
    num_weights: int,
    padding_idx: int,
    scale_grad_by_freq: bool,
) -> Value:
    if padding_idx >= 0 or scale_grad_by_freq:
        raise NotImplementedError("padding_idx and scale_grad_by_freq of an embedding")
    empty = Value(meta.shape, Scalar(0, meta.dtype))
    return index_put(emitter, meta, empty, [indices], grad_output, accumulate=True)
