"""The bridge to a reader's own torch loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrlib import _check
from lrlib.schedules.schedule import Schedule, a_schedule

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


def as_torch(schedule: Schedule, optimizer: Optimizer) -> LambdaLR:
    """A torch scheduler that makes ``optimizer`` use exactly ``schedule``.

    Update t uses η_t = ``schedule(t)``, in every parameter group: call ``optimizer.step()`` and then
    ``scheduler.step()``, once per update. The rate that the optimizer was made with is overwritten.

    The scheduler's ``state_dict`` is the step number and no more than plain data; to resume, make optimizer and
    scheduler anew and load the states of both.

    Raises:
        TypeError: if ``schedule`` is no :class:`Schedule` or ``optimizer`` no ``torch.optim.Optimizer``.

    torch twin: it is ``LambdaLR`` with base rates of 1, so that base rate times factor is the schedule's rate to the
    last bit.

    Example:
        >>> import torch
        >>> from lrlib.schedules import as_torch, linear
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=123.0)
        >>> scheduler = as_torch(linear(0.1, total_steps=4), optimizer)
        >>> for step in range(6):
        ...     print(step, round(optimizer.param_groups[0]["lr"], 6))
        ...     optimizer.step()
        ...     scheduler.step()
        0 0.1
        1 0.075
        2 0.05
        3 0.025
        4 0.0
        5 0.0

    Source: the PyTorch documentation of ``torch.optim.lr_scheduler.LambdaLR``.
    """
    # Not at the top: the schedules themselves need no torch.
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

    rate = a_schedule("schedule", schedule)
    if not isinstance(optimizer, Optimizer):
        _check.fail("optimizer", "a torch.optim.Optimizer", optimizer, error=TypeError)
    for group in optimizer.param_groups:
        group["initial_lr"] = 1.0
    # A plain function, since LambdaLR puts any other callable's attributes into its state_dict.
    return LambdaLR(optimizer, lambda step: rate(step))
