"""What a study has found."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Found:
    """What a study has found, in the order in which its trials began.

    Attributes:
        settings: of each trial.
        losses: (n,) its loss: the last one reported if it was stopped early, infinite if it diverged.
        outcomes: of each trial: ``"finished"``, ``"stopped early"`` or ``"diverged"``.
        steps: (n,) the last step reported: what the trial cost.
    """

    settings: tuple[dict[str, Any], ...]
    losses: np.ndarray[Any, np.dtype[np.float64]]
    outcomes: tuple[str, ...]
    steps: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def best_so_far(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(n,) the least loss of the trials finished until then; infinite before the first."""
        finished = np.array([outcome == "finished" for outcome in self.outcomes])
        return np.minimum.accumulate(np.where(finished, self.losses, np.inf))

    @property
    def best_loss(self) -> float:
        """The least loss of a finished trial; infinite if there is none."""
        return float(self.best_so_far[-1]) if len(self.losses) else np.inf

    @property
    def best(self) -> dict[str, Any]:
        """The settings of the best finished trial.

        Raises:
            ValueError: if no trial has finished: all diverged or were stopped.
        """
        if not np.isfinite(self.best_loss):
            told = ", ".join(f"{self.outcomes.count(kind)} {kind}" for kind in sorted(set(self.outcomes)))
            raise ValueError(f"No trial has finished ({told or 'none was made'}): try lower rates.")
        finished = [k for k, outcome in enumerate(self.outcomes) if outcome == "finished"]
        return self.settings[min(finished, key=lambda k: self.losses[k])]

    def __repr__(self) -> str:
        counts = [f"{self.outcomes.count(kind)} {kind}" for kind in ("finished", "stopped early", "diverged")]
        return f"Found({len(self.losses)} trials: {', '.join(counts)}; least loss {self.best_loss:.4g})"
