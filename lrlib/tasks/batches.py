"""Which examples each update sees: a function of the seed alone."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lrlib import _check
from lrlib.streams import stream
from lrlib.tasks.task import Task


def epoch_order(examples: int, *, seed: int, epoch: int) -> Tensor:
    """Indices (examples,) in the order in which epoch number ``epoch``, counted from 0, visits the examples."""
    return torch.randperm(examples, generator=stream("order", seed, epoch))


def batch_order(examples: int, *, batch_size: int, steps: int, seed: int, first: int = 0) -> Tensor:
    """Indices (steps, batch_size) of the minibatches: one random permutation per epoch, a short last batch dropped.

    They are those of ``steps`` updates from number ``first`` on, so a long run may ask for a window at a time.

    A full batch, ``batch_size == examples``, keeps the examples in their order: its rows are one row, shown ``steps``
    times without a copy.

    >>> batch_order(5, batch_size=2, steps=3, seed=0).shape
    torch.Size([3, 2])
    """
    _check.integer("batch_size", batch_size, at_least=1, at_most=examples)
    _check.integer("first", first, at_least=0)
    if batch_size == examples:
        return torch.arange(examples).expand(steps, examples)
    per_epoch = examples // batch_size
    epochs = range(first // per_epoch, -(-(first + steps) // per_epoch))
    orders = [epoch_order(examples, seed=seed, epoch=epoch)[: per_epoch * batch_size] for epoch in epochs]
    return torch.cat(orders).view(-1, batch_size)[first % per_epoch :][:steps]


def augment_batch(task: Task, inputs: Any, *, seed: int, step: int) -> Any:
    """The task's augmentation of one minibatch, drawn from the run's seed and the step alone."""
    if task.augment is None:
        return inputs
    device = tree_leaves(inputs)[0].device
    return task.augment(inputs, stream("augmentation", seed, step, device=device))
