"""What the emitter computes with: buffers, strided leaves that read them, and elementwise expressions over leaves."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

Number = bool | int | float

C_TYPES = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32", torch.bool: "b8"}
ITEM_SIZES = {torch.float32: 4, torch.float64: 8, torch.int64: 8, torch.int32: 4, torch.bool: 1}


def c_type(dtype: torch.dtype) -> str:
    """The name of ``dtype`` in the C text, which is also the suffix of its functions."""
    try:
        return C_TYPES[dtype]
    except KeyError:
        raise NotImplementedError(f"{dtype} has no C type here; there are {', '.join(map(str, C_TYPES))}") from None


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides, in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return tuple(strides)


@dataclass(frozen=True, eq=False)
class Buffer:
    """A named run of ``size`` elements in memory. ``literal`` holds the values of one that is part of the program."""

    name: str
    dtype: torch.dtype
    size: int
    temporary: bool = False
    literal: torch.Tensor | None = None

    @property
    def bytes(self) -> int:
        return self.size * ITEM_SIZES[self.dtype]


@dataclass(frozen=True)
class Leaf:
    """A strided read of a buffer; without a buffer it *is* the number ``offset + sum(index * stride)``."""

    buffer: Buffer | None
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> torch.dtype:
        return self.buffer.dtype if self.buffer else torch.int64

    @property
    def is_contiguous(self) -> bool:
        wanted = contiguous_strides(self.shape)
        return all(size == 1 or have == want for size, have, want in zip(self.shape, self.strides, wanted, strict=True))

    def element(self, indices: Sequence[str]) -> str:
        """C text of the element at ``indices``."""
        place = linear_index(indices, self.strides, self.offset, self.shape)
        return f"{self.buffer.name}[{place}]" if self.buffer else f"(i64)({place})"

    def pointer(self) -> str:
        """C text of the address of the first element."""
        assert self.buffer is not None
        return f"{self.buffer.name} + {self.offset}" if self.offset else self.buffer.name


def linear_index(indices: Sequence[str], strides: Sequence[int], offset: int, shape: Sequence[int]) -> str:
    """C text of ``offset + sum(index * stride)``, without the terms that are always 0."""
    terms = [
        index if stride == 1 else f"{index} * {stride}"
        for index, stride, size in zip(indices, strides, shape, strict=True)
        if stride and size != 1
    ]
    return " + ".join(([str(offset)] if offset or not terms else []) + terms)


@dataclass(frozen=True)
class Scalar:
    """The same number everywhere."""

    value: Number
    dtype: torch.dtype


@dataclass(frozen=True)
class Call:
    """A C expression: ``template`` with its ``arguments`` filled in, of result type ``dtype``."""

    template: str
    arguments: tuple["Expression", ...]
    dtype: torch.dtype


Expression = Leaf | Scalar | Call


@dataclass
class Value:
    """A tensor of the traced program: its shape and what each element is. All leaves have the value's own shape."""

    shape: tuple[int, ...]
    expression: Expression

    @property
    def dtype(self) -> torch.dtype:
        return self.expression.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def leaves(expression: Expression) -> Iterator[Leaf]:
    """Every leaf of the expression, from left to right."""
    if isinstance(expression, Leaf):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from leaves(argument)


def calls(expression: Expression) -> int:
    """How many operations one element takes."""
    return 1 + sum(map(calls, expression.arguments)) if isinstance(expression, Call) else 0


def reindex(expression: Expression, change: Callable[[Leaf], Leaf]) -> Expression:
    """The same computation on leaves that are read in another order."""
    if isinstance(expression, Leaf):
        return change(expression)
    if isinstance(expression, Call):
        return Call(expression.template, tuple(reindex(a, change) for a in expression.arguments), expression.dtype)
    return expression


def literal(value: Number, dtype: torch.dtype) -> str:
    """C text of a number."""
    if dtype.is_floating_point:
        number = float(value)
        suffix = "f" if dtype == torch.float32 else ""
        if math.isnan(number):
            return f'__builtin_nan{suffix}("")'
        if math.isinf(number):
            return f"({'-' if number < 0 else ''}__builtin_inf{suffix}())"
        return f"({number!r}{suffix})" if number < 0 else f"{number!r}{suffix}"
    if dtype == torch.bool:
        return str(int(bool(value)))
    return f"({int(value)}LL)" if int(value) > -(2**63) else "(-9223372036854775807LL - 1)"


def cast(expression: Expression, dtype: torch.dtype) -> Expression:
    """The expression, converted as torch converts."""
    if expression.dtype == dtype:
        return expression
    if isinstance(expression, Scalar):
        value = bool(expression.value) if dtype == torch.bool else expression.value
        return Scalar(float(value) if dtype.is_floating_point else int(value), dtype)
    return Call("({0} != 0)" if dtype == torch.bool else f"({c_type(dtype)})({{0}})", (expression,), dtype)


def render(expression: Expression, element: Callable[[Leaf], str]) -> str:
    """C text of one element, given the text of each leaf's."""
    if isinstance(expression, Leaf):
        return element(expression)
    if isinstance(expression, Scalar):
        return literal(expression.value, expression.dtype)
    return expression.template.format(*(render(a, element) for a in expression.arguments))
