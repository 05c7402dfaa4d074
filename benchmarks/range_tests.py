"""Range tests: how well each rule's suggestion does, how well our interval covers, and what a test costs.

Truth is a full sweep: 26 rates from 1e-4 to 10, 500 updates at batch 32, five seeds of its own; the best rate is that
of the least validation loss (geometric mean over seeds), between grid points by a parabola. Each rule reads one range
test of 100 updates from 1e-7 to 10, for five seeds; ``suggest_rate`` reads 26 rates × 5 seeds × 100 updates, five times
with other seeds. The factors of its interval come from the 14 trainings ``TUNED`` and are scored on the 12 ``SCORED``.
What was found of each training is kept in ``range_scores.json``, which is committed, and the tables are printed from
it; it grows training by training, and a run that was stopped goes on there. Without that file all is found anew, which
takes hours.
"""

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.finders_environment import Finders, Missing
from benchmarks.finders_environment.worker import HIGH, LOW, STEPS, measured, prepared
from benchmarks.range_tasks import SCORED, TUNED, Case
from lrlib.range_tests import RULES, range_test, range_tests, suggest_rate
from lrlib.range_tests.stacked import LOWER, MIDDLE, UPPER, lowest
from lrlib.training import sweep, typical_loss

RECORD = Path(__file__).with_name("range_scores.json")
RATES = np.geomspace(1e-4, 10, 26)
FULL, BATCH, REPEATS, ROUNDS = 500, 32, 5, 7


@dataclass(frozen=True)
class Truth:
    """``best`` rate of a full sweep, and its ``losses`` (rates,)."""

    best: float
    losses: np.ndarray

    def excess(self, rate: float) -> float:
        """The loss at ``rate`` over the best one; infinite where a neighbouring rate diverges."""
        clipped = float(np.clip(rate, RATES[0], RATES[-1]))
        return float(
            np.exp(np.interp(math.log(clipped), np.log(RATES), np.log(self.losses)) - np.log(self.losses.min()))
        )


def truth(case: Case) -> Truth:
    _, make, rule = case
    seeds = range(100, 105)
    full = sweep(make(), rule=rule, learning_rates=RATES, seeds=seeds, steps=FULL, batch_size=BATCH)
    losses = typical_loss(np.where(full.by_rate(full.diverged), np.inf, full.final("validation_loss")))
    best, why = lowest(RATES, losses)
    if best is None:
        raise RuntimeError(f"{case[0]}: {why}")
    return Truth(best, losses)


def found(case: Case) -> dict[str, Any]:
    """What a full sweep, ``suggest_rate`` and, of the cases that are scored, every rule say of a training."""
    _, make, rule = case
    task, true = make(), truth(case)
    settings: dict[str, Any] = {"rule": rule, "steps": 100, "batch_size": BATCH}
    ours = [suggest_rate(task, seeds=range(5 * k, 5 * k + 5), **settings) for k in range(REPEATS)]
    entry: dict[str, Any] = {"best": true.best, "losses": [x if math.isfinite(x) else None for x in true.losses]}
    entry["intervals"] = [(one.low, one.rate, one.high) for one in ours]
    if case in SCORED:
        tests = range_tests(task, seeds=range(REPEATS), **settings)
        entry["rules"] = {name: [test.suggestions[name].rate for test in tests] for name in RULES}
    return entry


