"""The book's tasks on real data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from lrlib import _check, data, models
from lrlib.data import Dataset
from lrlib.streams import stream
from lrlib.tasks.losses import accuracy, cross_entropy
from lrlib.tasks.task import Task

_METRICS = {"accuracy": accuracy}


def digits_mlp(
    *,
    hidden: Sequence[int] = (64, 64),
    activation: str = "relu",
    examples: int | None = None,
    shift: bool = False,
    label_noise: float = 0.0,
    seed: int = 0,
) -> Task:
    """A multilayer perceptron on the 8 × 8 digits.

    Args:
        hidden: units of the hidden layers.
        activation: as in :func:`lrlib.models.mlp`.
        examples: train on the first so many only, 1 to 1437; on all if not given.
        shift: move each training image by up to one pixel at random.
        label_noise: the share of training labels, 0 to 1, that are replaced by a wrong one; validation labels stay
            right.
        seed: decides which examples are held out and which labels are wrong, each by a stream of its own: an experiment
            whose intervals are to cover both makes the task anew for each of its seeds.
    """
    name, images = "digits", data.digits(seed=seed)
    if examples is not None:
        some = _check.integer("examples", examples, at_least=1, at_most=len(images.train[1]))
        name, images = f"{some} digits", replace(images, train=(images.train[0][:some], images.train[1][:some]))
    return _mlp(name, images, hidden, activation, shift, label_noise, seed)


def digits_cnn(
    *, channels: Sequence[int] = (8, 16), shift: bool = False, label_noise: float = 0.0, seed: int = 0
) -> Task:
    """A convolutional network on the 8 × 8 digits; other arguments as in :func:`digits_mlp`."""
    model = partial(models.cnn, channels=channels)
    return _images("digits CNN", data.digits(seed=seed), model, shift, label_noise, seed)


def mnist_mlp(
    *,
    hidden: Sequence[int] = (32,),
    activation: str = "relu",
    shift: bool = False,
    label_noise: float = 0.0,
    seed: int = 0,
) -> Task:
    """A multilayer perceptron on 28 × 28 digits of MNIST, 4,000 to train on; arguments as in :func:`digits_mlp`."""
    return _mlp("MNIST", data.mnist(seed=seed), hidden, activation, shift, label_noise, seed)


def mnist_cnn(
    *, channels: Sequence[int] = (8, 16), shift: bool = False, label_noise: float = 0.0, seed: int = 0
) -> Task:
    """A convolutional network on 28 × 28 digits of MNIST; other arguments as in :func:`digits_mlp`."""
    model = partial(models.cnn, channels=channels, side=28)
    return _images("MNIST CNN", data.mnist(seed=seed), model, shift, label_noise, seed)


def _mlp(
    name: str, images: Dataset, hidden: Sequence[int], activation: str, shift: bool, label_noise: float, seed: int
) -> Task:
    sizes = (images.train[0].shape[1], *_check.integers("hidden", hidden, at_least=1), 10)
    model = partial(models.mlp, sizes, activation=activation)
    return _images(f"{name} MLP " + "-".join(map(str, sizes)), images, model, shift, label_noise, seed)


def _images(
    name: str, images: Dataset, model: Callable[[], nn.Module], shift: bool, label_noise: float, seed: int
) -> Task:
    augment = shift_images if _check.boolean("shift", shift) else None
    share = _check.real("label_noise", label_noise, at_least=0, at_most=1)
    inputs, labels = images.train
    if share > 0:
        labels = wrong_labels(labels, share=share, classes=10, seed=seed)
        name += f", {share:.0%} wrong labels"
    return Task(name, model, (inputs, labels), images.validation, cross_entropy, _METRICS, augment)


def wrong_labels(labels: Tensor, *, share: float, classes: int, seed: int = 0) -> Tensor:
    """``labels`` (examples,) with a ``share`` of them, drawn by ``seed``, moved to another class."""
    generator = stream("labels", seed)
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    shift = torch.randint(1, classes, (len(chosen),), generator=generator)
    noisy = labels.clone()
    noisy[chosen] = (noisy[chosen] + shift) % classes
    return noisy


def shift_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flat square images (batch, side * side), each moved by -1, 0 or 1 pixel along both axes; zeros move in."""
    side = round(images.shape[-1] ** 0.5)
    padded = torch.nn.functional.pad(images.view(-1, side, side), (1, 1, 1, 1))
    places = padded.unfold(1, side, 1).unfold(2, side, 1)  # (batch, 3, 3, side, side), a view
    rows, columns = torch.randint(3, (len(images), 2), generator=generator, device=images.device).T
    return places[torch.arange(len(images), device=images.device), rows, columns].flatten(1)


def pydoc_transformer(
    *, context: int = 32, width: int = 32, heads: int = 4, layers: int = 2, pre_norm: bool = True, seed: int = 0
) -> Task:
    """A character transformer that predicts the next character of Python's help text; loss in nats a character.

    ``seed`` decides which part of the text is held out.
    """
    text = data.pydoc_text(context=context, seed=seed)
    model = partial(models.CharTransformer, context=context, width=width, heads=heads, layers=layers, pre_norm=pre_norm)
    return Task("pydoc transformer", model, text.train, text.validation, cross_entropy, _METRICS)


def breast_cancer_mlp(*, hidden: Sequence[int] = (32,), seed: int = 0) -> Task:
    """A multilayer perceptron on the breast cancer table: 30 measurements, 2 classes; ``seed`` decides the split."""
    table = data.breast_cancer(seed=seed)
    hidden = _check.integers("hidden", hidden, at_least=1)
    return Task(
        "breast cancer MLP",
        partial(models.mlp, (30, *hidden, 2)),
        table.train,
        table.validation,
        cross_entropy,
        _METRICS,
    )
