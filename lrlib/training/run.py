"""The three ways to train: one run, a sweep over rates and seeds, and a stack that the caller advances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from lrlib import _check
from lrlib.models import initial_parameters, is_chain
from lrlib.schedules import PlateauRule, Schedule, scale
from lrlib.streams import SEEDS
from lrlib.tasks import Task
from lrlib.training.compiled import Compilation, CompiledStack, compilation, obstacle
from lrlib.training.device import find_device
from lrlib.training.records import Run, Sweep, concatenate
from lrlib.training.stack import Plan, Stack
from lrlib.updates import UpdateRule, sgd

COMPILE_FROM = 2000  # updates in all from which compiling pays for itself
FULL_STACK = 8  # from so many rates on, a stack of one seed keeps the processor busy and shares its minibatches


def train(task: Task, *, learning_rate: float | Schedule, seed: int = 0, **settings: Any) -> Run:
    """Train once, at a constant ``learning_rate`` or along a :class:`~lrlib.schedules.Schedule`.

    ``settings`` are those of :func:`sweep`: ``rule``, ``steps``, ``batch_size``, ``dtype``, ``device``, …

    >>> from lrlib.tasks import digits_mlp
    >>> run = train(digits_mlp(), learning_rate=0.1, steps=20)
    >>> run.status, bool(run.loss[-1] < run.loss[0])
    ('finished', True)
    """
    if not isinstance(learning_rate, Schedule):
        rate = _check.real("learning_rate", learning_rate, above=0)
        return sweep(task, learning_rates=[rate], seeds=[seed], **settings)[0]
    if settings.get("schedule") is not None:
        _check.fail("schedule", "None where learning_rate is a schedule already", settings["schedule"])
    steps = _check.integer("steps", settings.get("steps"), at_least=1)
    _check_horizon("learning_rate", learning_rate, steps)
    peak = float(learning_rate(np.arange(steps)).max())
    if peak == 0:
        _check.fail("learning_rate", f"a schedule that is above 0 somewhere in its first {steps} steps", learning_rate)
    settings["schedule"] = scale(learning_rate, 1 / peak)
    return sweep(task, learning_rates=[peak], seeds=[seed], **settings)[0]


def sweep(
    task: Task,
    *,
    learning_rates: Sequence[float] | np.ndarray,
    seeds: Sequence[int] = (0,),
    progress: bool = False,
    **settings: Any,
) -> Sweep:
    """Train at every learning rate with every seed, many runs at once.

    All runs of one seed start from the same weights and see the same minibatches; a run's numbers do not depend on the
    others, so a run that diverges is a record like any other. The same call gives the same bits on the same machine.

    Args:
        task: what to train.
        learning_rates: the rates, each above 0; with a ``schedule``, its peak (what it is multiplied by).
        seeds: one or more; a seed alone decides initial weights, minibatches, augmentation and dropout.
        rule: an update rule of :mod:`lrlib.updates`; plain gradient descent if none is given.
        schedule: the shape of the rate, as a schedule of base 1; its horizon must cover ``steps``.
        feedback: a rule that lowers the rate by the validation loss, such as
            :func:`~lrlib.schedules.reduce_on_plateau`, asked at every evaluation; needs ``eval_every``.
        steps: how many updates to make.
        batch_size: examples a minibatch; ``None`` takes all (full batch).
        dtype: ``torch.float32`` or ``torch.float64``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        eval_every: evaluate on training and validation examples before the first update, then each so many updates;
            ``None``: only at the end.
        eval_examples: evaluate on the first so many examples of each part, or on all if there are fewer.
        clip_norm: scale each run's gradient down to at most this norm.
        record_updates: record each tensor's update-to-weight ratio at each step.
        divergence_threshold: a run counts as diverged once its loss exceeds so many times max(1, its first loss).
        threads: torch threads on the CPU, or how many compiled runs go on at once.
        engine: ``"torch"``; ``"compiled"``, several times faster on a CPU, for tasks and rules that can be traced;
            ``"auto"`` compiles what can be compiled where there are enough updates to pay for it.
        progress: show a progress bar.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value; nothing has been trained then.

    >>> from lrlib.tasks import digits_mlp
    >>> result = sweep(digits_mlp(), learning_rates=[0.01, 0.1], seeds=[0, 1], steps=20)
    >>> result
    Sweep(2 rates from 0.01 to 0.1 × 2 seeds, 20 steps, 0 diverged)
    >>> result.final().shape
    (2, 2)
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    checked = _check.integers("seeds", seeds, at_least=0, at_most=SEEDS - 1)
    if len(set(checked)) < len(checked):
        _check.fail("seeds", "distinct", seeds)
    plan, engine = _plan(task, runs=len(rates) * len(checked), **settings)
    alone = len(rates) >= FULL_STACK or not is_chain(initial_parameters(task.model, seed=checked[0]))
    split = engine is Stack and alone and plan.device.type == "cpu"
    groups = [[seed] for seed in checked] if split else [list(checked)]
    sweeps = []
    with tqdm(total=plan.steps * len(groups), disable=not progress, unit="step") as bar:
        for group in groups:
            stack = engine(plan, learning_rates=np.tile(rates, len(group)), seeds=np.repeat(group, len(rates)))
            while not stack.done:
                before = stack.step
                stack.advance(50)
                bar.update(stack.step - before)
            sweeps.append(stack.records())
    return concatenate(sweeps)


