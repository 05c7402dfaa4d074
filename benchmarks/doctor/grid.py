"""The grid of runs: each rule with eight shapes of the rate, nine rates and four seeds, on every task."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.doctor.tasks import DEVELOPMENT, HELD_OUT, Setting
from lrlib import schedules as s
from lrlib.training import sweep
from lrlib.updates import adamw, heavy_ball, sgd

CACHE = Path(os.environ.get("DOCTOR_CACHE", Path(__file__).parents[2] / "_build" / "doctor"))
RATES, FACTOR, SEEDS, T, EVERY = 9, 3.0, (0, 1, 2, 3), 200, 10
COUGH = T // 20
RULES = {
    "sgd": (sgd(), sgd(weight_decay=1e-2)),
    "momentum": (heavy_ball(), sgd(momentum=0.9, weight_decay=1e-2)),
    "adam": (adamw(weight_decay=0.0), adamw(weight_decay=0.3)),
}  # without and with weight decay
SHAPES = {
    "constant": s.constant(1.0),
    "linear": s.linear(1.0, total_steps=T),
    "hold": s.warmup_stable_decay(1.0, total_steps=T, warmup_steps=0, decay_steps=T * 3 // 10),
    "spent": s.join([s.cosine(1.0, total_steps=T * 2 // 5), s.constant(1e-4)], boundaries=[T * 2 // 5]),
    "early": s.multistep(1.0, milestones=[T // 5], gamma=0.05),
}
WARM = {f"warm {name}": s.with_warmup(SHAPES[name], warmup_steps=T // 10) for name in ("constant", "linear", "hold")}
ALL = SHAPES | WARM


@dataclass(frozen=True)
class Grid:
    """What one rule gave on one task; arrays are (shapes, rates, seeds, ...), those with decay only the plain shapes.

    ``cough`` is the validation loss after ``COUGH`` more steps at three times the peak; ``plain`` the final one without
    weight decay, ``decayed`` the one with it.
    """

    task: str
    rule: str
    rates: np.ndarray
    loss: np.ndarray
    validation: np.ndarray
    used: np.ndarray
    cough: np.ndarray
    decayed: np.ndarray


def path_of(setting: Setting, rule: str) -> Path:
    return CACHE / f"{setting.name}-{rule}.npz".replace(" ", "_")


def rates_of(setting: Setting, rule: str) -> np.ndarray:
    return setting.top[rule] / FACTOR ** np.arange(RATES - 1, -1, -1)


def run_grid(setting: Setting, rule: str) -> None:
    task, rates = setting.make(), rates_of(setting, rule)
    plain, decaying = RULES[rule]
    common = {"seeds": SEEDS, "batch_size": setting.batch_size, "eval_every": EVERY, "eval_examples": 400}
    shape = (RATES, len(SEEDS))
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("loss", "validation", "used", "cough", "decayed")}
    for name, schedule in ALL.items():
        longer = s.join([s.scale(schedule, 1 / FACTOR), s.constant(1.0)], boundaries=[T])
        found = sweep(
            task,
            learning_rates=FACTOR * rates,
            schedule=longer,
            rule=plain,
            steps=T + COUGH,
            unfinished="ok",
            **common,
        )
        last = T // EVERY
        parts["loss"].append(found.loss[:, :T])
        parts["validation"].append(found.validation_loss[:, : last + 1])
        parts["used"].append(found.rates_used[:, :T])
        parts["cough"].append(found.validation_loss[:, last + 1])
        if name in SHAPES:
            found = sweep(
                task,
                learning_rates=rates,
                schedule=schedule,
                rule=decaying,
                steps=T,
                unfinished="ok",
                **{**common, "eval_every": None},
            )
            parts["decayed"].append(found.validation_loss[:, -1])
    # rates vary fastest in a sweep
    arrays = {
        k: np.stack([np.moveaxis(a.reshape(shape[::-1] + a.shape[1:]), 0, 1) for a in v]).astype(np.float32)
        for k, v in parts.items()
    }
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(path_of(setting, rule), rates=rates, **arrays)


def load_grid(setting: Setting, rule: str) -> Grid:
    with np.load(path_of(setting, rule)) as held:
        return Grid(task=setting.name, rule=rule, **{name: held[name] for name in held.files if name != "ratio"})


def main(which: str) -> None:
    for setting in {"development": DEVELOPMENT, "held-out": HELD_OUT}[which]:
        for rule in setting.top:
            if not path_of(setting, rule).exists():
                before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
                run_grid(setting, rule)
                grid = load_grid(setting, rule)
                final = np.nanmean(grid.validation[..., -1], axis=-1)[:2]
                spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
                print(f"{setting.name}, {rule}: {spent:.0f} s CPU\n{np.array2string(final, precision=3)}", flush=True)
