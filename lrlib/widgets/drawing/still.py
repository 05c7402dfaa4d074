"""Still figures in SVG, in the labs' own classes and colours: what a page shows where scripts do not run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lrlib.widgets.hosting.portable import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 24, 38


@dataclass(frozen=True)
class Axis:
    """One axis: its name, its ends and whether it is logarithmic."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Values as shares of the way from ``low`` to ``high``."""
        if not self.log:
            return (values - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.maximum(values, 1e-300) / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """A few round values."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            stride = max(1, math.ceil((last - first + 1) / 5))
            return [10.0**exponent for exponent in range(first, last + 1, stride)]
        rough = (self.high - self.low) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
        return [round(i * step, 12) for i in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


@dataclass
class Still:
    """One frame with axes; ``svg()`` gives the figure."""

    x: Axis
    y: Axis
    alt: str
    width: int = 360
    height: int = 280
    right: int = _RIGHT  # room for labels at the ends of lines
    bare: bool = False  # no line and no ticks of y
    _marks: list[str] = field(default_factory=list)
    _over: list[str] = field(default_factory=list)  # may reach past the frame

    def line(
        self,
        xs: Sequence[float] | np.ndarray,
        ys: Sequence[float] | np.ndarray,
        *,
        style: str = "",
        dash: str = "",
        colour: str = "",
    ) -> None:
        """A line, broken where a value is not finite; ``style`` is a class of the labs' style sheet."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        stroke = f' style="stroke: {colour}"' if colour else ""
        path = self._path(np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64))
        self._marks.append(f'<path class="lrlab-line {style}"{dashes}{stroke} d="{path}"/>')

    def cross(self, x: float, y: float) -> None:
        """Where a run diverged; kept inside of the frame."""
        px, py = self._inside(x, y)
        self._over.append(f'<path class="lrlab-cross" d="M{px - 5:.1f} {py - 5:.1f}l10 10m0 -10l-10 10"/>')

    def dot(self, x: float, y: float, *, colour: str = "") -> None:
        """A point; kept inside of the frame."""
        px, py = self._inside(x, y)
        fill = f' style="fill: {colour}"' if colour else ""
        self._over.append(f'<circle class="lrlab-dot"{fill} cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>')

    def vertical(self, x: float) -> None:
        """A dashed line at ``x``."""
        px, _ = self._inside(x, self.y.low)
        self._marks.append(f'<path class="lrlab-rule" d="M{px:.1f} 0V{self._inner_height}"/>')

    def span(self, low: float, high: float) -> None:
        """A shaded range of x."""
        (left, _), (right, _) = self._inside(low, self.y.low), self._inside(high, self.y.low)
        self._marks.append(
            f'<rect class="lrlab-band" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{self._inner_height}"/>'
        )

    def text(self, x: float, y: float, label: str, *, shift: tuple[float, float] = (7, 4)) -> None:
        """Words beside a point, ``shift`` pixels away; none where the point is not finite, as after a divergence."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        px, py = self._inside(x, y)
        self._over.append(f'<text x="{px + shift[0]:.1f}" y="{py + shift[1]:.1f}">{_label(label)}</text>')

    def _inside(self, x: float, y: float) -> tuple[float, float]:
        left, top = self._pixels(np.array([x]), np.array([y]))
        return float(np.clip(left[0], 0, self._inner_width)), float(np.clip(top[0], 0, self._inner_height))

    @property
    def _inner_width(self) -> int:
        return self.width - _LEFT - self.right

    @property
    def _inner_height(self) -> int:
        return self.height - _TOP - _BOTTOM

    def _pixels(self, xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = np.clip(self.x.place(xs), -4, 5) * self._inner_width
        return left, (1 - np.clip(self.y.place(ys), -4, 5)) * self._inner_height

    def _path(self, xs: np.ndarray, ys: np.ndarray) -> str:
        good = np.isfinite(xs) & np.isfinite(ys)
        left, top = self._pixels(np.where(good, xs, self.x.low), np.where(good, ys, self.y.low))
        pens = np.where(good & np.concatenate([[False], good[:-1]]), "L", "M")
        return "".join(f"{p}{a:.1f} {b:.1f}" for p, a, b, ok in zip(pens, left, top, good, strict=True) if ok)

    def svg(self) -> str:
        """The figure."""
        bottom, right = _TOP + self._inner_height, _LEFT + self._inner_width
        upright = "" if self.bare else f"M{_LEFT - 4} {_TOP}V{bottom}"
        axes = [f'<path d="M{_LEFT} {bottom + 4}H{right}{upright}"/>']
        for value in self.x.ticks():
            at = _LEFT + float(self.x.place(np.array(value))) * self._inner_width
            axes.append(
                f'<path d="M{at:.1f} {bottom + 4}v4"/><text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">'
            )
            axes.append(f"{_readable(value)}</text>")
        for value in [] if self.bare else self.y.ticks():
            at = bottom - float(self.y.place(np.array(value))) * self._inner_height
            axes.append(
                f'<path d="M{_LEFT - 4} {at:.1f}h-4"/><text x="{_LEFT - 11}" y="{at + 4:.1f}" text-anchor="end">'
            )
            axes.append(f"{_readable(value)}</text>")
        axes.append(f'<text x="{right}" y="{bottom + 34}" text-anchor="end">{_label(self.x.label)}</text>')
        axes.append(f'<text x="2" y="12">{_label(self.y.label)}</text>')
        return (
            f'<svg role="img" aria-label="{escape(self.alt)}" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}"><g class="lrlab-axes">{"".join(axes)}</g>'
            f'<svg x="{_LEFT}" y="{_TOP}" width="{self._inner_width}" height="{self._inner_height}" overflow="hidden">'
            f"{''.join(self._marks)}</svg>"
            f'<g transform="translate({_LEFT} {_TOP})">{"".join(self._over)}</g></svg>'
        )


def side_by_side(*stills: Still) -> str:
    """Figures in a row that wraps on a narrow screen."""
    return (
        "<div class='lrlab-charts'>" + "".join(f"<div class='lrlab-chart'>{s.svg()}</div>" for s in stills) + "</div>"
    )


def _label(text: str) -> str:
    """Escaped text of an SVG, ``_{...}`` as a subscript."""
    return escape(text).replace("<sub>", '<tspan dy="3" font-size="80%">').replace("</sub>", "</tspan>")


def _readable(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}".replace("-", "−")
    return f"10{str(round(math.log10(value))).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
