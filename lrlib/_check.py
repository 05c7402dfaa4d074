"""Argument checks with one wording: the argument's name, what it must be, what it was."""

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np


def fail(name: str, need: str, value: object, *, error: type[Exception] = ValueError) -> NoReturn:
    """Raise ``error`` with the one wording of this package."""
    raise error(f"{name} must be {need}, but got {_short(value)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def real(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> float:
    """A finite real number inside the given bounds, as a ``float``."""
    need = "a finite number" + _bounds(above, at_least, below, at_most)
    if isinstance(value, bool) or not isinstance(value, Real):
        fail(name, need, value, error=TypeError)
    number = float(value)
    if not math.isfinite(number) or not (above < number < below and at_least <= number <= at_most):
        fail(name, need, value)
    return number


def integer(name: str, value: Any, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """An integer (no ``bool``) inside the given bounds, as an ``int``."""
    low, high = (-math.inf if at_least is None else at_least, math.inf if at_most is None else at_most)
    kind = not isinstance(value, bool) and isinstance(value, Integral)
    if not kind or not low <= int(value) <= high:
        need = "an integer" + _bounds(-math.inf, low, math.inf, high)
        fail(name, need, value, error=ValueError if kind else TypeError)
    return int(value)


def _bounds(above: float, at_least: float, below: float, at_most: float) -> str:
    parts = [
        f"{word} {bound:.10g}"
        for word, bound in ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
        if math.isfinite(bound)
    ]
    return " " + " and ".join(parts) if parts else ""


def boolean(name: str, value: Any) -> bool:
    """``True`` or ``False``, nothing that merely acts like one."""
    if not isinstance(value, bool | np.bool_):
        fail(name, "True or False", value, error=TypeError)
    return bool(value)


def choice(name: str, value: Any, options: Collection[str]) -> str:
    """One of a few strings."""
    if value not in options:
        fail(name, "one of " + ", ".join(repr(option) for option in options), value)
    return str(value)


def reals(name: str, values: Any, *, above: float = -math.inf, at_least: float = -math.inf) -> np.ndarray:
    """A non-empty one-dimensional sequence of finite numbers, as float64 of shape (n,)."""
    need = "a non-empty 1-D sequence of finite numbers" + _bounds(above, at_least, math.inf, math.inf)
    try:
        array = np.asarray(values)
    except ValueError:  # ragged
        fail(name, need, values, error=TypeError)
    if array.size and array.dtype.kind not in "iuf":
        fail(name, need, values, error=TypeError)
    if array.ndim != 1 or array.size == 0:
        fail(name, need, values)
    if not np.all(np.isfinite(array)) or not np.all((array > above) & (array >= at_least)):
        fail(name, need, values)
    return array.astype(np.float64)


def integers(name: str, values: Any, *, at_least: int | None = None, at_most: int | None = None) -> tuple[int, ...]:
    """A non-empty sequence of integers."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray | range):
        fail(name, "a non-empty sequence of integers", values, error=TypeError)
    if len(values) == 0:
        fail(name, "a non-empty sequence of integers", values)
    return tuple(integer(f"{name}[{i}]", value, at_least=at_least, at_most=at_most) for i, value in enumerate(values))


def function(name: str, value: Any) -> Any:
    """Something that can be called."""
    if not callable(value):
        fail(name, "callable", value, error=TypeError)
    return value