def recorded(cases: list[Case]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each training's entry, from ``RECORD`` if it is there, else found now and written to it."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for case in cases:
        if case[0] not in record:
            record[case[0]] = found(case)
            new = RECORD.with_suffix(".new")
            new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            new.replace(RECORD)
        yield case[0], record[case[0]]


def ends() -> tuple[float, float, float]:
    """Lower end, middle and upper end of the interval, as shifts of log10 from the best rate of 100 updates.

    The ends: what more than 5 % of one more set of runs would lie beyond, on either side.
    """
    shifts = []
    for _, entry in recorded(TUNED):
        rates = [rate for _, rate, _ in entry["intervals"] if rate is not None]
        shifts += [math.log10(entry["best"] / rate) + MIDDLE for rate in rates]
    shifts.sort()
    k = math.ceil((len(shifts) + 1) * 0.95)
    return shifts[-k], statistics.median(shifts), shifts[k - 1]


def tune() -> None:
    print(f"log10(best of {FULL} / best of 100) on {len(TUNED)} other trainings: ", end="")
    print("{:.2f}, {:.2f}, {:.2f}; ".format(*ends()), end="")
    print(f"in use {LOWER}, {MIDDLE}, {UPPER}\n")


def scores() -> None:
    suggested: dict[str, list[tuple[Truth, float | None]]] = {name: [] for name in (*RULES, "suggest_rate")}
    covered, widths = [], []
    for name, entry in recorded(SCORED):
        true = Truth(entry["best"], np.array([math.inf if x is None else x for x in entry["losses"]]))
        for rule, rates in entry["rules"].items():
            suggested[rule] += [(true, rate) for rate in rates]
        inside = []
        for low, rate, high in entry["intervals"]:
            suggested["suggest_rate"].append((true, rate))
            inside.append(low is not None and low <= true.best <= (high or 0.0))
            if low is not None and high is not None:
                widths.append(high / low)
        covered += inside
        rates = ", ".join("none" if rate is None else f"{rate:.2g}" for _, rate, _ in entry["intervals"])
        print(f"{name:42} best {true.best:.2g}, suggested {rates}; covered {sum(inside)} of {REPEATS}")
    print(f"\n{'rule':16} {'none':>5} {'within 3':>9} {'rate / best':>12} {'loss / best':>12} {'above 1.5':>10}")
    for name, pairs in suggested.items():
        given = [(true, rate) for true, rate in pairs if rate is not None]
        near = sum(1 / 3 <= rate / true.best <= 3 for true, rate in given) / len(pairs)
        excess = [true.excess(rate) for true, rate in given]
        off = math.exp(statistics.median(math.log(rate / true.best) for true, rate in given)) if given else math.nan
        middle = statistics.median(excess) if excess else math.nan
        bad = sum(value > 1.5 for value in excess) / max(1, len(excess))
        print(f"{name:16} {len(pairs) - len(given):5} {near:9.0%} {off:12.2g} {middle:12.2f} {bad:10.0%}")
    share = sum(covered) / len(covered)
    print(f"\n90 % interval covers the best rate in {share:.0%} of {len(covered)}; it spans a factor {widths[0]:.0f}\n")


def ours(*, plain: bool) -> dict[str, object]:
    model, optimizer, loader = prepared(plain)

    def loss(model: nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    return measured(
        lambda: len(range_test(model, optimizer, loader, loss, low=LOW, high=HIGH, steps=STEPS).losses),
        model,
        optimizer,
    )


def speed() -> None:
    """All on the same model and loader, in turn; the processor's time, the best round of each."""
    names = ("torch-lr-finder", "Lightning", "fastai")
    try:
        with Finders() as others:
            seconds: dict[str, list[float]] = {}
            for round_ in range(ROUNDS):
                answers = {"lrlib": ours(plain=True)} | {name: others.run(f"{name} plain") for name in names}
                if round_:  # the first warms up
                    for name, answer in answers.items():
                        seconds.setdefault(name, []).append(float(answer["seconds"]))  # type: ignore[arg-type]
            changed = {"lrlib": ours(plain=False)["changed"]}
            changed |= {name: others.run(f"{name} full")["changed"] for name in names}
    except Missing as missing:
        print(f"other range tests are left out: {missing}")
        return
    print(
        f"digits MLP, batch 64, {STEPS} updates, one thread"
        + " " * 10
        + "left changed, with batch normalization and momentum"
    )
    best = {name: min(values) for name, values in seconds.items()}
    for name, value in best.items():
        left = ", ".join(changed[name]) or "nothing"  # type: ignore[arg-type]
        print(f"{name:16} {1e3 * value:6.0f} ms {value / best['lrlib']:6.2f} × ours    {left}")


def main() -> None:
    torch.set_num_threads(1)
    speed()
    tune()
    scores()
