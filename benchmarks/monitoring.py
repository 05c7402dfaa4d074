"""What a watched update costs, as a share of the update itself: equal trainings, watched and not, turn by turn.

Run by ``make bench``. Ten updates of the one, ten of the other, a few hundred times, in CPU time; nothing is asserted.
The bar is 2 % at ``every=10``. What a watch adds hardly depends on how long an update takes, as long as the model is
small, so each row also tells what it adds, and from what length of an update on that is below the bar. Of large tensors
a part is measured: with 2.2 million weights that is below the bar, and whole copies were at 4.6 %.

The second table tells where it goes, for the shortest update. Torch charges next to nothing for having two hooks. What
costs is that between two calls of a watch a whole update has gone through the processor's caches: code and data of the
watch are fetched anew each time, and what they push out is missed by the update that follows. ``least`` is a watch that
does no more than any of the kind would have to: compare one rate with a list, detach the loss, and every ten updates
copy weights and gradient before the update and the weights after it, in one call each, and drop them. It takes no
norms, knows no second group and no failed update, and is above the bar by itself: on updates this short the bar is out
of reach of hooks in Python.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch._utils import _flatten_dense_tensors
from torch.optim.lr_scheduler import CosineAnnealingLR

from lrlib import schedules, tasks
from lrlib.diagnostics import Monitor
from lrlib.models import initial_parameters

EVERY, BAR, NEVER = 10, 0.02, 10**9
ROWS = [
    ("digits MLP", tasks.digits_mlp, torch.optim.SGD, 64, 400),
    ("digits MLP", tasks.digits_mlp, torch.optim.Adam, 64, 400),
    ("digits MLP, 512 wide", lambda: tasks.digits_mlp(hidden=(512, 512)), torch.optim.Adam, 64, 200),
    ("digits MLP, 3 × 1024 wide, 2.2 M", lambda: tasks.digits_mlp(hidden=(1024,) * 3), torch.optim.Adam, 64, 60),
    ("transformer", tasks.pydoc_transformer, torch.optim.Adam, 16, 60),
]
TURNS = 800  # of the table of parts

Tell = Callable[[torch.Tensor], object]


def monitor(model: Any, rule: torch.optim.Optimizer, plan: Any, *, every: int = EVERY, losses: bool = True) -> Tell:
    watch = Monitor(model, rule, planned=plan, every=every)
    return watch.loss if losses else quiet


def quiet(_: Any) -> None:
    pass


def empty_hooks(model: Any, rule: torch.optim.Optimizer, plan: Any) -> Tell:
    rule.register_step_pre_hook(lambda *_: None)
    rule.register_step_post_hook(lambda *_: None)
    return quiet


def least(model: Any, rule: torch.optim.Optimizer, plan: schedules.Schedule) -> Tell:
    """The least that a watch can do: see above."""
    planned = plan(np.arange(plan.total_steps)).tolist()
    weights = list(model.parameters())
    used: list[float] = []
    told: list[torch.Tensor] = []

    @torch.no_grad()
    def copied(gradients: list[Any]) -> None:
        _flatten_dense_tensors([*weights, *gradients])

    def before(*_: Any) -> None:
        number, rate = len(used), rule.param_groups[0]["lr"]
        if not abs(rate - planned[number]) <= 1e-6 * rate:
            raise RuntimeError("the rate is off its plan")
        if number % EVERY == 0:
            copied([weight.grad for weight in weights])

    def after(*_: Any) -> None:
        if len(used) % EVERY == 0:
            copied([])
        used.append(rule.param_groups[0]["lr"])

    rule.register_step_pre_hook(before)
    rule.register_step_post_hook(after)
    return lambda loss: told.append(loss.detach())


PARTS: dict[str, Callable[..., Tell]] = {
    "empty hooks": empty_hooks,
    "rates": lambda *of: monitor(*of, every=NEVER, losses=False),
    "rates, losses": lambda *of: monitor(*of, every=NEVER),
    "rates, sizes": lambda *of: monitor(*of, losses=False),
    "all": monitor,
    "all, without a plan": lambda model, rule, _: monitor(model, rule, None),
    "least": least,
}


def training(
    task: tasks.Task, optimizer: type[torch.optim.Optimizer], batch_size: int, steps: int, watch: Callable[..., Tell]
) -> Iterator[None]:
    """A loop with a scheduler, which comes back every so many updates."""
    x, y = (part.float() if part.is_floating_point() else part for part in task.train)
    model = initial_parameters(task.model, seed=0)
    rule = optimizer(model.parameters(), lr=0.001)
    scheduler = CosineAnnealingLR(rule, T_max=steps)
    tell = watch(model, rule, schedules.cosine(0.001, total_steps=steps))
    for number, rows in enumerate(tasks.batch_order(len(x), batch_size=batch_size, steps=steps, seed=0), 1):
        rule.zero_grad()
        loss = task.loss(model(x[rows]), y[rows])
        tell(loss)
        loss.backward()
        rule.step()
        scheduler.step()
        if number % EVERY == 0:
            yield


def timed(
    task: tasks.Task,
    optimizer: type[torch.optim.Optimizer],
    batch_size: int,
    turns: int,
    ways: Sequence[Callable[..., Tell]],
) -> list[list[float]]:
    """Seconds of every turn, first of the training that is not watched, then of each way to watch."""
    loops = [training(task, optimizer, batch_size, turns * EVERY, watch) for watch in (lambda *_: quiet, *ways)]
    seconds: list[list[float]] = [[] for _ in loops]
    for turn in range(turns):
        for place in range(len(loops)):
            which = (place * (1 if turn % 2 else -1) + turn) % len(loops)
            begin = time.process_time()
            next(loops[which])
            seconds[which].append(time.process_time() - begin)
    return seconds


def compared(watched: list[float], plain: list[float]) -> tuple[str, float]:
    """The share that is added, as text, and the microseconds an update."""
    ratios = [one / other for one, other in zip(watched, plain, strict=True)]
    low, middle, high = (100 * (ratio - 1) for ratio in statistics.quantiles(ratios, n=4))
    added = statistics.median(one - other for one, other in zip(watched, plain, strict=True)) / EVERY * 1e6
    return f"{middle:+5.1f} % ({low:+.1f} to {high:+.1f})", added


def main() -> None:
    torch.set_num_threads(1)
    print(f"a watched update, every={EVERY}, in CPU time (median and quartiles of ratios of neighbours)")
    for name, make, optimizer, batch_size, turns in ROWS:
        plain, watched = timed(make(), optimizer, batch_size, turns, [monitor])
        share, added = compared(watched, plain)
        label = f"{name}, {optimizer.__name__}, {batch_size}"
        length = statistics.median(plain) / EVERY * 1e6
        print(
            f"{label:32} {length:7.0f} µs, {share}; adds {added:3.0f} µs: the bar holds from {added / BAR:5.0f} µs on"
        )
    print("\nby parts, digits MLP, SGD")
    plain, *watched_ways = timed(tasks.digits_mlp(), torch.optim.SGD, 64, TURNS, list(PARTS.values()))
    for name, seconds in zip(PARTS, watched_ways, strict=True):
        share, added = compared(seconds, plain)
        print(f"{name:32} adds {added:5.1f} µs, {share}")
