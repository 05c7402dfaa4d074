"""Which column of a log is what, by its name and by what it holds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrlib.curves.log_files import refuse

Array = np.ndarray[Any, np.dtype[Any]]

_HELD_OUT = {"val", "valid", "validation", "eval", "test", "dev", "holdout", "heldout"}
_LOSS = {"loss", "losses", "cost", "nll", "xent", "crossentropy", "mse"}
_PLAIN = {
    "train",
    "training",
    "step",
    "epoch",
    "batch",
    "total",
    "entropy",
    "cross",
    "avg",
    "mean",
    "running",
    "trainer",
}
_PARTS = {"box", "cls", "obj", "dfl", "seg", "pose", "kobj", "giou", "l1", "sem"}  # of a detector's loss, weighted
_AXES = (
    ("step", ("step", "global_step", "_step", "trainer/global_step", "iteration", "iter", "iterations", "num_updates")),
    ("epoch", ("epoch", "epochs", "train/epoch")),
)


def words(name: str) -> list[str]:
    """The words of a column's name: ``valLoss`` and ``val/loss`` are both ``val loss``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def held_out(name: str) -> bool:
    return bool(_HELD_OUT & set(words(name)))


def is_rate(name: str) -> bool:
    said = words(name)
    return (
        any(re.fullmatch(r"lrs?\d*", word) for word in said)
        or "learning rate" in " ".join(said)
        or "learningrate" in said
        or said == ["rate"]  # as diagnostics.Monitor writes it
    )


def is_gradient_norm(name: str) -> bool:
    said = set(words(name))
    return bool(said & {"grad", "gradient", "gradnorm", "gnorm"}) and bool(said & {"norm", "gradnorm", "gnorm"})


def is_update_ratio(name: str) -> bool:
    return words(name) in (["update", "ratio"], ["update", "to", "weight", "ratio"])


def is_accuracy(name: str) -> bool:
    return bool({"acc", "accuracy", "top1", "acc1"} & set(words(name)))


def named(path: Path, argument: str, name: str, columns: Mapping[str, Array]) -> str:
    """The column that the user named."""
    if name not in columns:
        refuse(path, f"has no column {name!r} of numbers, which {argument} names; it has {listed(columns)}")
    return name


def losses(columns: Mapping[str, Array], counts: Mapping[str, int], *, of_validation: bool) -> tuple[list[str], str]:
    """The columns whose sum is the loss (none if there is no such column), and why these."""
    kind = "validation loss" if of_validation else "training loss"
    found = [n for n in columns if _LOSS & set(words(n)) and held_out(n) == of_validation and not is_rate(n)]
    plain = [n for n in found if not set(words(n)) - _LOSS - _PLAIN - _HELD_OUT]
    if plain:
        best = max(plain, key=lambda n: (counts[n], -plain.index(n)))
        others = [n for n in plain if n != best]
        why = f", which has most values of {listed(plain)}" if others else ", by its name"
        return [best], f"The {kind} is {best!r}{why}."
    parts = [n for n in found if _PARTS & set(words(n))]
    if len(parts) > 1:
        return parts, f"There is no total {kind}: the sum of {listed(parts)} was taken."
    if found:
        rest = f", the first of {listed(found)}" if len(found) > 1 else ", the only one with a loss in its name"
        return found[:1], f"The {kind} is {found[0]!r}{rest}."
    return [], ""


def axis(columns: Mapping[str, Array], needed: Array) -> tuple[str, str]:
    """The column that counts steps, else epochs, and the unit; empty if none tells the ``needed`` rows apart."""
    lower = {name.lower().replace(" ", "_"): name for name in columns}
    for unit, names in _AXES:
        for name in (lower[n] for n in names if n in lower):
            values = columns[name][needed]
            values = values[np.isfinite(values)]
            if 2 * len(np.unique(values)) > len(values) > 0.9 * needed.sum():
                return name, unit
    return "", "step"


def rate_column(columns: Mapping[str, Array], counts: Mapping[str, int]) -> tuple[str, str]:
    """The rate: of several, the one nearest to what most of them say (others warm up, or decay, by their own)."""
    found = [name for name in columns if is_rate(name)]
    if not found:
        return "", ""
    if len(found) == 1:
        return found[0], f"The rate is {found[0]!r}, by its name."
    with np.errstate(invalid="ignore"):
        table = np.stack([columns[name] for name in found])
        table = table[:, np.isfinite(table).all(axis=0)]
        apart = np.abs(table - np.sort(table, axis=0)[(len(found) - 1) // 2]).sum(axis=1) if table.size else None
    best = max(found, key=lambda n: counts[n]) if apart is None else found[int(apart.argmin())]
    return best, f"There are {len(found)} rates, {listed(found)}: {best!r} was taken, as nearest to their median."


def wandb_names(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Names without the run that wandb's export puts before them, of the first run; and what was guessed."""
    kept = [name for name in names if not name.endswith(("__MIN", "__MAX"))]
    runs = list(dict.fromkeys(name.split(" - ", 1)[0] for name in kept if " - " in name))
    if len(kept) == len(names) or not runs:
        return {name: name for name in names}, []
    first = {name: name.removeprefix(f"{runs[0]} - ") for name in kept if " - " not in name or name.startswith(runs[0])}
    notes = [f"It looks like an export of wandb; of its {len(runs)} runs {runs[0]!r} was taken."] if runs[1:] else []
    return first, notes


def listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:30]) + (f" and {len(shown) - 30} more" if len(shown) > 30 else "")
