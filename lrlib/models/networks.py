"""Plain feed-forward networks, as ``nn.Sequential``."""

import itertools
from collections.abc import Sequence

from torch import nn

from lrlib import _check

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def mlp(widths: Sequence[int], *, activation: str = "relu") -> nn.Sequential:
    """A multilayer perceptron: ``widths`` = (inputs, hidden …, outputs), an activation between linear layers.

    >>> mlp((64, 32, 10))
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """
    widths = _check.integers("widths", widths, at_least=1)
    if len(widths) < 2:
        _check.fail("widths", "at least two integers: inputs and outputs", widths)
    make = ACTIVATIONS[_check.choice("activation", activation, ACTIVATIONS)]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), make()]
    return nn.Sequential(*layers[:-1])


def cnn(*, channels: Sequence[int] = (8, 16), classes: int = 10, side: int = 8) -> nn.Sequential:
    """A convolutional network for square grey images given as flat rows of ``side * side`` pixels.

    Each entry of ``channels`` adds a 3 × 3 convolution, a ReLU and a 2 × 2 max pooling; a linear layer closes.
    """
    channels = _check.integers("channels", channels, at_least=1)
    _check.integer("classes", classes, at_least=2)
    if _check.integer("side", side, at_least=1) % 2 ** len(channels):
        _check.fail("side", f"divisible by {2 ** len(channels)}, since it is halved {len(channels)} times", side)
    layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
    for inputs, outputs in zip((1, *channels[:-1]), channels, strict=True):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    final = channels[-1] * (side // 2 ** len(channels)) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(final, classes))
