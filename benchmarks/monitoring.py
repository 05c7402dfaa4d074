"""What a watched update costs, as a share of the update itself: two equal trainings, one of them watched, turn by turn.

Run by ``make bench``. Ten updates of the one, ten of the other, a few hundred times, in CPU time; nothing is asserted.
The bar is 2 % at ``every=10``. What a watch adds hardly depends on how long an update takes, as long as the model is
small, so each row also tells what it adds, and from what length of an update on that is below the bar.
"""

import statistics
import time
from collections.abc import Iterator

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from lrlib import schedules, tasks
from lrlib.diagnostics import Monitor
from lrlib.models import initial_parameters

EVERY, BAR = 10, 0.02
ROWS = [
    ("digits MLP", tasks.digits_mlp, torch.optim.SGD, 64, 400),
    ("digits MLP", tasks.digits_mlp, torch.optim.Adam, 64, 400),
    ("digits MLP, 512 wide", lambda: tasks.digits_mlp(hidden=(512, 512)), torch.optim.Adam, 64, 200),
    ("transformer", tasks.pydoc_transformer, torch.optim.Adam, 16, 60),
]


def training(
    task: tasks.Task, optimizer: type[torch.optim.Optimizer], batch_size: int, steps: int, *, watched: bool
) -> Iterator[None]:
    """A loop with a scheduler that reads its loss every so many updates, as a loop that logs does."""
    x, y = (part.float() if part.is_floating_point() else part for part in task.train)
    model = initial_parameters(task.model, seed=0)
    rule = optimizer(model.parameters(), lr=0.001)
    scheduler = CosineAnnealingLR(rule, T_max=steps)
    plan = schedules.cosine(0.001, total_steps=steps)
    watch = Monitor(model, rule, planned=plan, every=EVERY) if watched else None
    for number, rows in enumerate(tasks.batch_order(len(x), batch_size=batch_size, steps=steps, seed=0), 1):
        rule.zero_grad()
        loss = task.loss(model(x[rows]), y[rows])
        if watch is not None:
            watch.loss(loss)
        loss.backward()
        rule.step()
        scheduler.step()
        if number % EVERY == 0:
            yield
    if watch is not None:
        watch.close()


def main() -> None:
    torch.set_num_threads(1)
    print(f"a watched update, every={EVERY}, in CPU time (median and quartiles of ratios of neighbours)")
    for name, make, optimizer, batch_size, turns in ROWS:
        task, steps = make(), turns * EVERY
        loops = [training(task, optimizer, batch_size, steps, watched=watched) for watched in (False, True)]
        seconds: list[list[float]] = [[], []]
        for turn in range(turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                begin = time.process_time()
                next(loops[which])
                seconds[which].append(time.process_time() - begin)
        ratios = [watched / plain for plain, watched in zip(*seconds, strict=True)]
        low, middle, high = (100 * (ratio - 1) for ratio in statistics.quantiles(ratios, n=4))
        plain = statistics.median(seconds[0]) / EVERY * 1e6
        added = statistics.median(b - a for a, b in zip(*seconds, strict=True)) / EVERY * 1e6
        label = f"{name}, {optimizer.__name__}, {batch_size}"
        share = f"{middle:+5.1f} % ({low:+.1f} to {high:+.1f})"
        print(f"{label:32} {plain:7.0f} µs, {share}; adds {added:3.0f} µs: the bar holds from {added / BAR:5.0f} µs on")
