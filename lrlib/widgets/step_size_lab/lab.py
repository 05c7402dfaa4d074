"""The step-size lab: gradient descent and its kin on test surfaces, redrawn as the reader moves a slider."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import contourpy
import numpy as np
import torch

from lrlib import _check, surfaces
from lrlib.curves.divergence import THRESHOLD
from lrlib.surfaces import Surface
from lrlib.training import descend
from lrlib.updates import UpdateRule
from lrlib.widgets.drawing.still import Axis, Still, side_by_side
from lrlib.widgets.hosting.controls import Choice, LogSlider, Slider
from lrlib.widgets.hosting.lab import Lab
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.trainer.choices import RULES, WITH_MOMENTUM
from lrlib.widgets.trainer.programs import compiled, rule_program, surface_program

CONTOUR, CURVE = 72, 241  # grid points along each axis of a contour plot, and along a one-dimensional surface

SURFACES: dict[str, Surface] = {
    "Parabola": surfaces.quadratic([1.0]),
    "Quadratic, κ = 1": surfaces.quadratic([1.0, 1.0]),
    "Quadratic, κ = 10": surfaces.quadratic([10.0, 1.0], rotation=0.5),
    "Ravine, κ = 100": surfaces.ravine(100.0),
    "Rosenbrock": surfaces.rosenbrock(),
    "Beale": surfaces.beale(),
    "Himmelblau": surfaces.himmelblau(),
    "Saddle": surfaces.saddle(),
    "Double well": surfaces.double_well(),
    "Sharp and flat minimum": surfaces.two_parabolas(10.0, 1.0),
}
# Above 2 (a + bβ) / (c + dβ) / λ a rule diverges on a quadratic of curvature λ; by rule: over = (a, b), under = (c, d).
EDGES = {
    "sgd": {"label": "2/λ_{max}", "over": (1, 0), "under": (1, 0)},
    "heavy_ball": {"label": "2(1+β)/λ_{max}", "over": (1, 1), "under": (1, 0)},
    "nesterov": {"label": "2(1+β)/(1+2β)λ_{max}", "over": (1, 1), "under": (1, 2)},
}
BY_NAME = {RULES[label].name: make for label, make in WITH_MOMENTUM.items()}


class StepSizeLab(Lab):
    """One descent on a surface: its path, and its height above the minimum against the step.

    Args:
        surface: the label of the surface to begin with.
        learning_rate: the rate to begin with; the slider runs over ``rates``.
        rates: (lowest, highest) rate.
        rule: the label of the rule to begin with.
        momentum: β to begin with, for the rules that have one.
        steps: updates to begin with.
        choices: the surfaces on offer, by label; the book's own if none are given.
        hint: one line that says what to try; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.
    """

    module = "step_size_lab/lab.js"

    def __init__(
        self,
        *,
        surface: str = "Quadratic, κ = 10",
        learning_rate: float = 0.05,
        rates: tuple[float, float] = (1e-4, 10.0),
        rule: str = "Gradient descent",
        momentum: float = 0.9,
        steps: int = 60,
        choices: Mapping[str, Surface] | None = None,
        hint: str = "Raise the rate until the path overshoots, then until it diverges. Drag the ring to start afresh.",
    ) -> None:
        self._surfaces = dict(SURFACES if choices is None else choices)
        for label, offered in self._surfaces.items():
            if not isinstance(offered, Surface) or offered.dimension > 2:
                _check.fail(f"choices[{label!r}]", "a Surface of one or two dimensions", offered, error=TypeError)
        _check.choice("surface", surface, self._surfaces)
        _check.choice("rule", rule, RULES)
        self._rules = {value.name: value for value in RULES.values()}
        controls = (
            LogSlider(
                name="learning_rate", label="Learning rate η", value=learning_rate, minimum=rates[0], maximum=rates[1]
            ),
            Choice(
                name="surface", label="Surface", value=surface, options=[(label, label) for label in self._surfaces]
            ),
            Choice(
                name="rule",
                label="Rule",
                value=RULES[rule].name,
                options=[(r.name, label) for label, r in RULES.items()],
            ),
            Slider(name="momentum", label="Momentum β", value=momentum, minimum=0.05, maximum=0.99, step=0.01),
            Slider(name="steps", label="Steps", value=steps, minimum=10, maximum=300, step=10),
        )
        config = {
            "surfaces": [_describe(label, offered) for label, offered in self._surfaces.items()],
            "with_momentum": list(BY_NAME),
            "edges": EDGES,
            "grid": {"contour": CONTOUR, "curve": CURVE},
            "threshold": THRESHOLD,
        }
        super().__init__(hint=hint, controls=controls, config=config)
        self.controls["surface"].observe(self._show_surface, names="value")
        self._show_surface()
        self.recompute()

    def recompute(self) -> None:
        """Descend by torch: a matter of milliseconds, so done at once."""
        settings = self.read()
        points, losses = self._descend([settings["learning_rate"]], settings, start=self.picture.start or None)
        self.controls["momentum"].layout.display = None if settings["rule"] in BY_NAME else "none"
        self.picture.result = {
            "points": pack(points[0]),
            "losses": pack(losses[0]),
            "settings": settings,
            "device": "cpu",
        }

    def _show_surface(self, change: Any = None) -> None:
        label = self.controls["surface"].value
        self.picture.backdrop = {"surface": label, "grid": pack(_grid(self._surfaces[label]), dtype="float32")}
        self.picture.start = []

    def _rule(self, settings: Mapping[str, Any]) -> UpdateRule:
        name = settings["rule"]
        return BY_NAME[name](momentum=settings["momentum"]) if name in BY_NAME else self._rules[name]

    def _descend(self, rates: Any, settings: Mapping[str, Any], *, start: Any = None) -> tuple[np.ndarray, np.ndarray]:
        surface = self._surfaces[settings["surface"]]
        path = descend(surface, learning_rates=rates, steps=settings["steps"], rule=self._rule(settings), start=start)
        return path.points, path.loss

    def page_config(self) -> dict[str, Any]:
        """Recorded descents for a browser without WebAssembly, and programs for all others."""
        settings = self.read()
        slider = self.specs["learning_rate"]
        rates = [float(f"{rate:.3g}") for rate in np.geomspace(slider.minimum, slider.maximum, 13)]  # type: ignore[union-attr]
        points, losses = self._descend(rates, settings)
        makers = {f"surface:{label}": partial(surface_program, s) for label, s in self._surfaces.items()}
        makers |= {
            f"rule:{name}": partial(rule_program, rule, tensors={"point": (2,)}, adjustable=name in BY_NAME)
            for name, rule in self._rules.items()
        }
        return {
            "recorded": {
                "rates": rates,
                "points": pack(points, dtype="float32"),
                "losses": pack(losses, dtype="float32"),
                "settings": settings,
            },
            "programs": compiled(makers),
        }

    def still(self) -> str:
        """The surface with the path of the first setting, and its height against the step."""
        settings = self.read()
        surface = self._surfaces[settings["surface"]]
        points, losses = (part[0] for part in self._descend([settings["learning_rate"]], settings))
        heights, steps = losses - _floor(surface), len(losses) - 1
        (low, high), first = surface.bounds[0], max(float(heights[0]), 1e-6)
        if surface.dimension == 1:
            grid = _grid(surface)
            picture = Still(
                Axis("w", low, high),
                Axis("loss", grid.min(), grid.max()),
                alt=f"{settings['surface']} and a descent on it",
            )
            picture.line(np.linspace(low, high, CURVE), grid, style="level")
            picture.line(points[:, 0], losses, style="thin")
        else:
            across, up = Axis("w_{1}", low, high), Axis("w_{2}", *surface.bounds[1])
            picture = Still(across, up, alt=f"Contours of {settings['surface']} and a descent on it")
            for line in _level_lines(surface):
                picture.line(line[:, 0], line[:, 1], style="level")
            picture.line(points[:, 0], points[:, 1], style="thin")
        curve = Still(
            Axis("step", 0, steps),
            Axis("height above the minimum", first * 1e-8, first * 1e3, log=True),
            alt=f"Height above the minimum against the step at rate {settings['learning_rate']:g}",
        )
        curve.line(np.arange(steps + 1), heights)
        return side_by_side(picture, curve)

    def summary(self) -> str:
        """The settings that the lab begins with."""
        now = self.read()
        rule = next(label for label, rule in RULES.items() if rule.name == now["rule"])
        return f"Step-size lab: {now['surface']}, {rule}, learning rate {now['learning_rate']:g}"


def _floor(surface: Surface) -> float:
    """The least value at any minimum."""
    return min(float(surface(torch.tensor(point, dtype=torch.float64))) for point in surface.minima)


def _describe(label: str, surface: Surface) -> dict[str, Any]:
    points = [torch.tensor(point, dtype=torch.float64) for point in surface.minima]
    return {
        "name": label,
        "dimension": surface.dimension,
        "bounds": [list(axis) for axis in surface.bounds],
        "start": list(surface.start),
        "minima": [{"point": p.tolist(), "curvature": float(surface.lambda_max(p))} for p in points],
        "saddles": [list(point) for point in surface.saddles],
        "floor": _floor(surface),
    }


def _grid(surface: Surface) -> np.ndarray:
    """Values over the surface's frame: (CURVE,), or (CONTOUR, CONTOUR) with rows along the second axis."""
    (low, high) = surface.bounds[0]
    if surface.dimension == 1:
        return surface(torch.linspace(low, high, CURVE, dtype=torch.float64).unsqueeze(1)).numpy()
    axes = [torch.linspace(*axis, CONTOUR, dtype=torch.float64) for axis in surface.bounds]
    columns, rows = torch.meshgrid(*axes, indexing="xy")
    return surface(torch.stack([columns, rows], dim=-1)).numpy()


def _level_lines(surface: Surface) -> list[np.ndarray]:
    """Level lines as arrays (points, 2), at the levels that the page draws."""
    values = _grid(surface)
    axes = [np.linspace(*axis, CONTOUR) for axis in surface.bounds]
    contours = contourpy.contour_generator(axes[0], axes[1], values)
    span = values.max() - values.min()
    levels = [values.min() + span * 10 ** (-3.2 + 3.2 * (i + 0.5) / 14) for i in range(14)]
    return [np.asarray(line) for level in levels for line in contours.lines(level)]
