"""Formulas as the reader may write them: a language of numbers, names and a few functions, read without ``eval``.

``formula.js`` reads the same language in the page. Here it serves to check the answers and slips that a cell is made
with.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from lrlib import _check

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int | None]] = {  # what it does; fewest and most arguments
    "min": (lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)), 2, None),
    "max": (lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)), 2, None),
    "cos": (np.cos, 1, 1),
    "sin": (np.sin, 1, 1),
    "sqrt": (np.sqrt, 1, 1),
    "exp": (np.exp, 1, 1),
    "log": (np.log, 1, 1),
    "floor": (np.floor, 1, 1),
    "abs": (np.abs, 1, 1),
    "where": (lambda condition, then, other: np.where(condition != 0, then, other), 3, 3),
}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(formula: str, names: Mapping[str, float | Array]) -> Array:
    """The values of ``formula`` where its names have the values of ``names``, numbers or arrays of one shape.

    Numbers, ``+ - * /``, ``^`` or ``**``, parentheses, ``pi``, comparisons (1 where they hold, else 0) and the
    functions of :data:`FUNCTIONS`. What has no value, such as 1/0, is infinite or NaN.

    Raises:
        TypeError, ValueError: for text that is not such a formula.

    >>> evaluate("peak * (1 - t / T)", {"t": np.arange(3.0), "T": 4, "peak": 2})
    array([2. , 1.5, 1. ])
    >>> evaluate("where(t < 2, -2^2, 0)", {"t": np.arange(3.0)})
    array([-4., -4.,  0.])
    """
    if not isinstance(formula, str):
        _check.fail("formula", "text", formula, error=TypeError)
    try:
        tree = ast.parse(formula.strip().replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"formula must be a formula, but got {formula!r} ({error.msg})") from error
    known = {name: np.asarray(value, dtype=np.float64) for name, value in {"pi": np.pi, **names}.items()}
    with np.errstate(all="ignore"):
        values = np.asarray(_value(tree, known, formula), dtype=np.float64)
    shape = np.broadcast_shapes(*(value.shape for value in known.values()))
    return np.broadcast_to(values, shape).copy()


def _value(node: ast.expr, names: Mapping[str, Array], formula: str) -> Any:
    def refuse(what: str) -> NoReturn:
        _check.fail("formula", what, formula)

    def of(part: ast.expr) -> Any:
        return _value(part, names, formula)

    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.float64(number)
        case ast.Name(id=name):
            return names[name] if name in names else refuse(f"made of {', '.join(names)}")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](of(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](of(left), of(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return np.asarray(_OPERATORS[type(op)](of(left), of(right)), dtype=np.float64)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            function, fewest, most = FUNCTIONS[name]
            if len(arguments) < fewest or (most is not None and len(arguments) > most):
                refuse(f"a formula in which {name} has the right number of arguments")
            return function(*map(of, arguments))
    return refuse("made of numbers, names, + - * / ^, comparisons and known functions")
