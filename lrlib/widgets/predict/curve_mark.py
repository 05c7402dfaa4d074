"""A mark to set on an axis: what a question asks for when the answer is a place on a curve."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.widgets.drawing.still import Axis, Still

FACTOR = 1.25  # near enough on a logarithmic axis
SHARE = 0.05  # near enough on a linear one, as a share of its length


@dataclass(frozen=True, kw_only=True)
class CurveMark:
    """A place that the reader marks on an axis, and the curve that shows where it is.

    Args:
        x, y: the axes; the reader marks a value of ``x``.
        xs, ys: the curve, ``xs`` increasing; it breaks where a value of ``ys`` is not finite.
        right: the true place, near which a mark is right, or (low, high), between which it is.
        reason: why it is there, shown after.
        tolerance: near enough to a single place: a factor >= 1 where ``x`` is logarithmic, else a distance;
            a factor of 1.25, or a twentieth of the axis, if none is given.
        shown: draw the curve from the start, so that the reader marks a place on it; else it comes after.

    Raises:
        TypeError, ValueError: for axes, a curve or a place that do not fit together.

    >>> mark = CurveMark(
    ...     x=Axis("learning rate η", 0.01, 10, log=True),
    ...     y=Axis("loss", 0, 3),
    ...     xs=[0.01, 0.1, 1, 10],
    ...     ys=[2.3, 1.0, 0.1, 3.0],
    ...     right=1.0,
    ...     reason="There the loss is least.",
    ... )
    >>> mark.near
    (0.8, 1.25)
    """

    x: Axis
    y: Axis
    xs: Sequence[float] | np.ndarray
    ys: Sequence[float] | np.ndarray
    right: float | tuple[float, float]
    reason: str
    tolerance: float | None = None
    shown: bool = False

    def __post_init__(self) -> None:
        _check_axis("x", self.x)
        _check_axis("y", self.y)
        xs = _check.reals("xs", self.xs)
        if len(xs) < 2 or not np.all(np.diff(xs) > 0):
            _check.fail("xs", "two or more increasing numbers", self.xs)
        ys = np.asarray(self.ys, dtype=np.float64)
        if ys.shape != xs.shape or np.isfinite(ys).sum() < 2:
            _check.fail("ys", f"{len(xs)} numbers, one for each of xs, two of them or more finite", self.ys)
        if not isinstance(self.reason, str):
            _check.fail("reason", "text", self.reason, error=TypeError)
        _check.boolean("shown", self.shown)
        if self._is_range():
            self._check_range()
            return
        _check.real("right", self.right, at_least=self.x.low, at_most=self.x.high)
        if self.tolerance is not None:
            _check.real("tolerance", self.tolerance, at_least=1 if self.x.log else 0)

    def _is_range(self) -> bool:
        return isinstance(self.right, tuple | list)

    def _check_range(self) -> None:
        ends: Any = self.right
        if len(ends) != 2:
            _check.fail("right", "a number or a pair (low, high)", self.right)
        low = _check.real("right[0]", ends[0], at_least=self.x.low, at_most=self.x.high)
        _check.real("right[1]", ends[1], above=low, at_most=self.x.high)
        if self.tolerance is not None:
            _check.fail("tolerance", "None where right is a range", self.tolerance)

    @property
    def near(self) -> tuple[float, float]:
        """The pair (low, high) between which a mark is right."""
        if isinstance(self.right, tuple | list):
            return float(self.right[0]), float(self.right[1])
        place = float(self.right)
        if self.x.log:
            factor = FACTOR if self.tolerance is None else self.tolerance
            return place / factor, place * factor
        distance = SHARE * (self.x.high - self.x.low) if self.tolerance is None else self.tolerance
        return place - distance, place + distance

    def content(self) -> dict[str, Any]:
        """What the page reads."""
        ys = np.asarray(self.ys, dtype=np.float64)
        return {
            "x": asdict(self.x),
            "y": asdict(self.y),
            "xs": [float(f"{x:.6g}") for x in self.xs],
            "ys": [float(f"{y:.6g}") if math.isfinite(y) else None for y in ys],
            "right": None if self._is_range() else self.right,
            "near": list(self.near),
            "reason": self.reason,
            "shown": self.shown,
        }

    def still(self, *, answered: bool) -> str:
        """The figure before or after the answer, where scripts do not run."""
        figure = Still(self.x, self.y, alt=self._alt(answered=answered), width=520)
        if answered:
            figure.span(*self.near)
        if answered or self.shown:
            figure.line(self.xs, self.ys, style="plain")
        if answered and not isinstance(self.right, tuple | list):
            figure.vertical(self.right)
        return f"<div class='lrlab-chart'>{figure.svg()}</div>"

    def truth(self) -> str:
        """Where it is, in words: "It is 0.55." """
        if isinstance(self.right, tuple | list):
            return f"Anything from {self.right[0]:g} to {self.right[1]:g} counts."
        return f"It is {self.right:.3g}."

    def _alt(self, *, answered: bool) -> str:
        name = f"{self.y.label} against {self.x.label}"
        if answered:
            return f"{name}. {self.truth()}"
        return name if self.shown else f"{name}: empty axes"


def _check_axis(name: str, axis: Any) -> None:
    if not isinstance(axis, Axis):
        _check.fail(name, "an Axis", axis, error=TypeError)
    low = _check.real(f"{name}.low", axis.low, above=0) if axis.log else _check.real(f"{name}.low", axis.low)
    _check.real(f"{name}.high", axis.high, above=low)
