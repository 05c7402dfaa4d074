"""The range test of any torch model: a rate that rises from update to update, and everything put back afterwards."""

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrlib import _check
from lrlib.range_tests.batches import endless
from lrlib.range_tests.restoring import restored
from lrlib.range_tests.result import RangeTest

Loss = Callable[[nn.Module, Any], Tensor]

SPACINGS = ("exponential", "linear")
SKIPPED = 30  # times in a row that a gradient scaler may refuse an update: from 2**16 it halves 16 times down to 1


def range_test(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Iterable[Any],
    loss: Loss,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    spacing: str = "exponential",
    accumulate: int = 1,
    validation: Iterable[Any] | None = None,
    autocast: AbstractContextManager[Any] | None = None,
    scaler: Any = None,
    threshold: float = 4.0,
) -> RangeTest:
    """Train for ``steps`` updates while the rate rises from ``low`` to ``high``, then put everything back.

    Model, optimizer and random states are afterwards as they were before, to the bit, also after an error or an
    interrupt; see :func:`~lrlib.range_tests.restored`. A loss that blows up ends the test and is no error.

    Args:
        model: what to train; it is switched to training mode unless it is in it, so that layers that you froze in
            evaluation mode stay so.
        optimizer: any whose ``step`` needs no closure, with its state. Its highest group gets the rate, the others
            keep their ratio to it. A scheduler that is attached to it is left alone.
        loader: batches of any kind: a ``DataLoader``, a list, a generator. It is begun anew at its end; a generator,
            which cannot be, then ends the test.
        loss: ``loss(model, batch)``, a scalar tensor; moves the batch to the model's device if need be.
        low, high: the rates of the first and the last update.
        steps: how many updates, at least 2.
        spacing: ``"exponential"`` or ``"linear"``.
        accumulate: batches an update; their losses are averaged.
        validation: batches to judge by, such as a list of a few: after each update their mean loss is taken in
            evaluation mode.
        autocast: the context of the forward pass, such as ``torch.autocast("cuda", torch.float16)``.
        scaler: a ``torch.amp.GradScaler``. An update that it skips is no rate tried, and is made again.
        threshold: the test ends when the debiased running mean of the loss is above so many times its least value,
            and above its first.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x = torch.arange(32.0).reshape(8, 4) / 32
    >>> batches = [(x, x.sum(1, keepdim=True))]
    >>> def loss(model, batch):
    ...     return (model(batch[0]) - batch[1]).square().mean()
    >>> result = range_test(model, optimizer, batches, loss)
    >>> result.stopped_because
    'its smoothed loss is more than 4 times the least'
    >>> optimizer.param_groups[0]["lr"]
    0.1

    Source: L. Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.
    """
    if not isinstance(model, nn.Module):
        _check.fail("model", "a torch.nn.Module", model, error=TypeError)
    if not isinstance(optimizer, torch.optim.Optimizer):
        _check.fail("optimizer", "a torch.optim.Optimizer", optimizer, error=TypeError)
    if isinstance(optimizer, torch.optim.LBFGS):
        _check.fail("optimizer", "one whose step needs no closure", optimizer)
    for name, batches in (("loader", loader), ("validation", validation)):
        if batches is not None and not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
            _check.fail(name, "something to iterate over, batch by batch", batches, error=TypeError)
    if validation is not None and iter(validation) is validation:
        _check.fail("validation", "batches that can be gone through again, such as a list", validation, error=TypeError)
    _check.function("loss", loss)
    if isinstance(loss, nn.Module):
        need = "a function of (model, batch), such as lambda model, batch: criterion(model(batch[0]), batch[1])"
        _check.fail("loss", need, loss, error=TypeError)
    rates = test_rates(low=low, high=high, steps=steps, spacing=spacing)
    _check.integer("accumulate", accumulate, at_least=1)
    stop = BlowUp(threshold)
    tried, losses, judged = [], [], []
    with restored(model, optimizer, scaler=scaler, loader=loader), torch.enable_grad():
        if not model.training:
            model.train()
        step = _Step(model, optimizer, loader, loss, accumulate, autocast or nullcontext(), scaler)
        held = None if validation is None else _Held(model, validation, loss, autocast or nullcontext())
        for rate in rates.tolist():
            if (value := step(rate)) is None:
                stop.why = step.stopped
                break
            tried.append(rate)
            losses.append(value)
            if held is not None and math.isfinite(value):
                judged.append(held())
            if stop(losses[-1] if held is None else judged[-1] if math.isfinite(value) else value):
                break
    if not tried:
        _check.fail("loader", f"one with at least {accumulate} batch{'es' * (accumulate > 1)} for an update", loader)
    on_validation = None
    if held is not None:
        on_validation = np.array(judged + [math.nan] * (len(losses) - len(judged)))
    return RangeTest(np.array(tried), np.array(losses), on_validation, len(rates), stop.why)


