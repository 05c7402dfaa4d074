"""The scheduler that :func:`~lrlib.schedules.as_torch` makes; in a module of its own, since it needs torch."""

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrlib import _check
from lrlib.schedules.schedule import Schedule


class TorchScheduler(LRScheduler):
    """A torch scheduler whose rates are those of schedules at ``last_epoch``, the number of the next update."""

    def __init__(self, schedule: Schedule | list[Schedule], optimizer: Optimizer) -> None:
        self._schedule = schedule
        self._highest = max(float(group["lr"]) for group in optimizer.param_groups)
        self._ratios: list[float] = []
        before = [group.get("initial_lr") for group in optimizer.param_groups]
        super().__init__(optimizer)
        for group, rate in zip(optimizer.param_groups, before, strict=True):
            if rate is None:  # torch writes it down, and a later scheduler would take it for its base rate
                del group["initial_lr"]

    def get_lr(self) -> list[float | Tensor]:
        """The rates of update number ``last_epoch``, one for each parameter group."""
        groups, step = self.optimizer.param_groups, self.last_epoch
        if isinstance(self._schedule, list):
            if len(groups) != len(self._schedule):
                _check.fail("optimizer", f"left with {len(self._schedule)} groups, one a schedule", self.optimizer)
            return [schedule(step) for schedule in self._schedule]
        for group in groups[len(self._ratios) :]:
            self._ratios.append(float(group["lr"]) / self._highest if self._highest > 0 else 1.0)
        rate = self._schedule(step)
        return [rate * ratio for ratio in self._ratios[: len(groups)]]

    def state_dict(self) -> dict[str, Any]:
        """The step number and the ratios of the groups' rates, not the schedule."""
        return {
            "last_epoch": self.last_epoch,
            "step_count": self._step_count,
            "highest": self._highest,
            "ratios": list(self._ratios),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state, at its rates at once, whatever the optimizer has loaded or has yet to load."""
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["step_count"]
        self._highest, self._ratios = state_dict["highest"], list(state_dict["ratios"])
        self.last_epoch -= 1
        self._update_lr()
