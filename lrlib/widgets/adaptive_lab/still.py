"""The adaptive lab as a still figure: what its page shows where scripts do not run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrlib.training import Run
from lrlib.widgets.drawing.still import Axis, Still, side_by_side

LOSSES = (0.03, 3.0)
EFFECTIVE = (1e-3, 1e4)


@dataclass(frozen=True)
class Drawn:
    """One rule: its label and line, its run, and the spread of its effective rates at the end."""

    label: str
    dash: str
    run: Run
    spread: np.ndarray


def adaptive_still(drawn: Sequence[Drawn], *, steps: int, span: tuple[float, float]) -> str:
    """The curves of all rules, and beside them the spreads; colours by the rate's place in ``span``."""
    names = ", ".join(rule.label for rule in drawn) or "no rule"
    curves = Still(
        Axis("step", 0, steps),
        Axis("validation loss", *LOSSES, log=True),
        alt=f"Validation loss against the step: {names}",
        width=460,
        right=118,
    )
    spreads = Still(
        Axis("effective rate", *EFFECTIVE, log=True),
        Axis(f"effective rates after {steps} steps", 0, 1),
        alt=f"Spread of the effective rates over the parameters: {names}",
        bare=True,
    )
    heights = _apart([_end(rule.run) for rule in drawn])
    for row, (rule, height) in enumerate(zip(drawn, heights, strict=True)):
        run, colour = rule.run, _colour(rule.run.learning_rate, *span)
        until = run.eval_steps <= (steps if run.diverged_at is None else run.diverged_at)
        curves.line(run.eval_steps[until], run.validation_loss[until], dash=rule.dash, colour=colour)
        y = 1 - (row + 0.72) / len(drawn)
        says = f"{rule.label}, η = {run.learning_rate:g}"
        if run.diverged_at is not None:
            curves.cross(run.diverged_at, LOSSES[1])
            spreads.text(EFFECTIVE[0], y, f"{says}: diverged", shift=(0, -12))
            continue
        curves.text(steps, height, rule.label)
        if np.isnan(rule.spread[0]):
            spreads.text(EFFECTIVE[0], y, says, shift=(0, -12))
            spreads.text(EFFECTIVE[0], y, "no rate for each parameter", shift=(0, 4))
            continue
        low, quarter, middle, three_quarters, high, _ = rule.spread
        spreads.line([low, high], [y, y], style="thin", colour=colour)
        spreads.line([quarter, three_quarters], [y, y], style="strip", colour=colour)
        spreads.dot(middle, y, colour=colour)
        spreads.text(EFFECTIVE[0], y, says, shift=(0, -12))
    return side_by_side(curves, spreads)


def _end(run: Run) -> float:
    """Where the curve's label stands; that of a diverged run is not drawn, and takes no place."""
    return float(run.validation_loss[-1]) if run.diverged_at is None else np.inf


def _apart(losses: Sequence[float], *, factor: float = 1.32) -> list[float]:
    """Heights of labels near these losses, none closer to the next than by ``factor``, in the order given."""
    heights = list(losses)
    above = 0.0
    for k in sorted(range(len(losses)), key=heights.__getitem__):
        heights[k] = above = max(losses[k], above * factor)
    return heights


def _colour(rate: float, low: float, high: float) -> str:
    """The rate's colour, one of the style sheet's sixteen."""
    place = round(15 * np.log(rate / low) / np.log(high / low))
    return f"var(--lr-rate-{min(15, max(0, int(place)))})"