def test_rates(*, low: float, high: float, steps: int, spacing: str) -> np.ndarray:
    """(steps,) the rates of a range test, ``low`` and ``high`` included."""
    low = _check.real("low", low, above=0)
    high = _check.real("high", high, above=low)
    make = np.geomspace if _check.choice("spacing", spacing, SPACINGS) == "exponential" else np.linspace
    return make(low, high, _check.integer("steps", steps, at_least=2))


class BlowUp:
    """Whether a test is over: called with each loss in turn; ``why`` says it in words."""

    def __init__(self, threshold: float, *, beta: float = 0.98) -> None:
        self.threshold, self.beta, self.why = _check.real("threshold", threshold, above=1), beta, ""
        self._mean, self._weight, self._first, self._least = 0.0, 1.0, math.nan, math.inf

    def __call__(self, loss: float) -> bool:
        if not math.isfinite(loss):
            self.why = f"its loss is {loss}"
            return True
        self._mean, self._weight = self.beta * self._mean + (1 - self.beta) * loss, self._weight * self.beta
        smooth = self._mean / (1 - self._weight)
        if math.isnan(self._first):
            self._first = smooth
        self._least = min(self._least, smooth)
        if smooth > max(self._first, self._least + (self.threshold - 1) * abs(self._least)):
            self.why = f"its smoothed loss is more than {self.threshold:g} times the least"
        return bool(self.why)


class _Step:
    """One update at a given rate: its loss, or None where no more can be made; ``stopped`` says why."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loader: Iterable[Any],
        loss: Loss,
        accumulate: int,
        autocast: AbstractContextManager[Any],
        scaler: Any,
    ) -> None:
        self.model, self.optimizer, self.loss, self.stopped = model, optimizer, loss, ""
        self.accumulate, self.autocast, self.scaler = accumulate, autocast, scaler
        self._batches = endless(loader)
        # what an optimizer's own zero_grad does, but for the tenth of a small network's update that its profiling takes
        ours = type(optimizer).zero_grad is torch.optim.Optimizer.zero_grad
        self._cleared = [p for group in optimizer.param_groups for p in group["params"]] if ours else None
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._ratios = [rate / max(rates) if max(rates) > 0 else 1.0 for rate in rates]

    def __call__(self, rate: float) -> float | None:
        for group, ratio in zip(self.optimizer.param_groups, self._ratios, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * ratio)
            else:
                group["lr"] = rate * ratio
        for _ in range(SKIPPED):
            value = self._gradient()
            if value is None or not math.isfinite(value):
                return value
            if self._update():
                return value
        self.stopped = f"the gradient scaler skipped {SKIPPED} updates in a row"
        return None

    def _gradient(self) -> float | None:
        if self._cleared is None:
            self.optimizer.zero_grad()
        for parameter in self._cleared or ():
            parameter.grad = None
        total = 0.0
        for _ in range(self.accumulate):
            try:
                batch = next(self._batches)
            except StopIteration:
                self.stopped = "the loader has come to its end and cannot be begun anew"
                return None
            with self.autocast:
                loss = self.loss(self.model, batch)
            if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
                _check.fail("loss", "a function that returns a scalar tensor that depends on the model", loss)
            share = loss if self.accumulate == 1 else loss / self.accumulate
            total += float(share.detach())
            if not math.isfinite(total):
                return total
            (share if self.scaler is None else self.scaler.scale(share)).backward()
        return total

    def _update(self) -> bool:
        """Whether the update was made, which a gradient scaler may refuse."""
        if self.scaler is None:
            self.optimizer.step()
            return True
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return bool(self.scaler.get_scale() >= before)


class _Held:
    """The mean loss on held-out batches, in evaluation mode."""

    def __init__(
        self, model: nn.Module, batches: Iterable[Any], loss: Loss, autocast: AbstractContextManager[Any]
    ) -> None:
        self.model, self.batches, self.loss, self.autocast = model, batches, loss, autocast

    def __call__(self) -> float:
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with torch.no_grad(), self.autocast:
                values = [float(self.loss(self.model, batch)) for batch in self.batches]
        finally:
            for module, training in modes:
                module.training = training
        if not values:
            _check.fail("validation", "one with at least one batch", self.batches)
        return sum(values) / len(values)
