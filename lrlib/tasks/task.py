"""The task: model, data, loss and metrics as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn

from lrlib import _check

Split = tuple[Tensor, Tensor]
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that a run needs but the learning rate and how to use it.

    Args:
        name: what figures call it.
        model: makes a fresh, randomly initialized module; called under the run's seed.
        train: inputs and targets (examples, ...) to learn from.
        validation: inputs and targets (examples, ...) held out.
        loss: ``loss(outputs, targets)``, a scalar tensor: the mean over the batch.
        metrics: further scalars, by name, with the loss's arguments.
        augment: ``augment(inputs, generator)`` changes a minibatch (batch, ...) at random, drawing from ``generator``.

    Raises:
        TypeError, ValueError: for arguments that do not fit, for data with NaN or infinity, for a loss that is
            no scalar.

    >>> import torch
    >>> from lrlib.tasks import Task, mean_squared_error
    >>> x = torch.linspace(-1, 1, 8).reshape(8, 1)
    >>> line = Task("line", lambda: torch.nn.Linear(1, 1), (x, 2 * x), (x, 2 * x), mean_squared_error)
    """

    name: str
    model: Callable[[], nn.Module] = field(repr=False)
    train: Split = field(repr=False)
    validation: Split = field(repr=False)
    loss: Measure = field(repr=False)
    metrics: Mapping[str, Measure] = field(default_factory=dict, repr=False)
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check.function("model", self.model)
        _check.function("loss", self.loss)
        for name, metric in self.metrics.items():
            _check.function(f"metrics[{name!r}]", metric)
        if self.augment is not None:
            _check.function("augment", self.augment)
        _split("train", self.train)
        _split("validation", self.validation)
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))
        self._check_scalars()

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy does not pickle
        metrics = dict(self.metrics)
        return Task, (self.name, self.model, self.train, self.validation, self.loss, metrics, self.augment)

    @property
    def examples(self) -> int:
        """How many training examples there are."""
        return len(self.train[0])

    def _check_scalars(self) -> None:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model = self.model()
            if not isinstance(model, nn.Module):
                _check.fail("model", "a function that returns a torch.nn.Module", model, error=TypeError)
            if not any(True for _ in model.parameters()):
                _check.fail("model", "a function that returns a module with parameters", model)
            inputs, targets = (tensor[:2] for tensor in self.train)
            if inputs.is_floating_point():
                inputs = inputs.to(next(model.parameters()).dtype)
            if targets.is_floating_point():
                targets = targets.to(next(model.parameters()).dtype)
            outputs = model(inputs)
            for name, measure in {"loss": self.loss, **self.metrics}.items():
                value = measure(outputs, targets)
                if not isinstance(value, Tensor):
                    _check.fail(name, "a function that returns a scalar tensor", value, error=TypeError)
                if value.shape != ():
                    shape = tuple(value.shape)
                    _check.fail(name, "a function that returns a scalar tensor", f"one of shape {shape}")


def _split(name: str, split: object) -> None:
    need = "a pair (inputs, targets) of tensors with as many examples"
    if not isinstance(split, tuple) or len(split) != 2 or not all(isinstance(part, Tensor) for part in split):
        _check.fail(name, need, split, error=TypeError)
    if any(part.dim() == 0 or len(part) == 0 for part in split) or len(split[0]) != len(split[1]):
        _check.fail(name, need, [tuple(part.shape) for part in split])
    for part, tensor in zip(("inputs", "targets"), split, strict=True):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            _check.fail(f"{name} {part}", "free of NaN and infinity", f"{bad} such entries")