def start(task: Task, *, learning_rates: Sequence[float] | np.ndarray, seed: int = 0, **settings: Any) -> Stack:
    """Prepare what :func:`sweep` would train with one seed, for the caller to ``advance``: to stream, or to cancel.

    >>> from lrlib.tasks import digits_mlp
    >>> stack = start(digits_mlp(), learning_rates=[0.1], steps=100)
    >>> stack.advance(10)
    >>> stack.records()[0].status
    'stopped after 10 of 100 steps'
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    seed = _check.integer("seed", seed, at_least=0, at_most=SEEDS - 1)
    plan, engine = _plan(task, runs=len(rates), **settings)
    return engine(plan, learning_rates=rates, seeds=np.full(len(rates), seed))


def compilation_for(task: Task, **settings: Any) -> Compilation | None:
    """What ``engine="compiled"`` would have to compile for these settings of :func:`sweep`; None where it cannot."""
    plan, _ = _plan(task, runs=1, **settings)
    return compilation(plan) if obstacle(plan, compiling=False) is None else None


def _plan(
    task: Task,
    *,
    runs: int,
    steps: int,
    rule: UpdateRule | None = None,
    schedule: Schedule | None = None,
    feedback: PlateauRule | None = None,
    batch_size: int | None = 64,
    dtype: torch.dtype = torch.float32,
    device: str = "auto",
    eval_every: int | None = None,
    eval_examples: int = 2048,
    clip_norm: float | None = None,
    record_updates: bool = False,
    divergence_threshold: float = 1e3,
    threads: int = 1,
    engine: str = "torch",
) -> tuple[Plan, type[Stack]]:
    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    rule = sgd() if rule is None else rule
    if not isinstance(rule, UpdateRule):
        _check.fail("rule", "an UpdateRule", rule, error=TypeError)
    steps = _check.integer("steps", steps, at_least=1)
    if schedule is not None:
        _check_horizon("schedule", schedule, steps)
    if feedback is not None:
        if not isinstance(feedback, PlateauRule):
            _check.fail("feedback", "a PlateauRule", feedback, error=TypeError)
        if eval_every is None:
            _check.fail("eval_every", "an integer >= 1 where feedback is given", eval_every)
    if dtype not in (torch.float32, torch.float64):
        _check.fail("dtype", "torch.float32 or torch.float64", dtype)
    if batch_size is None:
        batch_size = task.examples
    plan = Plan(
        task=task,
        rule=rule,
        schedule=schedule,
        feedback=feedback,
        steps=steps,
        batch_size=_check.integer("batch_size", batch_size, at_least=1, at_most=task.examples),
        dtype=dtype,
        device=find_device(device),
        eval_every=None if eval_every is None else _check.integer("eval_every", eval_every, at_least=1),
        eval_examples=_check.integer("eval_examples", eval_examples, at_least=1),
        clip_norm=None if clip_norm is None else _check.real("clip_norm", clip_norm, above=0),
        record_updates=_check.boolean("record_updates", record_updates),
        divergence_threshold=_check.real("divergence_threshold", divergence_threshold, above=1),
        threads=_check.integer("threads", threads, at_least=1),
    )
    return plan, _engine(plan, engine, updates=runs * steps)


def _engine(plan: Plan, engine: str, *, updates: int) -> type[Stack]:
    _check.choice("engine", engine, ("auto", "torch", "compiled"))
    if engine == "torch" or (engine == "auto" and updates < COMPILE_FROM):
        return Stack
    reason = obstacle(plan)
    if reason is not None and engine == "compiled":
        _check.fail("engine", f"'auto' or 'torch' here, since {reason}", engine)
    return CompiledStack if reason is None else Stack


def _check_horizon(name: str, schedule: Schedule, steps: int) -> None:
    if not isinstance(schedule, Schedule):
        _check.fail(name, "a Schedule", schedule, error=TypeError)
    if schedule.total_steps is not None and schedule.total_steps < steps:
        _check.fail(name, f"a schedule of at least {steps} steps, as many as the run", schedule)
