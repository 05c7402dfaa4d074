"""The task: model, data, loss and metrics as one value."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lrlib import _check
from lrlib.tasks.splits import Split, check_split, gathered
from lrlib.tasks.trial import trial

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
        check_split("train", self.train)
        check_split("validation", self.validation)
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))
        tried = trial(self.model, self.train, self.validation, {"loss": self.loss, **self.metrics})
        for name in ("trained", "stacking", "draws"):
            object.__setattr__(self, name, getattr(tried, name))
        if self.stacking == "loop":
            warnings.warn(f"{self.name}: runs are trained one at a time, since {tried.reason}", stacklevel=3)

    @classmethod
    def from_loaders(
        cls,
        name: str,
        model: Callable[[], nn.Module],
        train: Iterable[Any],
        validation: Iterable[Any],
        loss: Measure,
        *,
        limit: int | None = None,
        pair: Callable[[Any], Any] | None = None,
        metrics: Mapping[str, Measure] | None = None,
        augment: Callable[[Any, torch.Generator], Any] | None = None,
    ) -> Self:
        """A task of the examples that two loaders give, ``DataLoader`` or any other iterable of batches.

        Each loader is gone through once, here, as far as ``limit`` needs, with its own collation; the examples then
        stay in memory, and a run draws its minibatches from them by its own seed. So a random transform of the data
        set is drawn once for all epochs: hand it over as ``augment``. Data that do not fit in memory cannot be swept
        over; take a part of them, or :func:`lrlib.range_tests.range_test` and :class:`lrlib.diagnostics.Monitor`,
        which work on a training loop with its loader.

        Args:
            limit: gather at most so many examples from each loader, the first ones; needed where a loader is endless
                or does not know its length.
            pair: ``pair(batch)`` gives ``(inputs, targets)``; where it is not given, batches are such pairs.
            name, model, loss, metrics, augment: as for the class.

        Raises:
            TypeError, ValueError: for an empty or endless loader, for batches that differ in more than their number of
                examples, and for what the class refuses.

        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from lrlib.tasks import Task, mean_squared_error
        >>> x = torch.linspace(-1, 1, 20).reshape(20, 1)
        >>> loader = DataLoader(TensorDataset(x, 2 * x), batch_size=8, shuffle=True)
        >>> Task.from_loaders("line", lambda: torch.nn.Linear(1, 1), loader, loader, mean_squared_error).examples
        20
        """
        _check.function("model", model)
        if pair is not None:
            _check.function("pair", pair)
        if limit is not None:
            _check.integer("limit", limit, at_least=1)
        first = gathered("train", train, limit=limit, pair=pair)
        held_out = gathered("validation", validation, limit=limit, pair=pair)
        return cls(name, model, first, held_out, loss, metrics or {}, augment)

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy does not pickle
        metrics = dict(self.metrics)
        return Task, (self.name, self.model, self.train, self.validation, self.loss, metrics, self.augment)

    @property
    def examples(self) -> int:
        """How many training examples there are."""
        return len(tree_leaves(self.train)[0])
