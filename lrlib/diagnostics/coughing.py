"""The probe that settles what a curve cannot: a short continuation at three times the peak rate."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import torch
from torch import nn

from lrlib import _check
from lrlib.diagnostics.probes import Probe
from lrlib.schedules import constant, join, scale
from lrlib.tasks import Task
from lrlib.training import Run, Settings, sweep

FACTOR, SHARE = 3.0, 20  # a twentieth of the run at three times its peak


def cough(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    update: Callable[[], object],
    validate: Callable[[], Any],
    *,
    steps: int,
    peak: float | Sequence[float] | None = None,
    factor: float = FACTOR,
) -> Probe:
    """Continue any torch training for ``steps`` updates at a higher rate, read the validation loss, and take it back.

    Model, optimizer and torch's random state on the CPU are afterwards as they were, also after an error; what
    ``update`` draws from elsewhere, such as the place in a data loader, is the caller's. A learning rate scheduler must
    not be stepped by ``update``, since it would undo the rate.

    Args:
        model: what is trained.
        optimizer: a ``torch.optim`` optimizer, at the end of the run.
        update: makes one update of ``model`` by ``optimizer`` on the next minibatch.
        validate: gives the validation loss of ``model`` as it is; always on the same examples.
        steps: how many updates; a twentieth of the run's.
        peak: the run's highest rate, one number or one for each parameter group; if not given, each group's
            ``initial_lr``, as schedulers leave it, or its ``lr``.
        factor: by what the peak is multiplied.

    Raises:
        TypeError, ValueError: for arguments that do not fit, or a validation loss that is not finite at the start.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.ones_(model.weight)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> def loss():
    ...     return model.weight.square().sum()
    >>> def update():
    ...     optimizer.zero_grad()
    ...     loss().backward()
    ...     optimizer.step()
    >>> probe = cough(model, optimizer, update, lambda: loss().item(), steps=1)
    >>> f"{probe.before:.2f} to {probe.after:.2f}", model.weight.item(), optimizer.param_groups[0]["lr"]
    ('1.00 to 0.16', 1.0, 0.1)
    """
    _check.function("update", update)
    _check.function("validate", validate)
    steps = _check.integer("steps", steps, at_least=1)
    factor = _check.real("factor", factor, above=0)
    groups = optimizer.param_groups
    peaks = [group.get("initial_lr", group["lr"]) for group in groups] if peak is None else peak
    peaks = [peaks] * len(groups) if isinstance(peaks, int | float) else list(peaks)
    if len(peaks) != len(groups):
        _check.fail("peak", f"one number, or {len(groups)}, one for each parameter group", peak)
    rates = [factor * _check.real("peak", float(rate), above=0) for rate in peaks]
    before = float(validate())
    if not math.isfinite(before):
        _check.fail("validate", "a function that gives a finite number at the start", before)
    held = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    modes = [(module, module.training) for module in model.modules()]
    drawn = torch.get_rng_state()
    try:
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        for _ in range(steps):
            update()
        after = float(validate())
    finally:
        model.load_state_dict(held[0])
        optimizer.load_state_dict(held[1])
        for module, training in modes:
            module.training = training
        torch.set_rng_state(drawn)
    return Probe(before, after, factor, steps)


def cough_run(task: Task, run: Run, *, factor: float = FACTOR, **settings: Unpack[Settings]) -> Probe:
    """What :func:`cough` measures, for a run of :func:`lrlib.training.sweep` or ``train``.

    The run is made again, since its seed decides all of it, and goes on for a twentieth of its steps.

    Args:
        task: the run's.
        run: one that finished.
        factor: by what its peak rate is multiplied.
        settings: those of ``sweep`` that the run was made with, such as ``rule``, ``schedule`` (whose peak is 1) and
            ``batch_size``.

    Raises:
        ValueError: if the run diverged, or other settings made it.

    >>> from lrlib.tasks import digits_mlp
    >>> from lrlib.training import train
    >>> run = train(digits_mlp(), learning_rate=1e-3, steps=40)
    >>> cough_run(digits_mlp(), run, steps=40).gain > 0
    True
    """
    factor = _check.real("factor", factor, above=1)
    if not isinstance(run, Run):
        _check.fail("run", "a Run", run, error=TypeError)
    if run.diverged_at is not None or not len(run.validation_loss):
        _check.fail("run", "one that finished and was evaluated", run)
    shape, more = settings.get("schedule") or constant(1.0), max(1, run.steps // SHARE)
    settings["schedule"] = join([scale(shape, 1 / factor), constant(1.0)], boundaries=[run.steps])
    settings["steps"], settings["eval_every"], settings["unfinished"] = run.steps + more, run.steps, "ok"
    again = sweep(task, learning_rates=[factor * run.learning_rate], seeds=[run.seed], **settings)
    before, after = (float(loss) for loss in again.validation_loss[0, 1:3])
    if not math.isclose(before, float(run.validation_loss[-1]), rel_tol=1e-2):
        _check.fail("settings", f"those of the run, which ended at {run.validation_loss[-1]:.6g}", f"{before:.6g}")
    return Probe(before, after, factor, more)
