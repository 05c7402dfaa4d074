"""How much a sweep costs, as a multiple of one plain torch run of as many steps, measured side by side.

Run by ``make bench``. Each row interleaves its contestants over several rounds and prints medians; nothing is asserted.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from lrlib import surfaces, tasks, training, updates
from lrlib.models import initial_parameters

Contestants = dict[str, Callable[[], object]]


def plain_run(
    task: tasks.Task, optimizer: type[torch.optim.Optimizer], *, steps: int, batch_size: int
) -> Callable[[], None]:
    """The loop that everybody writes: ``nn.Module``, ``torch.optim``, ``loss.backward()``."""
    x, y = (part.float() if part.is_floating_point() else part for part in task.train)
    order = tasks.batch_order(len(x), batch_size=batch_size, steps=steps, seed=0)

    def run() -> None:
        model = initial_parameters(task.model, seed=0)
        rule = optimizer(model.parameters(), lr=0.01)
        for rows in order:
            rule.zero_grad()
            loss = task.loss(model(x[rows]), y[rows])
            loss.backward()
            rule.step()

    return run


def stack_run(
    task: tasks.Task, rule: updates.UpdateRule, *, runs: int, steps: int, batch_size: int
) -> Callable[[], None]:
    """The same updates at ``runs`` rates at once, evaluations left out."""
    rates = np.geomspace(1e-3, 1e-1, runs)

    def run() -> None:
        stack = training.start(
            task, learning_rates=rates, rule=rule, steps=steps + 1, batch_size=batch_size, device="cpu"
        )
        stack.advance(steps)

    return run


def interleaved(contestants: Contestants, *, rounds: int = 5) -> dict[str, list[float]]:
    """Seconds of every contestant in every round, the order turned around each time, after one warm-up."""
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(rounds):
        for name in list(contestants)[:: 1 if round_ % 2 else -1]:
            begin = time.perf_counter()
            contestants[name]()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, of: str) -> float:
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[of], strict=True))


ROWS = [
    ("digits MLP", tasks.digits_mlp, updates.sgd, torch.optim.SGD, 64, 32, 100),
    ("digits MLP", tasks.digits_mlp, updates.sgd, torch.optim.SGD, 16, 32, 100),
    ("digits MLP", tasks.digits_mlp, updates.adam, torch.optim.Adam, 64, 32, 100),
    ("digits CNN", tasks.digits_cnn, updates.sgd, torch.optim.SGD, 64, 32, 20),
    ("digits CNN", tasks.digits_cnn, updates.adam, torch.optim.Adam, 64, 32, 20),
    ("transformer", tasks.pydoc_transformer, updates.adam, torch.optim.Adam, 16, 16, 6),
]


def multiples() -> None:
    print(
        f"{'task':12} {'rule':5} {'batch':>5} {'rates':>5} {'sweep / run':>12} {'naive / sweep':>14} {'µs a step':>13}"
    )
    for name, make, rule, optimizer, batch, runs, steps in ROWS:
        task = make()
        run = plain_run(task, optimizer, steps=steps, batch_size=batch)
        naive = lambda run=run, runs=runs: [run() for _ in range(runs)]  # noqa: E731
        stack = stack_run(task, rule(), runs=runs, steps=steps, batch_size=batch)
        seconds = interleaved({"run": run, "stack": stack, "naive": naive}, rounds=3)
        micro = statistics.median(seconds["stack"]) / steps / runs * 1e6
        row = (ratio(seconds, "stack", "run"), ratio(seconds, "naive", "stack"), micro)
        print(f"{name:12} {rule.__name__:5} {batch:5} {runs:5} {row[0]:12.1f} {row[1]:14.1f} {row[2]:13.0f}")


def stack_sizes() -> None:
    print("\ndigits MLP, sgd, batch 64, as multiples of one plain run")
    task, steps = tasks.digits_mlp(), 60
    for runs in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        run = plain_run(task, torch.optim.SGD, steps=steps, batch_size=64)
        stack = stack_run(task, updates.sgd(), runs=runs, steps=steps, batch_size=64)
        seconds = interleaved({"run": run, "stack": stack}, rounds=3)
        total = ratio(seconds, "stack", "run")
        rate = runs * steps / statistics.median(seconds["stack"])
        print(f"{runs:4} rates: {total:6.1f} ×, {total / runs:5.2f} × a rate, {rate:8.0f} steps a second")


def surface_runs() -> None:
    surface, steps = surfaces.rosenbrock(), 200
    task = tasks.surface_task(surface)

    def plain() -> None:
        point = torch.tensor(surface.start, requires_grad=True)
        rule = torch.optim.SGD([point], lr=1e-4)
        for _ in range(steps):
            rule.zero_grad()
            surface.function(point).backward()
            rule.step()

    stack = stack_run(task, updates.sgd(), runs=1000, steps=steps, batch_size=1)
    seconds = interleaved({"run": plain, "stack": stack})
    print(f"\nRosenbrock, 1,000 rates: {ratio(seconds, 'stack', 'run'):.2f} × one plain run")


def peak_memory() -> None:
    """Peak resident memory of 128 runs with Adam, beyond that of importing torch, in processes of their own."""
    code = (
        "import resource; from benchmarks.sweeps import *\n"
        "stack_run(tasks.digits_mlp(), updates.adam(), runs={runs}, steps=30, batch_size=64)()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    used = [int(subprocess.check_output([sys.executable, "-c", code.format(runs=runs)])) for runs in (1, 128)]
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(f"\ndigits MLP, Adam: 128 runs take {(used[1] - used[0]) / unit:.0f} MB more than one run at the peak")


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, medians of interleaved rounds\n")
    multiples()
    stack_sizes()
    surface_runs()
    peak_memory()
