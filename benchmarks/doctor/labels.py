"""What would have helped each run: every remedy's measured gain, from the grid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.doctor.grid import ALL, COUGH, EVERY, SHAPES, Grid, T
from lrlib.curves import Curve, first_divergence
from lrlib.diagnostics import Probe

FREE = ("rate ×3", "rate ×9", "rate ÷3", "rate ÷9", "warm up", "decay", "hold", "stop", "regularize")
FAMILY = {"rate ×3": "up", "rate ×9": "up", "rate ÷3": "down", "rate ÷9": "down", "stop": "overfit"}
FAMILY |= {"regularize": "overfit", "warm up": "warm up", "decay": "decay", "hold": "hold"}
NAMES = list(ALL)
HELPS, ERRORS, NEAR, CLIP = 0.05, 2.5, 0.15, 1.0
CASE_SEEDS = (0, 1)  # the others are fresh: they serve the labels alone


@dataclass(frozen=True)
class Case:
    """A run, the gain of each remedy (mean over seeds of the log of losses, clipped at 1), and what follows."""

    task: str
    rule: str
    shape: str
    place: int
    seed: int
    curve: Curve
    less: Mapping[str, Curve]
    probe: Probe | None
    gains: dict[str, float]
    helping: tuple[str, ...]
    harming: tuple[str, ...]
    healthy: bool

    @property
    def truth(self) -> str:
        """The family of the best remedy, ``"healthy"``, or ``"grey"``, which is not scored."""
        if self.helping:
            return FAMILY[max(self.helping, key=lambda remedy: self.gains[remedy])]
        return "healthy" if self.healthy else "grey"


def _moved(shape: str, remedy: str) -> str | None:
    warm, plain = shape.startswith("warm "), shape.removeprefix("warm ")
    if remedy == "warm up":
        return f"warm {plain}" if not warm and f"warm {plain}" in NAMES else None
    aim = {"decay": "linear", "hold": "hold"}[remedy]
    return f"warm {aim}" if warm else aim


def paired_gains(grid: Grid) -> dict[str, np.ndarray]:
    """(shapes, rates, seeds) of each remedy: log of the final validation loss over the one that it leads to."""
    final = _logs(_final(grid))
    _, rates, seeds = final.shape
    places = np.arange(rates)
    gains = {}
    for remedy, move in (("rate ×3", 1), ("rate ×9", 2), ("rate ÷3", -1), ("rate ÷9", -2)):
        gains[remedy] = final - final[:, np.clip(places + move, 0, rates - 1)]
    for remedy in ("warm up", "decay", "hold"):
        moved = [_moved(name, remedy) for name in NAMES]
        aims = np.stack([final[NAMES.index(m)] if m else final[k] for k, m in enumerate(moved)])
        gains[remedy] = final - aims
    gains["regularize"] = np.zeros_like(final)
    gains["regularize"][: len(SHAPES)] = final[: len(SHAPES)] - _logs(grid.decayed)
    course = _logs(grid.validation)
    stop = np.zeros_like(final)
    for k in range(seeds):
        best = np.delete(course, k, axis=2).mean(axis=2).argmin(axis=-1)  # when the other seeds were best
        stop[:, :, k] = final[:, :, k] - np.take_along_axis(course[:, :, k], best[..., None], axis=-1)[..., 0]
    gains["stop"] = stop
    return {remedy: np.clip(gain, -CLIP, CLIP) for remedy, gain in gains.items()}


def _final(grid: Grid) -> np.ndarray:
    """The final validation loss, infinite where the training loss diverged by the package's one rule."""
    return np.where(first_divergence(grid.loss.astype(np.float64), 1e3) < 0, grid.validation[..., -1], np.inf)


def _logs(losses: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        logs = np.log(losses.astype(np.float64))
    return np.where(np.isfinite(logs), np.minimum(logs, 50), 50)


def cases(grid: Grid) -> Iterator[Case]:
    """The runs of the seven inner rates with the seeds that are diagnosed."""
    gains = paired_gains(grid)
    helps, harms = {}, {}
    for remedy, gain in gains.items():
        mean, variance = gain.mean(axis=-1), gain.var(axis=-1, ddof=1) / gain.shape[-1]
        error = np.sqrt((variance + np.median(variance)) / 2)  # four seeds know little of their own spread
        helps[remedy] = (mean > HELPS) & (mean > ERRORS * error)
        harms[remedy] = (mean < -HELPS) & (mean < -ERRORS * error)
    centre = _logs(_final(grid)).mean(axis=-1)
    near = centre < centre.min() + np.log1p(NEAR)
    steps, evaluations = np.arange(T), np.arange(0, T + 1, EVERY)
    for s, shape in enumerate(NAMES):
        for r in range(1, centre.shape[1] - 1):
            helping = tuple(m for m in FREE if helps[m][s, r])
            for k in CASE_SEEDS:
                own = {
                    "loss": grid.loss[s, r, k],
                    "validation_loss": grid.validation[s, r, k],
                    "validation_steps": evaluations,
                    "rates": grid.used[s, r, k],
                }
                less = {
                    "rates": Curve(steps=steps, **{name: own[name] for name in own if name != "rates"}),
                    "validation": Curve(own["loss"], steps=steps, rates=own["rates"]),
                }
                before, after = float(grid.validation[s, r, k, -1]), float(grid.cough[s, r, k])
                yield Case(
                    grid.task,
                    grid.rule,
                    shape,
                    r,
                    k,
                    Curve(steps=steps, **own),
                    less,
                    Probe(before, after, 3.0, COUGH) if np.isfinite(before) else None,
                    {m: float(g[s, r].mean()) for m, g in gains.items()},
                    helping,
                    tuple(m for m in FREE if harms[m][s, r]),
                    not helping and bool(near[s, r]),
                )
