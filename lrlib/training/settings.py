"""The settings that all ways to train share: their names and types, once, and how they are checked."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Required, TypedDict, TypeVar

import torch
from torch import nn

from lrlib import _check
from lrlib.curves.divergence import THRESHOLD
from lrlib.schedules import PlateauRule, Schedule
from lrlib.streams import SEEDS
from lrlib.tasks import Task
from lrlib.training.device import find_device
from lrlib.training.horizon import Unfinished, check_base, check_horizon
from lrlib.training.stack import Plan
from lrlib.updates import UpdateRule, sgd

LARGE = 1_000_000  # parameters from which on a GPU is worth its overhead

P = ParamSpec("P")
R = TypeVar("R")


class Settings(TypedDict, total=False):
    """Keywords of :func:`~lrlib.training.sweep`, where their meaning stands, and of all that trains as it does."""

    steps: Required[int]
    rule: UpdateRule | None
    schedule: Schedule | None
    unfinished: Unfinished
    feedback: PlateauRule | None
    batch_size: int | None
    dtype: torch.dtype
    device: str
    eval_every: int | None
    eval_examples: int
    clip_norm: float | None
    record_updates: bool
    divergence_threshold: float
    threads: int
    microbatch: int | None
    autocast: torch.dtype | None
    engine: str


def with_settings(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function that ends in ``**settings: Unpack[Settings]`` show them, with their defaults, in its signature.

    A keyword that is unknown or missing is the usual ``TypeError``, before anything is done.
    """
    own = list(inspect.signature(function).parameters.values())[:-1]
    settings = [p for p in inspect.signature(checked_plan).parameters.values() if p.name in Settings.__annotations__]
    signature = inspect.signature(function).replace(parameters=[*own, *settings])

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{function.__name__}() {error}") from None
        return function(*args, **kwargs)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked


def checked_plan(
    task: Task,
    *,
    model: nn.Module,
    steps: int,
    rule: UpdateRule | None = None,
    schedule: Schedule | None = None,
    unfinished: Unfinished = "warn",
    feedback: PlateauRule | None = None,
    batch_size: int | None = 64,
    dtype: torch.dtype = torch.float32,
    device: str = "auto",
    eval_every: int | None = None,
    eval_examples: int = 2048,
    clip_norm: float | None = None,
    record_updates: bool = False,
    divergence_threshold: float = THRESHOLD,
    threads: int = 1,
    microbatch: int | None = None,
    autocast: torch.dtype | None = None,
    engine: str = "auto",
) -> Plan:
    """The plan of a stack of ``task``, whose ``model`` is given as an example."""
    rule = sgd() if rule is None else rule
    if not isinstance(rule, UpdateRule):
        _check.fail("rule", "an UpdateRule", rule, error=TypeError)
    shapes = dict(model.named_parameters())
    rule = rule.bind(task.trained, [tuple(shapes[name].shape) for name in task.trained])
    steps = _check.integer("steps", steps, at_least=1)
    _check.choice("unfinished", unfinished, ("warn", "ok", "raise"))
    if schedule is not None:
        check_horizon("schedule", schedule, steps, unfinished)
        check_base(schedule, steps)
    if feedback is not None:
        if not isinstance(feedback, PlateauRule):
            _check.fail("feedback", "a PlateauRule", feedback, error=TypeError)
        if eval_every is None:
            _check.fail("eval_every", "an integer >= 1 where feedback is given", eval_every)
    if dtype not in (torch.float32, torch.float64):
        _check.fail("dtype", "torch.float32 or torch.float64", dtype)
    if autocast not in (None, torch.bfloat16):
        _check.fail("autocast", "torch.bfloat16 or None", autocast)
    if autocast is not None and dtype is torch.float64:
        _check.fail("autocast", "None where dtype is torch.float64, which autocast leaves alone", autocast)
    size = task.examples if batch_size is None else batch_size
    size = _check.integer("batch_size", size, at_least=1, at_most=task.examples)
    return Plan(
        task=task,
        rule=rule,
        schedule=schedule,
        feedback=feedback,
        steps=steps,
        batch_size=size,
        dtype=dtype,
        device=_device(device, dtype, engine, model),
        eval_every=None if eval_every is None else _check.integer("eval_every", eval_every, at_least=1),
        eval_examples=_check.integer("eval_examples", eval_examples, at_least=1),
        clip_norm=None if clip_norm is None else _check.real("clip_norm", clip_norm, above=0),
        record_updates=_check.boolean("record_updates", record_updates),
        divergence_threshold=_check.real("divergence_threshold", divergence_threshold, above=1),
        threads=_check.integer("threads", threads, at_least=1),
        microbatch=None if microbatch is None else _check.integer("microbatch", microbatch, at_least=1, at_most=size),
        autocast=autocast,
    )


def _device(device: str, dtype: torch.dtype, engine: str, model: nn.Module) -> torch.device:
    """``"auto"`` is the CPU where the step is compiled for it, or would be if it can."""
    _check.choice("engine", engine, ("auto", "torch", "compiled"))
    small = sum(parameter.numel() for parameter in model.parameters()) < LARGE
    if device == "auto" and (engine == "compiled" or (engine == "auto" and small)):
        return torch.device("cpu")
    return find_device(device, dtype=dtype)


def checked_task(task: Any) -> Task:
    """A task, or the TypeError that says so."""
    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    return task


def check_seeds(name: str, seeds: Any) -> tuple[int, ...]:
    """Distinct seeds that fit in 32 bits: torch and numpy keep no more of them."""
    checked = _check.integers(name, seeds, at_least=0)
    if len(set(checked)) < len(checked):
        _check.fail(name, "distinct", seeds)
    if max(checked) >= SEEDS:
        _check.fail(name, "less than 2**32", max(checked))
    return checked
