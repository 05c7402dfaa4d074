"""Primitives that fold axes away: sums, maxima, truth."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from lrlib._compiler import layout
from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Expression, Leaf, Scalar, Value, c_type, calls, cast, leaves, literal, render
from lrlib._compiler.loops import Nest, merge
from lrlib._compiler.rules import rule

Axes = int | Sequence[int] | None
ROWS, LANES = 64, 16  # a block of a long sum: 64 terms, or 64 in each of 16 lanes where the terms are adjacent


def _axes(input: Value, dim: Axes) -> set[int]:
    rank = len(input.shape)
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return set(range(rank))
    return {axis % rank for axis in ((dim,) if isinstance(dim, int) else dim)} if rank else set()


def _target(result: Leaf, input: Value, axes: set[int]) -> Leaf:
    """The result, walked along the axes of the input: folded axes stand still."""
    leaf = layout.reshape(result, [extent for axis, extent in enumerate(input.shape) if axis not in axes])
    assert leaf is not None
    for axis in sorted(axes):
        leaf = layout.insert(leaf, axis, input.shape[axis])
    return leaf


def _walk(
    emitter: Emitter, meta: Meta, input: Value, dim: Axes
) -> tuple[Value, Leaf, Expression, Nest, dict[Leaf, str]]:
    """The result, not yet written; it along the input's axes; what is folded; loops over both; texts of the leaves."""
    result, expression = emitter.new(meta), cast(input.expression, meta.dtype)
    target = _target(emitter.in_memory(result), input, _axes(input, dim))
    sources = list(dict.fromkeys(leaves(expression)))
    nest = merge(input.shape, [target, *sources])
    texts = {leaf: nest.element(leaf, strides) for leaf, strides in zip(sources, nest.strides[1:], strict=True)}
    return result, target, expression, nest, texts


def _split(nest: Nest) -> tuple[list[int], list[int]]:
    """The axes on which the result stands still, and the others."""
    axes = range(len(nest.shape))
    return [axis for axis in axes if nest.strides[0][axis] == 0], [axis for axis in axes if nest.strides[0][axis] != 0]


def _fold(emitter: Emitter, meta: Meta, input: Value, dim: Axes, start: float, step: str) -> Value:
    """Fold with ``step``, C text of the new total from ``{0}``, the old one, and ``{1}``, an element."""
    result, target, expression, nest, texts = _walk(emitter, meta, input, dim)
    whole = emitter.in_memory(result)
    if 0 in input.shape:
        emitter.store(whole, cast(Scalar(start, torch.float64), meta.dtype))
        return result
    folded, kept = _split(nest)
    place = nest.element(target, nest.strides[0])
    name, initial = c_type(meta.dtype), literal(start, meta.dtype)
    if kept and len(nest.shape) - 1 in kept:  # along adjacent results: one pass in the order of memory
        emitter.store(whole, cast(Scalar(start, torch.float64), meta.dtype))
        held = nest.held(texts, list(texts), nest.strides[1:])
        text = nest.around(f"{place} = {step.format(place, render(expression, texts.__getitem__))};", held)
    else:  # along adjacent elements: sums of several lanes are allowed, as torch does itself
        element = render(expression, texts.__getitem__)
        text = (
            f"{nest.headers(kept)}{{\n#pragma clang fp reassociate(on)\n{name} total = {initial};\n"
            f"{nest.headers(folded)}total = {step.format('total', element)};\n{place} = total; }}"
        )
    emitter.kernel(text, reads=[expression], writes=[whole])
    return result


