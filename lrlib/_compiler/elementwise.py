"""Elementwise primitives: one C template each. Every operand stands once in its template, so none is computed twice."""

from collections.abc import Callable
from typing import Any

import torch

from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Call, Leaf, Scalar, Value, c_type, cast
from lrlib._compiler.rules import rule

Operand = Value | float | int | bool

# The result's type is also the one that the operation is done in.
ARITHMETIC = {
    "mul": "({0} * {1})",
    "neg": "(-{0})",
    "reciprocal": "(1 / {0})",
    "rsqrt": "(1 / sqrt_{s}({0}))",
    "relu": "relu_{s}({0})",
    "maximum": "max_{s}({0}, {1})",
    "minimum": "min_{s}({0}, {1})",
    "sign": "sign_{s}({0})",
    "abs": "abs_{s}({0})",
    "sqrt": "sqrt_{s}({0})",
    "exp": "exp_{s}({0})",
    "expm1": "expm1_{s}({0})",
    "log": "log_{s}({0})",
    "log1p": "log1p_{s}({0})",
    "tanh": "tanh_{s}({0})",
    "sigmoid": "sigmoid_{s}({0})",
    "erf": "erf_{s}({0})",
    "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})",
}
# Both sides are brought to their common type, the answer is a truth value.
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LOGICAL = {"logical_and": "({0} & {1})", "logical_not": "(!{0})"}


def _operands(arguments: dict[str, Any]) -> list[Operand]:
    return [value for value in arguments.values() if isinstance(value, Value | bool | int | float)]


def _arithmetic(template: str) -> Callable[..., Value]:
    def emit(emitter: Emitter, meta: Meta, **arguments: Any) -> Value:
        name = c_type(meta.dtype)
        text = template.replace("{s}", name)
        return emitter.call(text, meta, _operands(arguments), meta.dtype)

    return emit


def _comparison(sign: str) -> Callable[..., Value]:
    def emit(emitter: Emitter, meta: Meta, **arguments: Any) -> Value:
        operands = _operands(arguments)
        return emitter.call(f"({{0}} {sign} {{1}})", meta, operands, common_type(operands))

    return emit


def _logical(template: str) -> Callable[..., Value]:
    def emit(emitter: Emitter, meta: Meta, **arguments: Any) -> Value:
        return emitter.call(template, meta, _operands(arguments), torch.bool)

    return emit


def common_type(operands: list[Operand]) -> torch.dtype:
    """The type that torch computes in: 0-dim tensors and numbers change the kind, not the width, of larger ones."""
    stand_ins: list[Any] = [
        torch.empty((1,) * len(operand.shape), dtype=operand.dtype) if isinstance(operand, Value) else operand
        for operand in operands
    ]
    return torch.result_type(*stand_ins)


for _name, _template in ARITHMETIC.items():
    rule(_name)(_arithmetic(_template))
for _name, _sign in COMPARISONS.items():
    rule(_name)(_comparison(_sign))
for _name, _template in LOGICAL.items():
    rule(_name)(_logical(_template))


def _sum(emitter: Emitter, meta: Meta, sign: str, input: Operand, other: Operand, alpha: float) -> Value:
    if alpha != 1:
        return emitter.call(f"({{0}} {sign} {{2}} * {{1}})", meta, [input, other, alpha], meta.dtype)
    return emitter.call(f"({{0}} {sign} {{1}})", meta, [input, other], meta.dtype)


@rule("add")
def add(emitter: Emitter, meta: Meta, input: Operand, other: Operand, alpha: float = 1) -> Value:
    return _sum(emitter, meta, "|" if meta.dtype == torch.bool else "+", input, other, alpha)


@rule("sub")
def sub(emitter: Emitter, meta: Meta, input: Operand, other: Operand, alpha: float = 1) -> Value:
    return _sum(emitter, meta, "-", input, other, alpha)


@rule("div")
def div(emitter: Emitter, meta: Meta, input: Operand, other: Operand, rounding_mode: str | None = None) -> Value:
    if rounding_mode is not None:
        raise NotImplementedError(f"rounding_mode={rounding_mode!r}")
    return emitter.call("({0} / {1})", meta, [input, other], meta.dtype)


@rule("pow")
def power(emitter: Emitter, meta: Meta, input: Operand, exponent: Operand) -> Value:
    name = c_type(meta.dtype)
    if not isinstance(exponent, Value):
        if exponent in (0.5, -0.5):
            template = f"sqrt_{name}({{0}})" if exponent > 0 else f"(1 / sqrt_{name}({{0}}))"
            return emitter.call(template, meta, [input], meta.dtype)
        if float(exponent).is_integer() and abs(exponent) <= 8:
            return emitter.call(f"powi_{name}({{0}}, {int(exponent)})", meta, [input], meta.dtype)
    return emitter.call(f"pow_{name}({{0}}, {{1}})", meta, [input, exponent], meta.dtype)


@rule("clamp")
def clamp(emitter: Emitter, meta: Meta, input: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    name, result = c_type(meta.dtype), input
    for bound, function in ((min, "max"), (max, "min")):
        if bound is not None:
            result = emitter.call(f"{function}_{name}({{0}}, {{1}})", meta, [result, bound], meta.dtype)
    return result


@rule("where")
def where(emitter: Emitter, meta: Meta, condition: Value, input: Operand, other: Operand) -> Value:
    chosen = emitter.broadcast(condition, meta.shape, torch.bool)
    branches = (emitter.broadcast(branch, meta.shape, meta.dtype) for branch in (input, other))
    return Value(meta.shape, Call("({0} ? {1} : {2})", (chosen, *branches), meta.dtype))


@rule("bitwise_not")
def bitwise_not(emitter: Emitter, meta: Meta, input: Value) -> Value:
    return emitter.call("(!{0})" if meta.dtype == torch.bool else "(~{0})", meta, [input], meta.dtype)


@rule("_to_copy", "clone", "alias", "detach", "lift_fresh_copy")
def copy(emitter: Emitter, meta: Meta, input: Value, **_options: Any) -> Value:
    return Value(meta.shape, cast(input.expression, meta.dtype))


@rule("full", "full_like", "scalar_tensor")
def full(
    emitter: Emitter,
    meta: Meta,
    fill_value: float | None = None,
    s: float | None = None,
    **_options: Any,
) -> Value:
    number = next(n for n in (fill_value, s) if n is not None)
    return Value(meta.shape, emitter.broadcast(number, meta.shape, meta.dtype))


@rule("empty", "empty_like", "empty_permuted", "empty_strided")
def empty(emitter: Emitter, meta: Meta, **_options: Any) -> Value:
    return Value(meta.shape, cast(Scalar(0, torch.int64), meta.dtype))


@rule("arange")
def arange(emitter: Emitter, meta: Meta, end: float, start: float = 0, step: float = 1, **_options: Any) -> Value:
    if float(start).is_integer() and float(step).is_integer():
        return Value(meta.shape, cast(Leaf(None, meta.shape, (int(step),), int(start)), meta.dtype))
    count = Value(meta.shape, Leaf(None, meta.shape, (1,)))
    return emitter.call("({0} * {1} + {2})", meta, [count, step, start], meta.dtype)
