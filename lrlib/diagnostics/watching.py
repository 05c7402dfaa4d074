"""A watch over a torch training loop: the rates that its updates use, and what these do to the weights."""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrlib import _check
from lrlib.curves import Curve
from lrlib.diagnostics.departures import Departure, Evidence, is_off
from lrlib.diagnostics.ledger import Ledger, table
from lrlib.diagnostics.plans import Array, Plan
from lrlib.diagnostics.signs import Signs
from lrlib.diagnostics.torch_schedulers import drivers, states, under_scaler
from lrlib.diagnostics.update_sizes import UpdateSizes

_WATCHED: WeakSet[Optimizer] = WeakSet()

Tell = Callable[[Departure], object]


class Monitor:
    """Watches the updates of a torch optimizer: every rate beside its plan, gradient, update and loss.

    The training is bit for bit what it would be without it: weights, gradients, the optimizer's state and random states
    are read, never written. What is watched are calls of ``optimizer.step()``, so accumulated gradients count as one
    update, and an update that a ``GradScaler`` skips as none.

    Args:
        model: the module that is trained; gives the tensors their names.
        optimizer: any torch optimizer, or a wrapper that has one as its ``optimizer``, as Accelerate's and Lightning's.
            Each of several optimizers has a monitor of its own.
        planned: the rate planned for each update: a :class:`~lrlib.schedules.Schedule`, a function of the step, an
            array (steps,) or (steps, groups), such as :func:`~lrlib.schedules.torch_rates` gives, or a list of these,
            one a parameter group. One plan for several groups is that of the highest rate; the others keep their ratio
            to it. None: only what looks wrong by itself is told.
        every: measure gradient and update at every so many updates, the first included; rates are read at each.
            At such an update one copy of the weights is held.
        start: the number of the next update; a run that is resumed goes on counting there.
        tolerance: a rate is off its plan from this relative difference on; 1e-4 for a rate that is a tensor.
        on_departure: called with each :class:`Departure` as it is found, before its update is made: it may raise.
            By default a ``UserWarning``.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value, or an optimizer that is being watched.

    >>> import torch
    >>> from lrlib.schedules import as_torch, cosine
    >>> weight = torch.nn.Linear(3, 1)
    >>> sgd = torch.optim.SGD(weight.parameters(), lr=0.1)
    >>> plan = cosine(0.1, total_steps=4)
    >>> scheduler = as_torch(plan, sgd)
    >>> watch = Monitor(weight, sgd, planned=plan, on_departure=print)
    >>> for step in range(4):
    ...     loss = weight(torch.ones(2, 3)).square().mean()
    ...     watch.loss(loss)
    ...     sgd.zero_grad()
    ...     loss.backward()
    ...     sgd.step()
    ...     for _ in range(2):  # once too often
    ...         scheduler.step()
    update 1, group 0: planned 0.0853553, used 0.05: the rate planned for update 2: the scheduler is stepped 2 times an
    update: once a process, or once a batch whose gradients are accumulated
    >>> watch.close()
    >>> watch.rates.T.round(3)
    array([[0.1 , 0.05, 0.  , 0.  ]])
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        planned: Any = None,
        every: int = 10,
        start: int = 0,
        tolerance: float = 1e-6,
        on_departure: Tell | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            _check.fail("model", "a torch.nn.Module", model, error=TypeError)
        self._optimizer = _unwrapped(optimizer)
        self._every = _check.integer("every", every, at_least=1)
        self._ledger = Ledger(_check.integer("start", start, at_least=0))
        self._tolerance = _check.real("tolerance", tolerance, above=0, below=1)
        self._tell = _warn if on_departure is None else _check.function("on_departure", on_departure)
        self._plan = None if planned is None else Plan(planned, self._rates_now())
        if self._optimizer in _WATCHED:
            _check.fail("optimizer", "watched by one monitor at a time: close() the other", optimizer)
        names = {id(tensor): name for name, tensor in model.named_parameters()}
        self._sizes = UpdateSizes(self._optimizer, names)
        self._departures: list[Departure] = []
        self._off: set[int] = set()
        self._peak = 0.0
        self._resumed = self._ledger.start > 0
        self._signs = Signs()
        self._schedulers: list[LRScheduler] | None = None
        self._pending: list[tuple[int, Tensor]] = []  # losses that a device may still be computing
        self._rates: tuple[float, ...] | None = None
        self._ratios: dict[str, dict[int, float]] = {}
        self._loss_first: bool | None = None  # whether losses are told before their update
        _WATCHED.add(self._optimizer)
        self._handles = [
            self._optimizer.register_step_pre_hook(self._before_step),
            self._optimizer.register_step_post_hook(self._after_step),
            self._optimizer.register_load_state_dict_post_hook(self._after_loading),
        ]

    def loss(self, value: float | Tensor, *, step: int | None = None) -> None:
        """Record the training loss of an update; of several before one update, the mean.

        Call it at the same place of each turn of the loop, before ``optimizer.step()`` or after it. A tensor is not
        waited for. ``step``: the number of the update, where it is not the one under way.
        """
        if step is None:
            if self._loss_first is None:  # at the first call
                self._loss_first = not self._ledger.used
            step = self._ledger.count - (0 if self._loss_first else 1)
        if isinstance(value, Tensor) and value.device.type != "cpu":
            self._pending.append((step, value.detach()))
        else:
            self._ledger.add_loss(step, float(value.item() if isinstance(value, Tensor) else value))

    def validation(self, value: float | Tensor) -> None:
        """Record the loss on examples held out, at the number of updates made so far."""
        self._ledger.validation[self._ledger.count] = float(value)

    @property
    def step(self) -> int:
        """The number of the next update."""
        return self._ledger.count

    @property
    def departures(self) -> tuple[Departure, ...]:
        """The first update of each stretch of updates off the plan, for each group, in their order."""
        return tuple(self._departures)

    @property
    def rates(self) -> Array:
        """(updates, groups) the rates used; NaN for a group that was not there yet."""
        return table(self._ledger.used)

    @property
    def planned_rates(self) -> Array | None:
        """(updates, groups) the rates planned; None without a plan."""
        return None if self._plan is None else table(self._ledger.planned)

    @property
    def update_ratios(self) -> Mapping[str, Mapping[int, float]]:
        """Size of the update over size of the weights of every tensor, by its name and the number of the update."""
        return {name: dict(ratios) for name, ratios in self._ratios.items()}

    def curve(self) -> Curve:
        """The run at each update with a loss, for :func:`diagnose` and its like.

        Raises:
            ValueError: if no loss was recorded.
        """
        self._settle()
        return self._ledger.curve(f"watched {type(self._optimizer).__name__}")

    def to_csv(self, path: str | Path) -> None:
        """Write ``step, loss, rate, gradient_norm, update_ratio, validation_loss`` and further groups' rates, the plan.

        A row an update; empty where nothing was measured. A loss measured as NaN reads ``nan``.
        """
        self._settle()
        self._ledger.to_csv(path)

    def close(self) -> None:
        """Stop watching: the optimizer is as if it had never been watched. What was recorded stays."""
        for handle in self._handles:
            handle.remove()
        if self._handles and self._plan is None and self._schedulers:
            for departure in self._signs.at_the_end(self._schedulers, self._ledger.used):
                self._report(departure)
        self._sizes.drop()
        self._handles, self._schedulers = [], None
        _WATCHED.discard(self._optimizer)
        self._settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rates_now(self) -> tuple[float, ...]:
        return tuple([float(group["lr"]) for group in self._optimizer.param_groups])

    def _after_loading(self, _: Optimizer) -> None:
        self._resumed = True
        self._signs.loaded = self._rates_now()

    def _before_step(self, _: Optimizer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        flag = getattr(self._optimizer, "found_inf", None)  # a fused optimizer is told of an overflow, and skips
        if flag is not None and bool(flag):
            self._rates = None
            return
        rates = self._rates_now()
        if self._plan is None:
            self._look(rates)
        else:
            self._compare(self._plan, rates)
        self._rates, self._resumed = rates, False
        if len(self._ledger.used) % self._every == 0:
            closure = args[1] if len(args) > 1 else keywords.get("closure")
            self._sizes.begin(with_gradient=closure is None)

    def _after_step(self, *_: Any) -> None:
        if self._rates is None:
            return
        step = self._ledger.count
        self._ledger.used.append(self._rates)
        if self._sizes.begun:
            norm, ratios = self._sizes.end()
            for name, ratio in ratios.items():
                self._ratios.setdefault(name, {})[step] = ratio
            self._ledger.measured[step] = norm, median(ratios.values()) if ratios else math.nan
            self._settle()

    def _compare(self, plan: Plan, rates: tuple[float, ...]) -> None:
        step, ledger = self._ledger.count, self._ledger
        del ledger.planned[len(ledger.used) :]  # that of an update that was begun and failed
        plan.settle(step, rates)
        planned = plan.rates(step)
        self._peak = max(self._peak, *planned)
        came = range(len(ledger.used[-1]), len(rates)) if ledger.used else ()
        off: set[int] = set()
        if rates != planned:  # as a rule they are equal to the bit
            tensor = any(isinstance(group["lr"], Tensor) for group in self._optimizer.param_groups)
            tolerance = max(self._tolerance, 1e-4) if tensor else self._tolerance
            off = {g for g in range(len(rates)) if is_off(rates[g], planned[g], self._peak, tolerance)}
            for group in [g for g in off if plan.has_joined(g)]:
                plan.rejoin(step, group)
                planned = plan.rates(step)
                off -= set() if is_off(rates[group], planned[group], self._peak, tolerance) else {group}
        ledger.planned.append(planned)
        for group in came:
            due = plan.joins(step, group, rates[group])
            if due is not None:
                why = f"joined at {rates[group] / due:.4g} × the plan: give it the rate that is due"
                self._report(Departure(step, group, due, rates[group], why))
        if off - self._off:
            self._explain(plan, rates, sorted(off - self._off), tolerance)
        self._off = off

    def _explain(self, plan: Plan, rates: tuple[float, ...], groups: list[int], tolerance: float) -> None:
        used, planned = self._ledger.used, self._ledger.planned[-1]
        found, scaler = drivers(self._optimizer), under_scaler()
        for group in groups:
            evidence = Evidence(
                step=self._ledger.count,
                group=group,
                used=rates,
                planned=planned,
                before=used[-1] + rates[len(used[-1]) :] if used else None,
                resumed=self._resumed,
                stretch=plan.stretch,
                total_steps=plan.total_steps,
                tolerance=tolerance,
                start=self._ledger.start,
                drivers=states(found),
                driven=bool(found),
                scaler=scaler,
            )
            why = evidence.explain()
            self._report(Departure(self._ledger.count, group, planned[group], rates[group], why))

    def _look(self, rates: tuple[float, ...]) -> None:
        """Without a plan: what looks wrong by itself."""
        ledger = self._ledger
        del ledger.planned[len(ledger.used) :]  # that of an update that was begun and failed
        ledger.planned.append((math.nan,) * len(rates))
        if self._schedulers is None:
            self._schedulers = drivers(self._optimizer)
        for departure in self._signs.at(ledger.count, rates, ledger.used, self._schedulers, resumed=self._resumed):
            self._report(departure)

    def _report(self, departure: Departure) -> None:
        if departure not in self._departures:
            self._departures.append(departure)
            self._tell(departure)

    def _settle(self) -> None:
        """Turn the losses that a device still holds into numbers, with one wait for all."""
        if self._pending:
            steps, values = zip(*self._pending, strict=True)
            self._pending = []
            for step, value in zip(steps, torch.stack([v.reshape(()).float() for v in values]).tolist(), strict=True):
                self._ledger.add_loss(step, value)


def _unwrapped(optimizer: Any) -> Optimizer:
    inner, found = optimizer, None
    for _ in range(8):
        found = inner if isinstance(inner, Optimizer) else found
        inner = getattr(inner, "optimizer", None)
    if found is None:
        _check.fail("optimizer", "a torch.optim.Optimizer", optimizer, error=TypeError)
    return found


def _warn(departure: Departure) -> None:
    warnings.warn(str(departure), UserWarning, stacklevel=7)