@rule("sum")
def sum_(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    terms = math.prod(input.shape[axis] for axis in _axes(input, dim))
    if meta.dtype.is_floating_point and terms > ROWS and 0 not in input.shape:
        return _long_sum(emitter, meta, input, dim, terms)
    return _fold(emitter, meta, input, dim, 0, "{0} + {1}")


def _long_sum(emitter: Emitter, meta: Meta, input: Value, dim: Axes, terms: int) -> Value:
    """A float64 sum of short sums in the type itself: rounding errors grow with a block, not with the whole."""
    result, target, expression, nest, texts = _walk(emitter, meta, input, dim)
    whole, name = emitter.in_memory(result), c_type(meta.dtype)
    folded, kept = _split(nest)
    adjacent = nest.strides[0][-1] == 0
    along = nest.shape[folded[0]]  # blocks are cut along the first folded axis
    block = max((ROWS * LANES if adjacent else ROWS) * along // terms, 1)
    bounds = {folded[0]: ("b", f"(b + {block} < {along} ? b + {block} : {along})")}
    blocks = f"for (i64 b = 0; b < {along}; b += {block}) {{"
    place = nest.element(target, nest.strides[0])
    written = [whole]
    if not adjacent:  # along adjacent results: one pass in the order of memory
        part, total = (
            emitter.buffer(meta.dtype, math.prod(meta.shape)),
            emitter.buffer(torch.float64, math.prod(meta.shape)),
        )
        each = f"for (i64 j = 0; j < {part.size}; j++)"
        held = nest.held(texts, list(texts), nest.strides[1:])
        here = nest.element(Leaf(part, target.shape, target.strides), nest.strides[0])
        added = nest.around(f"{here} = {here} + {render(expression, texts.__getitem__)};", held, bounds)
        text = (
            f"{each} {total.name}[j] = 0;\n{blocks}\n{each} {part.name}[j] = 0;\n{added}\n"
            f"{each} {total.name}[j] += {part.name}[j];\n}}\n{each} {whole.pointer()}[j] = ({name}){total.name}[j];"
        )
        written += [Leaf(part, (), ()), Leaf(total, (), ())]
    else:  # along adjacent elements: sums of several lanes are allowed
        element = render(expression, texts.__getitem__)
        text = (
            f"{nest.headers(kept)}{{\nf64 total = 0;\n{blocks}\n#pragma clang fp reassociate(on)\n{name} part = 0;\n"
            f"{nest.headers(folded, bounds)}part = part + {element};\ntotal += part;\n}}\n{place} = ({name})total; }}"
        )
    emitter.kernel(text, reads=[expression], writes=written)
    return result


@rule("mean")
def mean(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    total = sum_(emitter, meta, input, dim)
    count = 1
    for axis in _axes(input, dim):
        count *= input.shape[axis]
    return emitter.call("({0} / {1})", meta, [total, count], meta.dtype)


@rule("any")
def any_(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    return _fold(emitter, meta, _truth(input), dim, 0, "{0} | {1}")


def _truth(input: Value) -> Value:
    return Value(input.shape, cast(input.expression, torch.bool))


@rule("amax")
def amax(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    axes = _axes(input, dim)
    if meta.dtype.is_floating_point and _adjacent(input, axes):
        source = emitter.in_memory(input)
        if _adjacent(input, axes):
            return _rows(emitter, meta, source, axes)
    least = float("-inf") if meta.dtype.is_floating_point else _least(meta.dtype)
    return _fold(emitter, meta, input, dim, least, f"max_{c_type(meta.dtype)}({{0}}, {{1}})")


def _least(dtype: torch.dtype) -> int:
    return 0 if dtype == torch.bool else torch.iinfo(dtype).min


def _adjacent(input: Value, axes: set[int]) -> bool:
    """Whether what is folded are the last axes, adjacent in memory (or will be, once computed)."""
    last = set(range(len(input.shape) - len(axes), len(input.shape)))
    if axes != last or not axes or 0 in input.shape:
        return False
    leaf = input.expression
    if not isinstance(leaf, Leaf):
        return calls(leaf) > 0
    row = Leaf(None, leaf.shape[-len(axes) :], leaf.strides[-len(axes) :])
    return leaf.buffer is not None and row.is_contiguous


def _rows(emitter: Emitter, meta: Meta, source: Leaf, axes: set[int]) -> Value:
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    count = len(source.shape) - len(axes)
    outer, length = source.shape[:count], 1
    for extent in source.shape[count:]:
        length *= extent
    first = Leaf(source.buffer, outer, source.strides[:count], source.offset)
    target = layout.reshape(whole, outer)
    assert target is not None
    nest = merge(outer, [target, first])
    to, row = (nest.element(leaf, strides) for leaf, strides in zip((target, first), nest.strides, strict=True))
    text = f"{nest.headers()}{to} = row_max_{c_type(meta.dtype)}(&{row}, {length});"
    emitter.kernel(text, reads=[source], writes=[whole])
    return result
