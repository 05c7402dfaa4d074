"""Which examples each update sees, and how they are changed: functions of the seed and the step alone."""

import torch
from torch import Tensor

from lrlib import _check
from lrlib.streams import stream
from lrlib.tasks.task import Task


def batch_order(examples: int, *, batch_size: int, steps: int, seed: int, first: int = 0) -> Tensor:
    """Indices (steps, batch_size) of the minibatches of ``steps`` updates, beginning with update number ``first``.

    Each epoch has a random permutation of its own, whose short last batch is dropped, so a long run may ask for a
    window of it at a time. A full batch holds all examples as they lie, one row for all steps without a copy.

    >>> batch_order(5, batch_size=2, steps=3, seed=0).shape
    torch.Size([3, 2])
    >>> batch_order(3, batch_size=3, steps=2, seed=0)
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    _check.integer("batch_size", batch_size, at_least=1, at_most=examples)
    _check.integer("first", first, at_least=0)
    if batch_size == examples:
        return torch.arange(examples).expand(steps, examples)
    per_epoch = examples // batch_size
    epochs = range(first // per_epoch, -(-(first + steps) // per_epoch))
    orders = [torch.randperm(examples, generator=stream("order", seed, epoch)) for epoch in epochs]
    batches = torch.cat([order[: per_epoch * batch_size].view(-1, batch_size) for order in orders])
    return batches[first % per_epoch :][:steps]


def augment_batch(task: Task, inputs: Tensor, *, seed: int, step: int) -> Tensor:
    """The task's augmentation of one minibatch, drawn from the seed's stream of augmentation at this step."""
    if task.augment is None:
        return inputs
    return task.augment(inputs, stream("augmentation", seed, step, device=inputs.device))
