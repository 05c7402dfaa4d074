"""Range tests: how well each rule's suggestion does, how well our interval covers, and what a test costs.

Truth is a full sweep: 26 rates from 1e-4 to 10, 500 updates at batch 32, five seeds of its own; the best rate is that
of the least validation loss (geometric mean over seeds), between grid points by a parabola. Each rule reads one range
test of 100 updates from 1e-7 to 10, for five seeds; ``suggest_rate`` reads 26 rates × 5 seeds × 100 updates, five times
with other seeds. The factors of its interval come from the 14 trainings ``TUNED`` and are scored on the 12 ``SCORED``.
"""

import math
import statistics
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmarks.finders_environment import Finders, Missing
from benchmarks.finders_environment.worker import HIGH, LOW, STEPS, measured, prepared
from benchmarks.range_tasks import SCORED, TUNED, Case
from lrlib.range_tests import RULES, range_test, range_tests, suggest_rate
from lrlib.range_tests.stacked import LOWER, MIDDLE, UPPER, lowest
from lrlib.training import sweep, typical_loss

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


def tune() -> None:
    """The factors of the interval: what more than 5 % of one more set of runs would lie beyond, on either side."""
    shifts = []
    for case in TUNED:
        best = truth(case).best
        for repeat in range(REPEATS):
            found = suggest_rate(case[1](), rule=case[2], steps=100, batch_size=BATCH, seeds=_seeds(repeat))
            if found.rate is not None:
                shifts.append(math.log10(best / found.rate) + MIDDLE)
    shifts.sort()
    k = math.ceil((len(shifts) + 1) * 0.95)
    ends = shifts[-k], statistics.median(shifts), shifts[k - 1]
    print(f"log10(best of {FULL} / best of 100) on {len(TUNED)} other trainings: ", end="")
    print("{:.2f}, {:.2f}, {:.2f}; ".format(*ends), end="")
    print(f"in use {LOWER}, {MIDDLE}, {UPPER}\n")


def _seeds(repeat: int) -> range:
    return range(5 * repeat, 5 * repeat + 5)


def scores() -> None:
    suggested: dict[str, list[tuple[Truth, float | None]]] = {name: [] for name in (*RULES, "suggest_rate")}
    covered, widths = [], []
    for case in SCORED:
        name, make, rule = case
        task, true = make(), truth(case)
        for test in range_tests(task, rule=rule, steps=100, batch_size=BATCH, seeds=range(REPEATS)):
            for rule_name, suggestion in test.suggestions.items():
                suggested[rule_name].append((true, suggestion.rate))
        inside = []
        for repeat in range(REPEATS):
            found = suggest_rate(task, rule=rule, steps=100, batch_size=BATCH, seeds=_seeds(repeat))
            suggested["suggest_rate"].append((true, found.rate))
            inside.append(found.low is not None and found.low <= true.best <= (found.high or 0.0))
            if found.low is not None and found.high is not None:
                widths.append(found.high / found.low)
        covered += inside
        print(f"{name:42} best {true.best:.2g}, suggested {found.rate or math.nan:.2g}, covered {sum(inside)} of 5")
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
