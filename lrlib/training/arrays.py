"""The arrays that a run and a sweep share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lrlib.curves import first_divergence

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, repr=False, eq=False)
class Records:
    """The arrays that a run and a sweep share; a sweep's have a leading axis that counts runs.

    Attributes:
        rates_used: (steps,) the learning rate that each update used: the ledger.
        loss: (steps,) the minibatch loss before each update; NaN or infinite once a run has diverged.
        grad_norm: (steps,) Euclidean norm of the minibatch gradient, before clipping.
        update_ratio: (steps, tensors) norm of the update over norm of the tensor, for each of ``tensor_names``;
            no columns unless recorded.
        eval_steps: (evaluations,) how many updates had been made at each evaluation; the last is at the end.
        train_loss, validation_loss: (evaluations,) over the evaluated examples, without augmentation.
        train_metrics, validation_metrics: by name, (evaluations,).
        planned_steps: how many updates were asked for; more than ``steps`` if the run was stopped early.
        divergence_threshold: see ``diverged_at``.
        tensor_names: the parameters' names.
        provenance: task, rule, schedule, batch size, dtype, device, versions.
        parameters: the parameters (and buffers) at the end, by name.
    """

    rates_used: Array
    loss: Array
    grad_norm: Array
    update_ratio: Array
    eval_steps: np.ndarray
    train_loss: Array
    validation_loss: Array
    train_metrics: dict[str, Array]
    validation_metrics: dict[str, Array]
    planned_steps: int
    divergence_threshold: float
    tensor_names: tuple[str, ...]
    provenance: dict[str, Any]
    parameters: dict[str, Tensor]

    @property
    def steps(self) -> int:
        """How many updates were made."""
        return self.loss.shape[-1]

    def first_bad_step(self) -> np.ndarray:
        """The step at which each run diverged, -1 if it did not."""
        losses = self.loss
        if len(self.eval_steps) and self.eval_steps[-1] == self.steps:  # what the last update led to
            losses = np.concatenate([losses, self.train_loss[..., -1:]], axis=-1)
        if not losses.shape[-1]:
            return np.full(losses.shape[:-1], -1)
        return first_divergence(losses, self.divergence_threshold)

    def cut_short(self) -> str:
        """What a ``repr`` says of a schedule that the run did not finish; empty if there is nothing to say."""
        note = self.provenance.get("unfinished")
        return f", {note}" if note else ""
