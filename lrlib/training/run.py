"""The three ways to train: one run, a sweep over rates and seeds, and a stack that the caller advances."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from lrlib import _check
from lrlib.models import initial_parameters, is_chain
from lrlib.schedules import Schedule, scale
from lrlib.tasks import Task
from lrlib.training.compiled import Compilation, CompiledStack, compilation, obstacle
from lrlib.training.horizon import check_horizon
from lrlib.training.records import Run, Sweep, concatenate
from lrlib.training.settings import Settings, check_seeds, checked_plan, checked_task, with_settings
from lrlib.training.stack import Plan, Stack

# steps × (runs + 8) from which compiling pays for its second or two: what torch takes longer is about 60 µs for each
# run of a small network in a step, and 500 µs for the step itself
COMPILE_FROM = 20_000
FULL_STACK = 8  # from so many rates on, a stack of one seed keeps the processor busy and shares its minibatches


@with_settings
def train(task: Task, *, learning_rate: float | Schedule, seed: int = 0, **settings: Unpack[Settings]) -> Run:
    """Train once, at a constant ``learning_rate`` or along a :class:`~lrlib.schedules.Schedule`.

    ``settings`` are those of :func:`sweep`: ``rule``, ``steps``, ``batch_size``, ``dtype``, ``device``, …

    >>> from lrlib.tasks import digits_mlp
    >>> run = train(digits_mlp(), learning_rate=0.1, steps=20)
    >>> run.status, bool(run.loss[-1] < run.loss[0])
    ('finished', True)
    """
    check_seeds("seed", [seed])
    if not isinstance(learning_rate, Schedule):
        rate = _check.real("learning_rate", learning_rate, above=0)
        return sweep(task, learning_rates=[rate], seeds=[seed], **settings)[0]
    if settings.get("schedule") is not None:
        _check.fail("schedule", "None where learning_rate is a schedule already", settings["schedule"])
    steps = _check.integer("steps", settings["steps"], at_least=1)
    check_horizon("learning_rate", learning_rate, steps, settings.get("unfinished", "warn"))
    peak = float(learning_rate(np.arange(steps)).max())
    if peak == 0:
        _check.fail("learning_rate", f"a schedule that is above 0 somewhere in its first {steps} steps", learning_rate)
    settings |= {"schedule": scale(learning_rate, 1 / peak), "unfinished": "ok"}
    return sweep(task, learning_rates=[peak], seeds=[seed], **settings)[0]


@with_settings
def sweep(
    task: Task,
    *,
    learning_rates: Sequence[float] | np.ndarray,
    seeds: Sequence[int] = (0,),
    progress: bool = False,
    **settings: Unpack[Settings],
) -> Sweep:
    """Train at every learning rate with every seed, many runs at once.

    All runs of one seed start from the same weights and see the same minibatches, and a run that diverges is a record
    like any other. A run's numbers do not depend on the others: to the last bit where the step is compiled; to rounding
    with torch, whose matrix products round otherwise in a larger stack, and at chaotic rates that difference grows.
    The same call by the same engine gives the same bits on the same machine.

    Args:
        task: what to train.
        learning_rates: the rates, each above 0; with a ``schedule``, its peak (what it is multiplied by).
        seeds: one or more, from 0 to 2**32 - 1; a seed alone decides initial weights, minibatches, augmentation and
            dropout.
        rule: an update rule of :mod:`lrlib.updates`; plain gradient descent if none is given.
        schedule: the shape of the rate: a schedule whose highest rate over the run is 1 (to 1 %), which each of the
            ``learning_rates`` is multiplied by; its horizon must cover ``steps``.
        unfinished: what to do if the schedule's horizon is longer than the run: ``"warn"``
            (:class:`~lrlib.training.UnfinishedSchedule`), ``"ok"`` or ``"raise"``; the record says it in any case.
        feedback: a rule that lowers the rate by the validation loss, such as
            :func:`~lrlib.schedules.reduce_on_plateau`, asked at every evaluation; needs ``eval_every``.
        steps: how many updates to make.
        batch_size: examples a minibatch; ``None`` takes all (full batch).
        dtype: ``torch.float32`` or ``torch.float64``.
        device: ``"cpu"``, ``"cuda"``, ``"mps"`` or ``"auto"``. Auto is the CPU, with two exceptions: a GPU, if there is
            one, is taken for ``engine="torch"``, and for a model of a million parameters or more with
            ``engine="auto"``. Apple's GPUs have no float64, so that stays on the CPU.
        eval_every: evaluate on training and validation examples before the first update, then each so many updates;
            ``None``: only at the end.
        eval_examples: evaluate on the first so many examples of each part, or on all if there are fewer.
        clip_norm: scale each run's gradient down to at most this norm.
        record_updates: record each tensor's update-to-weight ratio at each step.
        divergence_threshold: a run counts as diverged once its loss exceeds so many times the size of its first; see
            :func:`~lrlib.curves.first_divergence`.
        threads: torch threads on the CPU, or how many compiled runs go on at once.
        microbatch: let only so many examples of a minibatch through the model at once, and add up their gradients: less
            memory, the same numbers to rounding, as long as the loss is a mean over examples and the module treats
            each by itself. Batch normalization does not (it normalizes each microbatch), and dropout draws for each.
            Torch only.
        autocast: ``torch.bfloat16`` runs the module in training, forwards and backwards, under ``torch.autocast``:
            mixed precision. Parameters, loss, update and evaluation stay in float32. A module that
            ``torch.func.vmap`` would run is trained one run at a time, since autocast does not reach all of it there.
            Torch only.
        engine: ``"torch"``; ``"compiled"``, several times faster on a CPU, for tasks and rules that can be traced; or
            ``"auto"``: compiled where steps × (runs + 8) is 20,000 or more, else torch, and torch for what cannot be
            compiled. It is the arguments alone that decide, so that the same call gives the same bits.
            ``provenance["engine_note"]`` says why it was torch. The engines agree to rounding.
            Functions and modules of this package and of torch are known by their names and numbers; any others, such
            as a notebook's own loss or module class, are traced anew at each call, and so are the values they use.
            They must compute the same each time that they are called.
        progress: show a progress bar.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value; nothing has been trained then.

    >>> from lrlib.tasks import digits_mlp
    >>> result = sweep(digits_mlp(), learning_rates=[0.01, 0.1], seeds=[0, 1], steps=20)
    >>> result
    Sweep(2 rates from 0.01 to 0.1 × 2 seeds, 20 steps, 0 diverged)
    >>> result.final("train_loss").shape
    (2, 2)
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    checked = check_seeds("seeds", seeds)
    model = _example(task)
    plan = checked_plan(task, model=model, **settings)
    make = _maker(plan, model, engine=settings.get("engine", "auto"), runs=len(rates) * len(checked))
    alone = len(rates) >= FULL_STACK or not is_chain(model)
    split = make.func is Stack and alone and plan.device.type == "cpu"
    groups = [[seed] for seed in checked] if split else [list(checked)]
    sweeps = []
    with tqdm(total=plan.steps * len(groups), disable=not progress, unit="step") as bar:
        for group in groups:
            stack = make(learning_rates=np.tile(rates, len(group)), seeds=np.repeat(group, len(rates)))
            while not stack.done:
                before = stack.step
                stack.advance(50 if progress else stack.stride)
                bar.update(stack.step - before)
            sweeps.append(stack.records())
    return concatenate(sweeps)


