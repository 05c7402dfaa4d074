"""What training leaves behind: plain arrays, one row a run."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from lrlib import _check
from lrlib.curves import Curve
from lrlib.training import storage
from lrlib.training.arrays import Records
from lrlib.training.grid import Grid, OwnBest

__all__ = ["OwnBest", "Run", "Sweep", "concatenate", "load"]


@dataclass(frozen=True, repr=False, eq=False)
class Run(Records):
    """One training run: ``learning_rate`` (the peak, if it was scheduled), ``seed``, and its records."""

    learning_rate: float
    seed: int

    @property
    def diverged_at(self) -> int | None:
        """The first step at which the run counts as diverged, None if it does not.

        A run has diverged once its loss is not finite or exceeds ``divergence_threshold`` times the size of its first
        loss; see :func:`~lrlib.curves.first_divergence`. Counted are the minibatch losses before each update and, as
        that of step ``steps``, the training loss after the last.
        """
        step = int(self.first_bad_step())
        return None if step < 0 else step

    @property
    def status(self) -> str:
        """``"finished"``, ``"diverged at step t"`` or ``"stopped after t of T steps"``."""
        if self.diverged_at is not None:
            return f"diverged at step {self.diverged_at}"
        if self.steps < self.planned_steps:
            return f"stopped after {self.steps} of {self.planned_steps} steps"
        return "finished"

    @property
    def curve(self) -> Curve:
        """What any run leaves behind, without its parameters, that is, losses, rates used, norms and metrics."""
        ratio = np.median(self.update_ratio, axis=-1) if self.update_ratio.shape[-1] else None
        return Curve(
            self.loss,
            validation_loss=self.validation_loss,
            validation_steps=self.eval_steps,
            rates=self.rates_used,
            gradient_norm=self.grad_norm,
            update_ratio=ratio,
            metrics={f"validation_{name}": values for name, values in self.validation_metrics.items()},
            source=f"{self.provenance.get('task', 'a run')}, seed {self.seed}",
        )

    def save(self, path: str | Path) -> None:
        """Write the run as a sweep of one: ``load(path)[0]`` reads it back."""
        as_one = {name: _row(getattr(self, name), None) for name in _PER_RUN}
        shared = {name: getattr(self, name) for name in _SHARED}
        rates, seeds = np.array([self.learning_rate]), np.array([self.seed])
        Sweep(**as_one, **shared, learning_rates=rates, seeds=seeds).save(path)

    def __repr__(self) -> str:
        what = f"learning_rate={self.learning_rate:.4g}, seed={self.seed}, steps={self.steps}"
        return f"Run({what}, {self.status}{self.cut_short()})"


@dataclass(frozen=True, repr=False, eq=False)
class Sweep(Grid):
    """Many runs of one task: every learning rate with every seed, rates varying fastest.

    ``sweep[k]`` is a :class:`Run`, ``sweep[2:5]`` a sweep of some of the runs; all arrays but ``eval_steps`` have a
    leading axis that counts runs.
    """

    def __iter__(self) -> Iterator[Run]:
        return (self[k] for k in range(len(self)))

    @overload
    def __getitem__(self, k: int) -> Run: ...
    @overload
    def __getitem__(self, k: slice) -> "Sweep": ...
    def __getitem__(self, k: int | slice) -> "Run | Sweep":
        shared = {name: getattr(self, name) for name in _SHARED}
        if isinstance(k, slice):
            if not range(len(self))[k]:
                _check.fail("k", f"a slice that takes some of the {len(self)} runs", k)
            return Sweep(**{name: _row(getattr(self, name), k) for name in _PER_SWEEP}, **shared)
        k = _check.integer("k", k, at_least=-len(self), at_most=len(self) - 1)
        return Run(
            **{name: _row(getattr(self, name), k) for name in _PER_RUN},
            **shared,
            learning_rate=float(self.learning_rates[k]),
            seed=int(self.seeds[k]),
        )

    def at(self, learning_rate: float, seed: int) -> Run:
        """The run at a rate (to nine digits) with a seed."""
        found = np.isclose(self.learning_rates, learning_rate, rtol=1e-9, atol=0)
        if not found.any():
            _check.fail("learning_rate", f"one of {np.unique(self.learning_rates).tolist()}", learning_rate)
        found &= self.seeds == seed
        if not found.any():
            _check.fail("seed", f"one of {np.unique(self.seeds).tolist()}", seed)
        return self[int(found.argmax())]

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file, whole or not at all; :func:`load` reads it back."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for kind in _NESTED:
            arrays |= {f"{kind}:{name}": np.asarray(value) for name, value in getattr(self, kind).items()}
        storage.write(path, arrays, {name: getattr(self, name) for name in _HEADER})

    def __repr__(self) -> str:
        rates = self.rate_axis
        runs = f"{len(rates)} rates from {rates.min():.3g} to {rates.max():.3g} × {len(self) // len(rates)} seeds"
        runs = runs if self.is_grid() else f"{len(self)} runs"
        return f"Sweep({runs}, {self.steps} steps, {int(self.diverged.sum())} diverged{self.cut_short()})"


_SHARED = ("eval_steps", "planned_steps", "divergence_threshold", "tensor_names", "provenance")
_PER_RUN = tuple(f.name for f in fields(Records) if f.name not in _SHARED)
_PER_SWEEP = (*_PER_RUN, "learning_rates", "seeds")
_NESTED = ("train_metrics", "validation_metrics", "parameters")
_HEADER = tuple(name for name in _SHARED if name != "eval_steps")
_ARRAYS = ("eval_steps", *(name for name in _PER_SWEEP if name not in _NESTED))


def _row(value: Any, k: int | slice | None) -> Any:
    return {name: _row(item, k) for name, item in value.items()} if isinstance(value, dict) else value[k]


def load(path: str | Path) -> Sweep:
    """Read what :meth:`Sweep.save` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no saved sweep, is not whole, or is of a newer format.
    """
    arrays, header = storage.read(path)
    if missing := sorted({*_ARRAYS} - arrays.keys()) + sorted({*_HEADER} - header.keys()):
        _check.fail("path", f"a file written by Sweep.save, with {', '.join(missing)}", str(path))
    nested: dict[str, Any] = {kind: {} for kind in _NESTED}
    for key, value in arrays.items():
        kind, _, name = key.partition(":")
        if name and kind in nested:
            nested[kind][name] = torch.from_numpy(value) if kind == "parameters" else value
    header["tensor_names"] = tuple(header["tensor_names"])
    values: dict[str, Any] = {name: arrays[name] for name in _ARRAYS} | {name: header[name] for name in _HEADER}
    return Sweep(**values, **nested)


def concatenate(sweeps: list[Sweep]) -> Sweep:
    """Sweeps that differ in their runs alone, as one."""

    def join(parts: list[Any]) -> Any:
        if isinstance(parts[0], dict):
            return {name: join([part[name] for part in parts]) for name in parts[0]}
        return torch.cat(parts) if isinstance(parts[0], Tensor) else np.concatenate(parts)

    return Sweep(
        **{name: join([getattr(sweep, name) for sweep in sweeps]) for name in _PER_SWEEP},
        **{name: getattr(sweeps[0], name) for name in _SHARED},
    )
