"""Turns values into C loops. Elementwise work stays an expression until something needs it in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from lrlib._compiler import layout
from lrlib._compiler.expression import (
    Buffer,
    Call,
    Expression,
    Leaf,
    Scalar,
    Value,
    calls,
    cast,
    contiguous_strides,
    leaves,
    reindex,
    render,
)
from lrlib._compiler.loops import merge


@dataclass(frozen=True)
class Meta:
    """Shape and dtype that torch gives to a result."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass
class Kernel:
    """A piece of C that reads some buffers and writes others.

    ``in_place`` are those that it reads only at the very place that it writes next, so that both may be one.
    """

    text: str
    reads: frozenset[Buffer]
    writes: frozenset[Buffer]
    in_place: frozenset[Buffer] = frozenset()


@dataclass
class Emitter:
    """The program so far."""

    kernels: list[Kernel] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    parents: dict[Buffer, tuple[Buffer, int]] = field(default_factory=dict)  # a buffer that is a part of another

    def buffer(
        self, dtype: torch.dtype, size: int, *, literal: torch.Tensor | None = None, temporary: bool = True
    ) -> Buffer:
        """A new buffer."""
        new = Buffer(f"t{len(self.buffers)}", dtype, max(size, 1), temporary and literal is None, literal)
        self.buffers.append(new)
        return new

    def new(self, meta: Meta) -> Value:
        """A new tensor in memory, not yet written."""
        size = 1
        for extent in meta.shape:
            size *= extent
        leaf = Leaf(self.buffer(meta.dtype, size), meta.shape, contiguous_strides(meta.shape))
        return Value(meta.shape, leaf)

    def kernel(
        self,
        text: str,
        *,
        reads: Iterable[Expression | Buffer],
        writes: Iterable[Leaf | Buffer],
        in_place: frozenset[Buffer] = frozenset(),
    ) -> None:
        """Append a kernel."""
        self.kernels.append(Kernel(text, _buffers(reads), _buffers(writes), in_place))

    def store(self, target: Leaf, expression: Expression) -> None:
        """Write an expression to memory, element by element."""
        if 0 in target.shape:
            return
        sources = list(dict.fromkeys(leaves(expression)))
        nest = merge(target.shape, [target, *sources])

        texts = {leaf: nest.element(leaf, strides) for leaf, strides in zip(sources, nest.strides[1:], strict=True)}
        held = nest.held(texts, sources, nest.strides[1:])  # what an innermost loop need not load again
        value = render(cast(expression, target.dtype), texts.__getitem__)
        aligned = {
            leaf.buffer
            for leaf, strides in zip(sources, nest.strides[1:], strict=True)
            if leaf.buffer and strides == nest.strides[0] and leaf.offset == target.offset
        }
        elsewhere = {
            leaf.buffer
            for leaf, strides in zip(sources, nest.strides[1:], strict=True)
            if strides != nest.strides[0] or leaf.offset != target.offset
        }
        self.kernel(
            nest.around(f"{nest.element(target, nest.strides[0])} = {value};", held),
            reads=[expression],
            writes=[target],
            in_place=frozenset(b for b in aligned - elsewhere if b),
        )

    def in_memory(self, value: Value) -> Leaf:
        """The value as a strided leaf, computed into a new buffer if it is not one yet."""
        if isinstance(value.expression, Leaf) and value.expression.buffer:
            return value.expression
        return self._write(value)

    def contiguous(self, value: Value) -> Leaf:
        """The value as adjacent elements in row-major order."""
        leaf = self.in_memory(value)
        return leaf if leaf.is_contiguous else self._write(value)

    def _write(self, value: Value) -> Leaf:
        fresh = self.new(Meta(value.shape, value.dtype)).expression
        assert isinstance(fresh, Leaf)
        self.store(fresh, value.expression)
        value.expression = fresh
        return fresh

    def share(self, value: Value) -> None:
        """Prepare a value for several readers: compute it once, unless it costs nothing."""
        if calls(value.expression) > (1 if value.dtype == torch.bool and value.size > 1 else 0):
            self.in_memory(value)

    def broadcast(self, value: Value | float | int | bool, shape: Sequence[int], dtype: torch.dtype) -> Expression:
        """An operand of an elementwise operation on ``shape``, converted to ``dtype``."""
        if not isinstance(value, Value):
            return Scalar(value, torch.bool) if dtype == torch.bool else cast(Scalar(value, _kind(value)), dtype)
        if value.size != _size(shape) and calls(value.expression) > 0:
            self.in_memory(value)  # else it would be computed anew for every element it is spread over
        return cast(reindex(value.expression, lambda leaf: layout.expand(leaf, shape)), dtype)

    def call(
        self, template: str, meta: Meta, operands: Sequence[Value | float | int | bool], compute: torch.dtype
    ) -> Value:
        """An elementwise operation: operands are converted to ``compute``, the result is of the type in ``meta``."""
        arguments = tuple(self.broadcast(operand, meta.shape, compute) for operand in operands)
        return Value(meta.shape, Call(template, arguments, meta.dtype))


def _buffers(items: Iterable[Expression | Buffer]) -> frozenset[Buffer]:
    found = set()
    for item in items:
        found |= {item} if isinstance(item, Buffer) else {leaf.buffer for leaf in leaves(item) if leaf.buffer}
    return frozenset(found)


def _size(shape: Sequence[int]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _kind(value: float | int | bool) -> torch.dtype:
    return torch.bool if isinstance(value, bool) else torch.int64 if isinstance(value, int) else torch.float64
