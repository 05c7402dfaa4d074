"""Primitives that fold axes away: sums, extremes, truth, positions of extremes, running sums."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from lrlib.compiler import layout
from lrlib.compiler.emitter import Emitter, Meta
from lrlib.compiler.expression import Expression, Leaf, Scalar, Value, c_type, calls, cast, leaves, literal, render
from lrlib.compiler.loops import Nest, merge
from lrlib.compiler.rules import rule

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


@rule("prod")
def prod(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    return _fold(emitter, meta, input, dim, 1, "{0} * {1}")


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


def _extreme(emitter: Emitter, meta: Meta, input: Value, dim: Axes, which: str) -> Value:
    name, axes = c_type(meta.dtype), _axes(input, dim)
    if meta.dtype.is_floating_point and _adjacent(input, axes):
        source = emitter.in_memory(input)
        if _adjacent(input, axes):
            return _rows(emitter, meta, source, axes, which)
    limit = {"max": float("-inf"), "min": float("inf")}[which]
    start = limit if meta.dtype.is_floating_point else _integer_limit(meta.dtype, which)
    return _fold(emitter, meta, input, dim, start, f"{which}_{name}({{0}}, {{1}})")


def _integer_limit(dtype: torch.dtype, which: str) -> int:
    if dtype == torch.bool:
        return 0 if which == "max" else 1
    return torch.iinfo(dtype).min if which == "max" else torch.iinfo(dtype).max


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


def _rows(emitter: Emitter, meta: Meta, source: Leaf, axes: set[int], which: str) -> Value:
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
    text = f"{nest.headers()}{to} = row_{which}_{c_type(meta.dtype)}(&{row}, {length});"
    emitter.kernel(text, reads=[source], writes=[whole])
    return result


@rule("amax")
def amax(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    return _extreme(emitter, meta, input, dim, "max")


@rule("amin")
def amin(emitter: Emitter, meta: Meta, input: Value, dim: Axes = None, **_options: Any) -> Value:
    return _extreme(emitter, meta, input, dim, "min")


def _position(emitter: Emitter, meta: Meta, input: Value, dim: int | None, sign: str) -> Value:
    """Index of the first extreme along one axis, or in the whole; a NaN counts as the most extreme."""
    source = emitter.contiguous(input)
    if dim is None:
        source = Leaf(source.buffer, (input.size,), (1,), source.offset)
    axis = (dim or 0) % max(len(source.shape), 1)
    shape = source.shape or (1,)
    result, inner = emitter.new(meta), 1
    for extent in shape[axis + 1 :]:
        inner *= extent
    outer = input.size // max(inner * shape[axis], 1)
    text = (
        f"for (i64 i = 0; i < {outer}; i++) for (i64 j = 0; j < {inner}; j++) {{\n"
        f"const {c_type(input.dtype)} *x = {source.pointer()} + i * {shape[axis] * inner} + j; i64 best = 0;\n"
        f"for (i64 k = 1; k < {shape[axis]}; k++) {{ {c_type(input.dtype)} a = x[k * {inner}], b = x[best * {inner}];\n"
        f"if (a {sign} b || (a != a && b == b)) best = k; }}\n"
        f"{emitter.in_memory(result).pointer()}[i * {inner} + j] = best; }}"
    )
    emitter.kernel(text, reads=[source], writes=[emitter.in_memory(result)])
    return result


@rule("argmax")
def argmax(emitter: Emitter, meta: Meta, input: Value, dim: int | None = None, **_options: Any) -> Value:
    return _position(emitter, meta, input, dim, ">")


@rule("argmin")
def argmin(emitter: Emitter, meta: Meta, input: Value, dim: int | None = None, **_options: Any) -> Value:
    return _position(emitter, meta, input, dim, "<")


@rule("max")
def max_(emitter: Emitter, meta: Meta | Sequence[Meta], input: Value, dim: int | None = None, **_options: Any) -> Any:
    if isinstance(meta, Meta):
        return _extreme(emitter, meta, input, None, "max")
    emitter.share(input)
    return _extreme(emitter, meta[0], input, dim, "max"), _position(emitter, meta[1], input, dim, ">")


@rule("min")
def min_(emitter: Emitter, meta: Meta | Sequence[Meta], input: Value, dim: int | None = None, **_options: Any) -> Any:
    if isinstance(meta, Meta):
        return _extreme(emitter, meta, input, None, "min")
    emitter.share(input)
    return _extreme(emitter, meta[0], input, dim, "min"), _position(emitter, meta[1], input, dim, "<")


def _running(emitter: Emitter, meta: Meta, input: Value, dim: int, sign: str) -> Value:
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    emitter.store(whole, input.expression)
    if not meta.shape:
        return result
    axis = dim % len(meta.shape)
    step, length = whole.strides[axis], meta.shape[axis]
    text = (
        f"for (i64 i = 0; i < {input.size // max(step * length, 1)}; i++) for (i64 k = 1; k < {length}; k++) "
        f"for (i64 j = 0; j < {step}; j++) {{ {c_type(meta.dtype)} *x = {whole.pointer()} + i * {step * length} + j;\n"
        f"x[k * {step}] {sign}= x[(k - 1) * {step}]; }}"
    )
    emitter.kernel(text, reads=[whole], writes=[whole])
    return result


@rule("cumsum")
def cumsum(emitter: Emitter, meta: Meta, input: Value, dim: int, **_options: Any) -> Value:
    return _running(emitter, meta, input, dim, "+")


@rule("cumprod")
def cumprod(emitter: Emitter, meta: Meta, input: Value, dim: int, **_options: Any) -> Value:
    return _running(emitter, meta, input, dim, "*")
