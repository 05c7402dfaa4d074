"""The book's tasks on real data."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from lrlib import _check, data, models
from lrlib.tasks.losses import accuracy, cross_entropy
from lrlib.tasks.task import Task

_METRICS = {"accuracy": accuracy}


def digits_mlp(
    *, hidden: Sequence[int] = (64, 64), activation: str = "relu", shift: bool = False, label_noise: float = 0.0
) -> Task:
    """A multilayer perceptron on the 8 × 8 digits.

    Args:
        hidden: units of the hidden layers.
        activation: as in :func:`lrlib.models.mlp`.
        shift: move each training image by up to one pixel at random.
        label_noise: the share of training labels, 0 to 1, that are replaced by a wrong one, the same ones at each call;
            validation labels stay right.
    """
    hidden = _check.integers("hidden", hidden, at_least=1)
    model = partial(models.mlp, (64, *hidden, 10), activation=activation)
    return _images("digits MLP " + "-".join(map(str, (64, *hidden, 10))), model, shift=shift, label_noise=label_noise)


def digits_cnn(*, channels: Sequence[int] = (8, 16), shift: bool = False, label_noise: float = 0.0) -> Task:
    """A convolutional network on the 8 × 8 digits; ``shift`` and ``label_noise`` as in :func:`digits_mlp`."""
    return _images("digits CNN", partial(models.cnn, channels=channels), shift=shift, label_noise=label_noise)


def _images(name: str, model: partial, *, shift: bool, label_noise: float) -> Task:
    digits = data.digits()
    augment = shift_images if _check.boolean("shift", shift) else None
    share = _check.real("label_noise", label_noise, at_least=0, at_most=1)
    inputs, labels = digits.train
    if share > 0:
        labels = wrong_labels(labels, share=share, classes=10)
        name += f", {share:.0%} wrong labels"
    return Task(name, model, (inputs, labels), digits.validation, cross_entropy, _METRICS, augment)


def wrong_labels(labels: Tensor, *, share: float, classes: int) -> Tensor:
    """``labels`` (examples,) with a ``share`` of them, drawn with a seed of their own, moved to another class."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    shift = torch.randint(1, classes, (len(chosen),), generator=generator)
    noisy = labels.clone()
    noisy[chosen] = (noisy[chosen] + shift) % classes
    return noisy


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
