"""What training leaves behind: plain arrays, one row a run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrlib import _check

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, repr=False)
class _Records:
    """The arrays that a run and a sweep share; a sweep's have a leading axis that counts runs.

    Attributes:
        rates: (steps,) the learning rate that each update used: the ledger.
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

    rates: Array
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
    parameters: dict[str, Tensor] = field(compare=False)

    @property
    def steps(self) -> int:
        """How many updates were made."""
        return self.loss.shape[-1]

    def _first_bad_step(self) -> np.ndarray:
        limit = self.divergence_threshold * np.maximum(1.0, np.abs(self.loss[..., :1]))
        bad = ~np.isfinite(self.loss) | (self.loss > limit)
        return np.where(bad.any(-1), bad.argmax(-1), -1)


@dataclass(frozen=True, repr=False)
class Run(_Records):
    """One training run: ``learning_rate`` (the peak, if it was scheduled), ``seed``, and its records."""

    learning_rate: float
    seed: int

    @property
    def diverged_at(self) -> int | None:
        """The first step whose loss is not finite, or above ``divergence_threshold`` × max(1, the first loss)."""
        step = int(self._first_bad_step())
        return None if step < 0 else step

    @property
    def status(self) -> str:
        """``"finished"``, ``"diverged at step t"`` or ``"stopped after t of T steps"``."""
        if self.diverged_at is not None:
            return f"diverged at step {self.diverged_at}"
        if self.steps < self.planned_steps:
            return f"stopped after {self.steps} of {self.planned_steps} steps"
        return "finished"

    def __repr__(self) -> str:
        return f"Run(learning_rate={self.learning_rate:.4g}, seed={self.seed}, steps={self.steps}, {self.status})"


@dataclass(frozen=True, repr=False)
class Sweep(_Records):
    """Many runs of one task: every learning rate with every seed, rates varying fastest.

    ``sweep[k]`` is a :class:`Run`; all arrays but ``eval_steps`` have a leading axis that counts runs.
    """

    learning_rates: Array
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.learning_rates)

    def __iter__(self) -> Iterator[Run]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, k: int) -> Run:
        k = _check.integer("k", k, at_least=-len(self), at_most=len(self) - 1)
        return Run(
            **{name: _row(getattr(self, name), k) for name in _PER_RUN},
            **{name: getattr(self, name) for name in _SHARED},
            learning_rate=float(self.learning_rates[k]),
            seed=int(self.seeds[k]),
        )

    @property
    def diverged_at(self) -> np.ndarray:
        """(runs,) the first bad step of each run (see :attr:`Run.diverged_at`), -1 where there is none."""
        return self._first_bad_step()

    @property
    def diverged(self) -> np.ndarray:
        """(runs,) whether each run diverged."""
        return self.diverged_at >= 0

    @property
    def rate_axis(self) -> Array:
        """(rates,) the distinct learning rates, in the order that they were given."""
        return self.learning_rates[self.seeds == self.seeds[0]]

    def by_rate(self, values: np.ndarray) -> np.ndarray:
        """Values (runs, ...), one a run, as (rates, seeds, ...)."""
        rates = len(self.rate_axis)
        if len(values) != len(self):
            _check.fail("values", f"an array whose first axis counts the {len(self)} runs", np.shape(values))
        return np.moveaxis(np.reshape(values, (len(self) // rates, rates, *np.shape(values)[1:])), 0, 1)

    def final(self, measure: str = "train_loss") -> Array:
        """(rates, seeds) the last evaluated ``"train_loss"`` or ``"validation_loss"``, infinite where not finite."""
        _check.choice("measure", measure, ("train_loss", "validation_loss"))
        last = getattr(self, measure)[:, -1]
        return self.by_rate(np.where(np.isfinite(last), last, np.inf))

    def best_rate(self, measure: str = "train_loss") -> float:
        """The learning rate whose median over seeds of :meth:`final` is least."""
        return float(self.rate_axis[np.median(self.final(measure), axis=1).argmin()])

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file; :func:`load` reads it back."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for kind in ("train_metrics", "validation_metrics", "parameters"):
            arrays |= {f"{kind}:{name}": np.asarray(value) for name, value in getattr(self, kind).items()}
        header = {
            "planned_steps": self.planned_steps,
            "divergence_threshold": self.divergence_threshold,
            "tensor_names": self.tensor_names,
            "provenance": self.provenance,
        }
        with Path(path).open("wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)

    def __repr__(self) -> str:
        seeds = len(self) // len(self.rate_axis)
        return (
            f"Sweep({len(self.rate_axis)} rates from {self.rate_axis.min():.3g} to {self.rate_axis.max():.3g} × "
            f"{seeds} seeds, {self.steps} steps, {int(self.diverged.sum())} diverged)"
        )


_SHARED = ("eval_steps", "planned_steps", "divergence_threshold", "tensor_names", "provenance")
_PER_RUN = tuple(f.name for f in fields(_Records) if f.name not in _SHARED)
_KEPT_APART = {*_SHARED, "train_metrics", "validation_metrics", "parameters"}
_ARRAYS = ("eval_steps", *(f.name for f in fields(Sweep) if f.name not in _KEPT_APART))


def _row(value: Any, k: int) -> Any:
    return {name: _row(item, k) for name, item in value.items()} if isinstance(value, dict) else value[k]


def load(path: str | Path) -> Sweep:
    """Read what :meth:`Sweep.save` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a saved sweep.
    """
    with np.load(Path(path), allow_pickle=False) as file:
        if "header" not in file:
            _check.fail("path", "a file written by Sweep.save", str(path))
        header = json.loads(str(file["header"]))
        nested: dict[str, Any] = {"train_metrics": {}, "validation_metrics": {}, "parameters": {}}
        for key in file.files:
            kind, _, name = key.partition(":")
            if name:
                nested[kind][name] = torch.from_numpy(file[key]) if kind == "parameters" else file[key]
        header["tensor_names"] = tuple(header["tensor_names"])
        return Sweep(**{name: file[name] for name in _ARRAYS}, **nested, **header)


def concatenate(sweeps: list[Sweep]) -> Sweep:
    """Sweeps that differ in their runs alone, as one."""

    def join(parts: list[Any]) -> Any:
        if isinstance(parts[0], dict):
            return {name: join([part[name] for part in parts]) for name in parts[0]}
        return torch.cat(parts) if isinstance(parts[0], Tensor) else np.concatenate(parts)

    per_run = (*_PER_RUN, "learning_rates", "seeds")
    return Sweep(
        **{name: join([getattr(sweep, name) for sweep in sweeps]) for name in per_run},
        **{name: getattr(sweeps[0], name) for name in _SHARED},
    )
