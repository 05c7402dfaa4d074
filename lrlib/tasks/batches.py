"""Which examples each update sees: a function of the seed alone."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lrlib import _check
from lrlib.tasks.task import Task


def batch_order(examples: int, *, batch_size: int, steps: int, seed: int) -> Tensor:
    """Indices (steps, batch_size) of the minibatches: one random permutation per epoch, a short last batch dropped.

    >>> batch_order(5, batch_size=2, steps=3, seed=0).shape
    torch.Size([3, 2])
    """
    _check.integer("batch_size", batch_size, at_least=1, at_most=examples)
    generator = torch.Generator().manual_seed(seed)
    per_epoch = examples // batch_size
    epochs = -(-steps // per_epoch)
    orders = [torch.randperm(examples, generator=generator)[: per_epoch * batch_size] for _ in range(epochs)]
    return torch.cat(orders).view(-1, batch_size)[:steps]


def augment_batch(task: Task, inputs: Any, *, seed: int, step: int) -> Any:
    """The task's augmentation of one minibatch, drawn from the run's seed and the step alone."""
    if task.augment is None:
        return inputs
    generator = torch.Generator(device=tree_leaves(inputs)[0].device).manual_seed((seed << 32) + step)
    return task.augment(inputs, generator)
