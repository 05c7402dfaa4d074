"""A watch over a torch training loop: the rates that its updates use, and what these do to the weights."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrlib import _check
from lrlib.diagnostics.torch_schedulers import drivers, under_scaler
from lrlib.diagnostics.update_sizes import UpdateSizes
from lrlib.diagnostics.watched_run import Tell, WatchedRun

_WATCHED: WeakSet[Optimizer] = WeakSet()
_RATE = itemgetter("lr")


class Monitor(WatchedRun):
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
            At such an update a copy of the weights is held; of a tensor with more than 131,072 numbers one of some tens
            of thousands of them, spread evenly, which its ratio is taken from.
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
        self._layers = _layers(optimizer)
        self._optimizer: Optimizer = self._layers[-1]
        self._every = _check.integer("every", every, at_least=1)
        super().__init__(
            self._rates_now(),
            planned=planned,
            start=start,
            tolerance=tolerance,
            on_departure=on_departure,
            source=f"watched {type(self._optimizer).__name__}",
        )
        if self._optimizer in _WATCHED:
            _check.fail("optimizer", "watched by one monitor at a time: close() the other", optimizer)
        names = {id(tensor): name for name, tensor in model.named_parameters()}
        self._sizes = UpdateSizes(self._optimizer, names)
        self._schedulers: list[LRScheduler] | None = None
        _WATCHED.add(self._optimizer)
        before, after = self._hooks()
        self._handles = [
            self._optimizer.register_step_pre_hook(before),
            self._optimizer.register_step_post_hook(after),
            self._optimizer.register_load_state_dict_post_hook(self._after_loading),
        ]

    @property
    def update_ratios(self) -> Mapping[str, Mapping[int, float]]:
        """Size of the update over size of the weights of every tensor, by its name and the number of the update.

        Of a tensor with more than 131,072 numbers it is that of some tens of thousands of them, spread evenly.
        """
        return self._sizes.ratios()

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
        return tuple(map(float, map(_RATE, self._optimizer.param_groups)))

    def _drivers(self) -> list[LRScheduler]:
        if self._plan is not None:  # asked for where the plan was left
            return drivers(self._layers)
        if self._schedulers is None:
            self._schedulers = drivers(self._layers)
        return self._schedulers

    def _rounding(self) -> float:
        return 1e-4 if any(isinstance(group["lr"], Tensor) for group in self._optimizer.param_groups) else 0.0

    def _under_scaler(self) -> bool:
        return under_scaler()

    def _after_loading(self, _: Optimizer) -> None:
        self._resumed, self._schedulers = True, None
        self._signs.loaded = self._rates_now()

    def _hooks(self) -> tuple[Callable[..., None], Callable[..., None]]:
        """What is called before and after each update.

        Between two calls the processor has done a whole update, and has this code to fetch anew: few calls and names.
        """
        used, sizes, every = self._ledger.used, self._sizes, self._every
        as_planned, check = self._as_planned, self._check_rates
        rates: tuple[float, ...] | None = None

        def before(optimizer: Optimizer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            nonlocal rates
            flag = getattr(optimizer, "found_inf", None)  # a fused optimizer is told of an overflow, and skips
            if flag is not None and bool(flag):
                rates = None
                return
            rates = tuple(map(float, map(_RATE, optimizer.param_groups)))
            if not as_planned(rates):
                check(rates)
            if len(used) % every == 0:
                closure = args[1] if len(args) > 1 else keywords.get("closure")
                sizes.begin(with_gradient=closure is None)

        def after(*_: Any) -> None:
            if rates is not None:
                if sizes.begun:
                    sizes.end(self._ledger.count)
                used.append(rates)

        return before, after

    def _settle(self) -> None:
        super()._settle()
        self._ledger.measured = self._sizes.measured()


def _layers(optimizer: Any) -> list[Any]:
    """The optimizer and what it wraps, down to the one that makes the updates."""
    layers: list[Any] = [optimizer]
    while getattr(layers[-1], "optimizer", None) is not None and len(layers) < 8:
        layers.append(layers[-1].optimizer)
    while layers and not isinstance(layers[-1], Optimizer):
        layers.pop()
    if not layers:
        _check.fail("optimizer", "a torch.optim.Optimizer", optimizer, error=TypeError)
    return layers
