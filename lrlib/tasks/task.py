"""The task: model, data, loss and metrics as one value."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves

from lrlib import _check
from lrlib.tasks.trial import trial

Split = tuple[Any, Any]
Measure = Callable[[Any, Any], Tensor]


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that a run needs but the learning rate and how to use it.

    Inputs and targets are tensors, or tuples, lists and dictionaries of tensors, whose first axis counts examples. A
    tuple of inputs is passed to the module as its positional arguments, a dictionary as its keyword arguments,
    anything else as its one argument; the loss and the metrics get outputs and targets as they are.

    Two examples are tried when a task is made, on copies, so the reader's modules and random state stay as they are.
    Parameters with ``requires_grad=False``, and those that the loss does not depend on, are never changed and count
    in no norm, as with ``torch.optim``. A module that ``torch.func.vmap`` cannot run, such as an LSTM or one that
    branches on values, is trained one run at a time, and a warning says so.

    Args:
        name: what figures call it.
        model: makes a fresh, randomly initialized module; called under the run's seed. Modules may share frozen
            parameters, but none that is trained.
        train: inputs and targets (examples, ...) to learn from.
        validation: inputs and targets (examples, ...) held out.
        loss: ``loss(outputs, targets)``, a scalar tensor: the mean over the batch.
        metrics: further scalars, by name, with the loss's arguments.
        augment: ``augment(inputs, generator)`` changes a minibatch (batch, ...) at random, drawing from ``generator``.

    Attributes:
        trained: names of the parameters that training changes, in the module's order.
        stacking: how many copies of the model run at once, one of :data:`lrlib.models.STACKINGS`.
        draws: whether the module draws random numbers, as dropout does.

    Raises:
        TypeError, ValueError: for arguments that do not fit, for data with NaN or infinity, for a loss that is
            no scalar or leaves the world of tensors, for a model with nothing to train or that fails, by its name.

    >>> import torch
    >>> from lrlib.tasks import Task, mean_squared_error
    >>> x = torch.linspace(-1, 1, 8).reshape(8, 1)
    >>> line = Task("line", lambda: torch.nn.Linear(1, 1), (x, 2 * x), (x, 2 * x), mean_squared_error)
    >>> line.examples, line.trained
    (8, ('weight', 'bias'))
    """

    name: str
    model: Callable[[], nn.Module] = field(repr=False)
    train: Split = field(repr=False)
    validation: Split = field(repr=False)
    loss: Measure = field(repr=False)
    metrics: Mapping[str, Measure] = field(default_factory=dict, repr=False)
    augment: Callable[[Any, torch.Generator], Any] | None = field(default=None, repr=False)
    trained: tuple[str, ...] = field(init=False, repr=False)
    stacking: str = field(init=False, repr=False)
    draws: bool = field(init=False, repr=False)

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
        tried = trial(self.model, self.train, self.validation, {"loss": self.loss, **self.metrics})
        for name in ("trained", "stacking", "draws"):
            object.__setattr__(self, name, getattr(tried, name))
        if self.stacking == "loop":
            warnings.warn(f"{self.name}: runs are trained one at a time, since {tried.reason}", stacklevel=3)

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy does not pickle
        metrics = dict(self.metrics)
        return Task, (self.name, self.model, self.train, self.validation, self.loss, metrics, self.augment)

    @property
    def examples(self) -> int:
        """How many training examples there are."""
        return len(tree_leaves(self.train)[0])


def _split(name: str, split: object) -> None:
    need = "a pair (inputs, targets) of tensors, or of tuples, lists or dictionaries of tensors, with as many examples"
    if not isinstance(split, tuple) or len(split) != 2:
        _check.fail(name, need, split, error=TypeError)
    if not all(tree_leaves(part) for part in split):
        _check.fail(name, need, split)
    leaves = {
        f"{name} {part}{keystr(path)}": leaf
        for part, tree in zip(("inputs", "targets"), split, strict=True)
        for path, leaf in tree_flatten_with_path(tree)[0]
    }
    for label, leaf in leaves.items():
        if not isinstance(leaf, Tensor):
            _check.fail(label, "a tensor", leaf, error=TypeError)
    shapes = {label: tuple(leaf.shape) for label, leaf in leaves.items()}
    if any(not shape or not shape[0] for shape in shapes.values()) or len({shape[0] for shape in shapes.values()}) > 1:
        _check.fail(name, need, shapes)
    for label, leaf in leaves.items():
        if leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()):
            bad = int((~torch.isfinite(leaf)).sum())
            _check.fail(label, "free of NaN and infinity", f"{bad} such entries")
