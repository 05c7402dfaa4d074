"""How much a sweep costs, as a multiple of one plain torch run of as many steps, measured side by side.

Run by ``make bench``. Each row interleaves its contestants over several rounds and prints medians; nothing is asserted.
Bars for compiled code: 2 for the MLP at batch 16 (K = 32), 0.5 for one run of the transformer, 0.25 for Rosenbrock, 6
for Muon (K = 32).
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from lrlib import surfaces, tasks, training, updates
from lrlib.models import initial_parameters

Rule = Callable[[], updates.UpdateRule]
Optimizer = Callable[..., Any]
Contestants = dict[str, Callable[[], object]]


def plain_run(task: tasks.Task, optimizer: Optimizer, *, steps: int, batch_size: int) -> Callable[[], None]:
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
    task: tasks.Task,
    rule: updates.UpdateRule,
    *,
    runs: int,
    steps: int,
    batch_size: int,
    engine: str = "torch",
    threads: int = 1,
) -> Callable[[], None]:
    """The same updates at ``runs`` rates at once, evaluations left out."""
    rates = np.geomspace(1e-3, 1e-1, runs)
    settings = {"rule": rule, "batch_size": batch_size, "engine": engine, "threads": threads, "device": "cpu"}

    def run() -> None:
        stack = training.start(task, learning_rates=rates, steps=steps + 1, **settings)
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


def muon() -> updates.UpdateRule:
    """Muon for the matrices, AdamW for the rest."""
    return updates.partition({updates.matrices: updates.muon()}, rest=updates.adamw())


class TorchMuon:
    """The same in torch: an optimizer for each kind of tensor."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        kinds: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
        for parameter in parameters:
            kinds[parameter.dim() == 2].append(parameter)
        self.optimizers = [torch.optim.Muon(kinds[True], lr=lr), torch.optim.AdamW(kinds[False], lr=lr)]

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()


ROWS = [
    ("digits MLP", tasks.digits_mlp, updates.sgd, torch.optim.SGD, 64, 32, 100),
    ("digits MLP", tasks.digits_mlp, updates.sgd, torch.optim.SGD, 16, 32, 100),
    ("digits MLP", tasks.digits_mlp, updates.adam, torch.optim.Adam, 64, 32, 100),
    ("digits MLP", tasks.digits_mlp, muon, TorchMuon, 64, 32, 50),
    ("digits CNN", tasks.digits_cnn, updates.sgd, torch.optim.SGD, 64, 32, 20),
    ("digits CNN", tasks.digits_cnn, updates.adam, torch.optim.Adam, 64, 32, 20),
    ("transformer", tasks.pydoc_transformer, updates.adam, torch.optim.Adam, 16, 16, 40),
]


def multiples() -> None:
    print("In multiples of one plain nn.Module + torch.optim run; K rates at once, by engine (and threads)")
    print(f"{'':26} {'torch':>7} {'compiled':>9} {'compiled':>9} {'compiled':>9}")
    print(f"{'task, rule, batch, K':26} {'K':>7} {'1':>9} {'K':>9} {'K, 2 thr.':>9} {'naive / torch':>14}")
    for name, make, rule, optimizer, batch, runs, steps in ROWS:
        task = make()
        run = plain_run(task, optimizer, steps=steps, batch_size=batch)

        def stack(runs: int, task: tasks.Task = task, rule: Rule = rule, **settings: Any) -> Callable[[], None]:
            return stack_run(task, rule(), runs=runs, **settings)

        size = {"steps": steps, "batch_size": batch}
        contestants = {
            "run": run,
            "torch": stack(runs, **size),
            "one": stack(1, engine="compiled", **size),
            "compiled": stack(runs, engine="compiled", **size),
            "threads": stack(runs, engine="compiled", threads=2, **size),
            "naive": lambda run=run, runs=runs: [run() for _ in range(runs)],
        }
        seconds = interleaved(contestants, rounds=3)
        torch_k, one, compiled, threads = (
            ratio(seconds, key, "run") for key in ("torch", "one", "compiled", "threads")
        )
        label = f"{name}, {rule.__name__}, {batch}, {runs}"
        naive = ratio(seconds, "naive", "torch")
        print(f"{label:26} {torch_k:7.1f} {one:9.2f} {compiled:9.1f} {threads:9.1f} {naive:14.1f}")


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

    def plain() -> None:
        point = torch.tensor(surface.start, requires_grad=True)
        rule = torch.optim.SGD([point], lr=1e-4)
        for _ in range(steps):
            rule.zero_grad()
            surface.function(point).backward()
            rule.step()

    rates = np.geomspace(1e-6, 1e-4, 1000)
    contestants: Contestants = {"run": plain} | {
        engine: lambda engine=engine: training.descend(surface, learning_rates=rates, steps=steps, engine=engine)
        for engine in ("torch", "compiled")
    }
    seconds = interleaved(contestants)
    torch_k, compiled = (ratio(seconds, engine, "run") for engine in ("torch", "compiled"))
    print(f"\nRosenbrock, 1,000 rates, points kept: torch {torch_k:.2f} ×, compiled {compiled:.2f} × one plain run")


def peak_memory() -> None:
    """Peak resident memory of processes of their own: torch and data alone, then 128 runs with Adam."""
    code = (
        "import resource\n"
        "from benchmarks.sweeps import *\n"
        "task = tasks.digits_mlp()\n"
        "if {runs}: stack_run(task, updates.adam(), runs={runs}, steps=30, batch_size=64)()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    used = {runs: int(subprocess.check_output([sys.executable, "-c", code.format(runs=runs)])) for runs in (0, 1, 128)}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    sizes = ", ".join(f"{runs} runs {kilobytes / unit:.0f} MB" for runs, kilobytes in used.items())
    print(f"peak memory, digits MLP, Adam: {sizes}\n")


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, medians of interleaved rounds\n")
    peak_memory()  # first: a child's peak counts its parent's size at birth
    multiples()
    stack_sizes()
    surface_runs()
