"""The bridges to a reader's own torch loop: a schedule drives an optimizer; a torch scheduler shows its rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrlib import _check
from lrlib.schedules.schedule import Schedule, a_schedule, step_count

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def as_torch(schedule: Schedule | Sequence[Schedule], optimizer: Optimizer) -> LRScheduler:
    """A torch scheduler that makes ``optimizer`` use exactly ``schedule``.

    Update t uses η_t = ``schedule(t)``: call ``optimizer.step()`` and then ``scheduler.step()``, once per update.

    Parameter groups keep their ratios: the group whose rate is highest when the scheduler is made follows the schedule
    itself, and a group at a hundredth of its rate follows a hundredth of the schedule. Only the ratios of the rates
    that the optimizer was made with count, and if all are 0, all groups follow alike. With one schedule for each group,
    in their order, each follows its own, and the rates do not count. A group that is added later
    (``add_param_group``) keeps its ratio to the highest rate that the optimizer was made with; it joins at the next
    ``scheduler.step()``, and needs one schedule for all. Until then it has the rate that it was added with: add it
    between ``optimizer.step()`` and ``scheduler.step()``, and no update uses that one.

    The optimizer is given nothing but its rates, so no ``initial_lr`` is left for a scheduler that is made later; a
    rate that is a tensor is filled in place. The ``state_dict`` holds the step number and the ratios, as plain data. To
    resume, make optimizer and scheduler anew and load the states of both, in any order; the schedule itself is not in
    the state, so another one (a longer one, or one with a :func:`~lrlib.schedules.cool_down`) goes on from there.

    Raises:
        TypeError: if ``schedule`` is no :class:`Schedule` or ``optimizer`` no ``torch.optim.Optimizer``.
        ValueError: if there are not as many schedules as parameter groups.

    torch twin: ``LambdaLR`` with base rates of 1, to the last bit.

    Example:
        >>> import torch
        >>> from lrlib.schedules import as_torch, linear
        >>> body, head = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([{"params": [body], "lr": 0.01}, {"params": [head], "lr": 1.0}])
        >>> scheduler = as_torch(linear(0.1, total_steps=4), optimizer)
        >>> for step in range(5):
        ...     print(step, [round(group["lr"], 6) for group in optimizer.param_groups])
        ...     optimizer.step()
        ...     scheduler.step()
        0 [0.001, 0.1]
        1 [0.00075, 0.075]
        2 [0.0005, 0.05]
        3 [0.00025, 0.025]
        4 [0.0, 0.0]

    Source: the PyTorch documentation of ``torch.optim.lr_scheduler.LambdaLR``; rates that differ from layer to layer:
    Howard and Ruder (2018), Universal Language Model Fine-tuning for Text Classification, arXiv:1801.06146.
    """
    # Not at the top: the schedules themselves need no torch.
    from lrlib.schedules.torch_scheduler import TorchScheduler

    _an_optimizer(optimizer)
    if isinstance(schedule, Sequence):
        each = [a_schedule(f"schedule[{i}]", one) for i, one in enumerate(schedule)]
        if len(each) != len(optimizer.param_groups):
            _check.fail("schedule", f"one for each of the {len(optimizer.param_groups)} parameter groups", schedule)
        return TorchScheduler(each, optimizer)
    return TorchScheduler(a_schedule("schedule", schedule), optimizer)


def torch_rates(
    scheduler: Any | Callable[[Optimizer], Any], optimizer: Optimizer, *, steps: int, key: str = "lr"
) -> NDArray[np.float64]:
    """The ledger of a torch scheduler: the rates that its optimizer really uses, found by stepping both.

    Args:
        scheduler: a torch scheduler of ``optimizer``, which this uses up, or a function that makes one from it.
        optimizer: ``optimizer.step()`` is called ``steps`` times, without gradients, so that no parameter moves.
        steps: how many updates, >= 1; ``scheduler.step()`` comes between them, so once less.
        key: what to read of each parameter group: ``"lr"``, or ``"momentum"``, ``"weight_decay"``, …

    Returns:
        (steps, groups) what update number t of each parameter group uses; NaN before a group was there.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    Example:
        >>> import torch
        >>> from torch.optim.lr_scheduler import StepLR
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> torch_rates(lambda optimizer: StepLR(optimizer, step_size=2), optimizer, steps=5)[:, 0].round(6)
        array([0.1  , 0.1  , 0.01 , 0.01 , 0.001])

    Source: the PyTorch documentation of ``torch.optim``: the rate that an update uses is its group's ``lr``.
    """
    _an_optimizer(optimizer)
    count = step_count("steps", steps, at_least=1)
    if isinstance(scheduler, type) or not hasattr(scheduler, "step"):
        scheduler = _check.function("scheduler", scheduler)(optimizer)
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        _check.fail("scheduler", "one that drives this optimizer", scheduler)
    if key not in optimizer.param_groups[0]:
        _check.fail("key", "a setting of the optimizer's groups, such as 'lr'", key)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = [weight.grad for weight in weights]
    rows: list[list[float]] = []
    try:
        for weight in weights:
            weight.grad = None
        for step in range(count):
            if step:
                scheduler.step()
            rows.append([float(group[key]) for group in optimizer.param_groups])  # a tensor is filled in place: read it
            optimizer.step()
    finally:
        for weight, gradient in zip(weights, kept, strict=True):
            weight.grad = gradient
    widest = max(map(len, rows))
    return np.array([row + [np.nan] * (widest - len(row)) for row in rows])


def _an_optimizer(optimizer: object) -> None:
    from torch.optim import Optimizer

    if not isinstance(optimizer, Optimizer):
        _check.fail("optimizer", "a torch.optim.Optimizer", optimizer, error=TypeError)