@with_settings
def start(
    task: Task,
    *,
    learning_rates: Sequence[float] | np.ndarray,
    seed: int = 0,
    compilation: Compilation | None = None,
    **settings: Unpack[Settings],
) -> Stack:
    """Prepare what :func:`sweep` would train with one seed, for the caller to ``advance``: to stream, or to cancel.

    ``compilation``, which ``compilation_for`` gave for the same settings, spares whoever starts one training after
    another to trace its step each time; what the task's functions compute must not have changed since.

    >>> from lrlib.tasks import digits_mlp
    >>> stack = start(digits_mlp(), learning_rates=[0.1], steps=100)
    >>> stack.advance(10)
    >>> stack.records()[0].status
    'stopped after 10 of 100 steps'
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    [seed] = check_seeds("seed", [seed])
    model = _example(task)
    plan = checked_plan(task, model=model, **settings)
    if compilation is not None and not compilation.fits(plan):
        _check.fail(
            "compilation", "one for the same task, rule, batch_size, dtype, clip_norm and record_updates", compilation
        )
    make = _maker(plan, model, engine=settings.get("engine", "auto"), runs=len(rates), made=compilation)
    return make(learning_rates=rates, seeds=np.full(len(rates), seed))


@with_settings
def compilation_for(task: Task, **settings: Unpack[Settings]) -> Compilation | None:
    """What ``engine="compiled"`` would have to compile for these settings of :func:`sweep`; None where it cannot."""
    model = _example(task)
    settings["engine"] = "compiled"
    plan = checked_plan(task, model=model, **settings)
    if obstacle(plan, model) is None:
        with contextlib.suppress(Exception):  # a model that cannot be traced: sweep says why
            return compilation(plan)
    return None


def compile_ahead(calls: Iterable[Mapping[str, Any]]) -> None:
    """Compile the steps of several coming calls of :func:`sweep` side by side.

    Each call is a mapping of what will be handed to ``sweep``: its ``task`` and its settings; ``learning_rates`` and
    ``seeds`` may be among them. One step is traced here while the C compiler works on others. Steps that cannot be
    compiled are passed over: ``sweep`` trains them with torch.

    >>> from lrlib.tasks import digits_mlp
    >>> from lrlib.updates import adam, sgd
    >>> calls = [{"task": digits_mlp(), "rule": rule, "steps": 20} for rule in (sgd(), adam())]
    >>> compile_ahead(calls)
    >>> [len(sweep(**call, learning_rates=[0.01, 0.1], engine="compiled")) for call in calls]
    [2, 2]
    """
    compiled_ahead(calls)


def compiled_ahead(calls: Iterable[Mapping[str, Any]]) -> list[Compilation | None]:
    """What :func:`compile_ahead` has compiled, one for each call; None for what cannot be compiled."""
    ours = Settings.__annotations__.keys() - {"engine"}
    made = [
        None
        if call.get("engine") == "torch"
        else compilation_for(call["task"], **{name: value for name, value in call.items() if name in ours})
        for call in calls
    ]

    def compiled(one: Compilation) -> None:
        with contextlib.suppress(Exception):
            one.program()

    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        list(pool.map(compiled, [one for one in made if one is not None]))
    return made


def _example(task: Any) -> nn.Module:
    return initial_parameters(checked_task(task).model, seed=0)


def _maker(plan: Plan, model: nn.Module, *, engine: str, runs: int, made: Compilation | None = None) -> partial[Any]:
    """What makes stacks of this plan: with its compiled step, or with torch and a note of the reason."""
    if engine == "torch":
        return partial(Stack, plan)
    reason, cause = obstacle(plan, model), None
    wanted = engine == "compiled" or (made is not None and made.ready) or plan.steps * (runs + 8) >= COMPILE_FROM
    if reason is None and not wanted:
        reason = f"{plan.steps} steps of {runs} runs are too few to compile a step for"
    if reason is None:
        try:
            return partial(CompiledStack, plan, program=(made or compilation(plan)).program())
        except Exception as error:  # tracer, compiler, loader or disk: whatever fails here, torch can do without
            reason, cause = f"{type(error).__name__}: {error}", error
    if engine == "compiled":
        need = f"'auto' or 'torch' here, since {reason}"
        raise ValueError(f"engine must be {need}, but got 'compiled'") from cause
    return partial(Stack, replace(plan, engine_note=reason))
