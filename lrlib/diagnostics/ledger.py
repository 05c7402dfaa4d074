"""What a watched run did: the rate of every update beside its plan, and what else was measured. Needs numpy alone."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lrlib.curves import Curve
from lrlib.diagnostics.plans import Array

NAN = float("nan")
MEASURED = ("rate", "gradient_norm", "update_ratio")


class Ledger:
    """The series of one run, each entry at the number of its update; ``start`` is that of the first."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.used: list[tuple[float, ...]] = []
        self.planned: list[tuple[float, ...]] = []
        self.measured: dict[int, tuple[float, float]] = {}  # step: gradient norm, update ratio
        self.validation: dict[int, float] = {}
        self._losses: dict[int, tuple[float, int]] = {}  # step: the sum over its batches, and how many

    @property
    def count(self) -> int:
        """The number of the next update."""
        return self.start + len(self.used)

    def add_loss(self, step: int, value: float) -> None:
        total, batches = self._losses.get(step, (0.0, 0))
        self._losses[step] = total + value, batches + 1

    def losses(self) -> dict[int, float]:
        """The mean loss of each update that has any."""
        return {step: total / n for step, (total, n) in sorted(self._losses.items()) if self.start <= step < self.count}

    def series(self) -> dict[str, Array]:
        """Of every update: rates, planned rates and what was measured, NaN where it was not."""
        used, planned = table(self.used), table(self.planned)
        rows = [self.measured.get(step, (NAN, NAN)) for step in range(self.start, self.count)]
        norms = np.array(rows, np.float64).reshape(-1, 2)
        found = {"rate": used[:, 0], "gradient_norm": norms[:, 0], "update_ratio": norms[:, 1]}
        found |= {f"rate_{group}": used[:, group] for group in range(1, used.shape[1])}
        return found if np.isnan(planned).all() else found | {"planned_rate": planned[:, 0]}

    def curve(self, source: str) -> Curve:
        losses = self.losses()
        if not losses:
            raise ValueError("there is no curve without losses: hand each update's to loss()")
        steps = np.array(list(losses))
        series = {name: values[steps - self.start] for name, values in self.series().items()}
        rate, gradient_norm, update_ratio = (series.pop(name) for name in MEASURED)
        below = steps[rate < 0]
        return Curve(
            list(losses.values()),
            steps=steps,
            validation_loss=list(self.validation.values()) or None,
            validation_steps=list(self.validation) or None,
            rates=np.where(rate < 0, NAN, rate),
            gradient_norm=gradient_norm,
            update_ratio=update_ratio,
            metrics=series,
            source=source,
            notes=[f"the rate of update {below[0]} is below 0 and left out"] if below.size else [],
        )

    def to_csv(self, path: str | Path) -> None:
        series, losses = self.series(), self.losses()
        further = [name for name in series if name not in MEASURED]
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "loss", *MEASURED, "validation_loss", *further])
            for step in sorted({*range(self.start, self.count), *self.validation}):
                at = {name: values[step - self.start] for name, values in series.items()} if step < self.count else {}

                def cell(name: str, at: dict[str, float] = at) -> str:
                    return "" if np.isnan(at.get(name, NAN)) else repr(float(at[name]))

                def loss(of: dict[int, float], step: int = step) -> str:  # NaN stands where the loss was NaN
                    return repr(of[step]) if step in of else ""

                middle = map(cell, MEASURED)
                writer.writerow([step, loss(losses), *middle, loss(self.validation), *map(cell, further)])


def table(rows: Sequence[tuple[float, ...]]) -> Array:
    """(updates, groups), NaN for a group that was not there yet."""
    out = np.full((len(rows), max(map(len, rows), default=1)), NAN)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out
