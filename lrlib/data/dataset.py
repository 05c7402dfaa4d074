"""A data set: inputs and targets, for training and for validation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrlib import _check
from lrlib.streams import stream


@dataclass(frozen=True)
class Dataset:
    """Inputs and targets whose first axis counts examples; floating inputs are float64 until a run casts them.

    Sets of larger images keep float32. The loaders' ``seed`` decides which examples are held out.

    >>> from lrlib import data
    >>> data.digits().train[0].shape
    torch.Size([1437, 64])
    """

    name: str
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]


def shuffled(examples: int, *, seed: int) -> np.ndarray:
    """A random order (examples,) whose last part is what ``seed`` holds out."""
    return torch.randperm(examples, generator=stream("split", seed)).numpy()


def split(
    name: str, inputs: np.ndarray, targets: np.ndarray, *, validation_fraction: float = 0.2, seed: int = 0
) -> Dataset:
    """Shuffle the examples with ``seed``, hold out the last part, and standardize by the training part.

    ``inputs`` (examples, ...) are shifted and scaled by one mean and one standard deviation per feature,
    taken over the training examples; a constant feature is only shifted.
    """
    _check.real("validation_fraction", validation_fraction, above=0, below=1)
    order = shuffled(len(inputs), seed=seed)
    held_out = max(1, round(len(inputs) * validation_fraction))
    first, last = order[:-held_out], order[-held_out:]
    mean, deviation = inputs[first].mean(axis=0), inputs[first].std(axis=0)
    inputs = (inputs - mean) / np.where(deviation > 0, deviation, 1.0)
    x, y = torch.from_numpy(inputs), torch.from_numpy(np.ascontiguousarray(targets))
    return Dataset(name, (x[first], y[first]), (x[last], y[last]))
