"""The book's tasks on real data."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from lrlib import _check, data, models
from lrlib.tasks.losses import accuracy, cross_entropy
from lrlib.tasks.task import Task

_METRICS = {"accuracy": accuracy}


def digits_mlp(*, hidden: Sequence[int] = (64, 64), activation: str = "relu", shift: bool = False) -> Task:
    """A multilayer perceptron on the 8 × 8 digits; ``shift`` moves each training image by up to one pixel at random."""
    hidden = _check.integers("hidden", hidden, at_least=1)
    model = partial(models.mlp, (64, *hidden, 10), activation=activation)
    return _images("digits MLP " + "-".join(map(str, (64, *hidden, 10))), model, shift=shift)


def digits_cnn(*, channels: Sequence[int] = (8, 16), shift: bool = False) -> Task:
    """A convolutional network on the 8 × 8 digits; ``shift`` as in :func:`digits_mlp`."""
    return _images("digits CNN", partial(models.cnn, channels=channels), shift=shift)


def _images(name: str, model: partial, *, shift: bool) -> Task:
    digits = data.digits()
    augment = shift_images if _check.boolean("shift", shift) else None
    return Task(name, model, digits.train, digits.validation, cross_entropy, _METRICS, augment)


def shift_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flat square images (batch, side * side), each moved by -1, 0 or 1 pixel along both axes; zeros move in."""
    side = round(images.shape[-1] ** 0.5)
    padded = torch.nn.functional.pad(images.view(-1, side, side), (1, 1, 1, 1))
    offset = torch.randint(3, (len(images), 2), generator=generator, device=images.device)
    line = torch.arange(side, device=images.device)
    rows, columns = offset[:, :1] + line, offset[:, 1:] + line  # (batch, side)
    example = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]].flatten(1)


def pydoc_transformer(
    *, context: int = 32, width: int = 32, heads: int = 4, layers: int = 2, pre_norm: bool = True
) -> Task:
    """A character transformer that predicts the next character of Python's help text; loss in nats a character."""
    text = data.pydoc_text(context=context)
    model = partial(models.CharTransformer, context=context, width=width, heads=heads, layers=layers, pre_norm=pre_norm)
    return Task("pydoc transformer", model, text.train, text.validation, cross_entropy, _METRICS)


def breast_cancer_mlp(*, hidden: Sequence[int] = (32,)) -> Task:
    """A multilayer perceptron on the breast cancer table: 30 measurements, 2 classes."""
    table = data.breast_cancer()
    hidden = _check.integers("hidden", hidden, at_least=1)
    return Task(
        "breast cancer MLP",
        partial(models.mlp, (30, *hidden, 2)),
        table.train,
        table.validation,
        cross_entropy,
        _METRICS,
    )
