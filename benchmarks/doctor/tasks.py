"""The tasks: those that the thresholds were set on, and others that took no part in it."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lrlib import data, models, tasks
from lrlib.streams import stream
from lrlib.tasks import Task, accuracy, cross_entropy, mean_squared_error, wrong_labels


@dataclass(frozen=True)
class Setting:
    """A task, its minibatch, and for each rule the highest of the nine rates."""

    name: str
    make: Callable[[], Task]
    top: Mapping[str, float]
    batch_size: int = 32


def few(make: Callable[[], Task], examples: int, share: float = 0.0) -> Task:
    """A task with its first training examples alone, a share of them with wrong labels."""
    whole = make()
    inputs, labels = whole.train[0][:examples], whole.train[1][:examples]
    if share:
        labels = wrong_labels(labels, share=share, classes=10, seed=0)
    return Task(whole.name, whole.model, (inputs, labels), whole.validation, whole.loss, whole.metrics)


def split(name: str, model: Callable[[], nn.Module], x: Tensor, y: Tensor, train: int, loss: Callable) -> Task:
    return Task(name, model, (x[:train], y[:train]), (x[train:], y[train:]), loss)


def teacher(widths: tuple[int, ...], student: tuple[int, ...], noise: float, seed: int, train: int = 400) -> Task:
    """Regression on a random network's outputs and noise."""
    generator = stream("data", seed)
    x = torch.randn(train + 300, widths[0], generator=generator)
    y = x
    for a, b in itertools.pairwise(widths):
        y = torch.tanh(y @ torch.randn(a, b, generator=generator) * 1.5 / a**0.5)
    y = y + noise * torch.randn(y.shape, generator=generator)
    return split("teacher", partial(models.mlp, student, activation="tanh"), x, y, train, mean_squared_error)


def mixture(classes: int, distance: float, seed: int, widths: tuple[int, ...], train: int = 600) -> Task:
    """Overlapping Gaussian classes."""
    generator = stream("data", seed)
    centres = distance * torch.randn(classes, widths[0], generator=generator)
    labels = torch.randint(classes, (train + 400,), generator=generator)
    x = centres[labels] + torch.randn(train + 400, widths[0], generator=generator)
    return split("mixture", partial(models.mlp, widths), x, labels, train, cross_entropy)


def spirals(widths: tuple[int, ...], seed: int = 0) -> Task:
    """Three spirals in the plane, with noise."""
    generator = stream("data", seed)
    n = 900
    labels = torch.randint(3, (n,), generator=generator)
    radius = torch.rand(n, generator=generator)
    angle = 4 * radius + 2.0944 * labels + 0.25 * torch.randn(n, generator=generator)
    x = 2 * radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    return split("spirals", partial(models.mlp, widths, activation="tanh"), x, labels, 600, cross_entropy)


def small_images(name: str, model: Callable[[], nn.Module], examples: int = 1500, share: float = 0.0) -> Task:
    """MNIST at 14 × 14 pixels."""
    held = data.mnist()

    def shrink(x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x.view(-1, 1, 28, 28), 2).flatten(1)

    x, y = shrink(held.train[0][:examples]), held.train[1][:examples]
    if share:
        y = wrong_labels(y, share=share, classes=10, seed=0)
    validation = shrink(held.validation[0][:400]), held.validation[1][:400]
    return Task(name, model, (x, y), validation, cross_entropy, {"accuracy": accuracy})


def pooled_cnn() -> nn.Module:
    convolve = nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(nn.Unflatten(1, (1, 14, 14)), *convolve, nn.Flatten(), nn.Linear(6 * 49, 10))


def autoencoder() -> Task:
    held = small_images("autoencoder", partial(models.mlp, (196, 10)))
    x, v = held.train[0], held.validation[0]
    return Task(
        "autoencoder", partial(models.mlp, (196, 24, 196), activation="tanh"), (x, x), (v, v), mean_squared_error
    )


def text(*, pre_norm: bool, layers: int) -> Task:
    """The next character of Python's help texts."""
    whole = tasks.pydoc_transformer(context=16)
    x, y = whole.train[0][:800], whole.train[1][:800]
    v = whole.validation[0][:150], whole.validation[1][:150]
    vocabulary = int(max(x.max(), v[0].max(), y.max(), v[1].max())) + 1
    make = partial(
        models.CharTransformer, vocabulary=vocabulary, context=16, width=16, heads=2, layers=layers, pre_norm=pre_norm
    )
    return Task("text", make, (x, y), v, cross_entropy)


class Letters(nn.Module):
    """The next character from the last eight, by an embedding and a hidden layer."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embed, self.hidden = nn.Embedding(vocabulary, 8), nn.Linear(64, 32)
        self.out = nn.Linear(32, vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(self.embed(x[:, -8:]).flatten(1))))


def text_mlp() -> Task:
    whole = text(pre_norm=True, layers=1)
    x, y = whole.train[0], whole.train[1][:, -1]
    v = whole.validation[0], whole.validation[1][:, -1]
    vocabulary = int(max(x.max(), v[0].max(), y.max(), v[1].max())) + 1
    return Task("text mlp", partial(Letters, vocabulary), (x, y), v, cross_entropy)


def diabetes() -> Task:
    held = data.diabetes()
    x, y = held.train
    mean, std = y.mean(), y.std()
    v = held.validation[0], (held.validation[1] - mean) / std
    model = partial(models.mlp, (x.shape[1], 16, 1), activation="tanh")
    return Task("diabetes", model, (x, ((y - mean) / std)), v, mean_squared_error)


def quadratic(eigenvalues: list[float], noise: float, seed: int) -> Task:
    """A noisy quadratic whose floor is not subtracted."""
    task = tasks.noisy_quadratic(eigenvalues, noise=noise, examples=512, start=3.0, seed=seed)
    (x, y) = task.train
    y = torch.cat([y[:, :-1], torch.zeros_like(y[:, -1:])], dim=1)
    return Task(task.name, task.model, (x, y), (x, y), task.loss)


TOP = {"sgd": 10.0, "momentum": 3.0, "adam": 0.5}


def top(*rules: str) -> dict[str, float]:
    return {rule: TOP[rule] for rule in rules}


digits = tasks.digits_mlp
DEVELOPMENT = [
    Setting("digits", partial(digits, hidden=(32,)), TOP),
    Setting("digits wrong labels", partial(few, partial(digits, hidden=(64,)), 300, 0.2), TOP),
    Setting("digits narrow", partial(digits, hidden=(3,)), TOP),
    Setting("digits deep", partial(digits, hidden=(24,) * 5, activation="tanh"), top("momentum", "adam")),
    Setting("digits cnn", partial(tasks.digits_cnn, channels=(4, 8)), top("momentum", "adam"), 16),
    Setting("quadratic", partial(quadratic, [1.0, 0.3, 0.1, 0.03, 0.01], 1.0, 0), {"sgd": 9.0, "adam": 3.0}, 8),
    Setting("teacher", partial(teacher, (8, 12, 2), (8, 24, 2), 0.3, 0), TOP),
]
HELD_OUT = [
    Setting("breast cancer", tasks.breast_cancer_mlp, TOP),
    Setting("diabetes", diabetes, top("momentum", "adam")),
    Setting("linear classes", partial(mixture, 4, 0.5, 7, (12, 4)), TOP),
    Setting("spirals", partial(spirals, (2, 24, 24, 3)), top("momentum", "adam")),
    Setting("wide quadratic", partial(quadratic, [2.0, 1.0, 0.5, 0.2, 0.1, 0.05], 0.5, 5), top("momentum", "adam"), 16),
    Setting("text, mlp", text_mlp, top("adam")),
    Setting("MNIST narrow", partial(small_images, "narrow", partial(models.mlp, (196, 4, 10))), top("momentum")),
    Setting("MNIST wrong", partial(small_images, "wrong", partial(models.mlp, (196, 32, 10)), 300, 0.25), top("adam")),
    Setting("autoencoder", autoencoder, {"adam": 0.3}),
    Setting("MNIST mlp", partial(small_images, "MNIST", partial(models.mlp, (196, 32, 10))), top("sgd")),
    Setting("text, post-norm", partial(text, pre_norm=False, layers=3), {"adam": 0.3}, 16),
    Setting("MNIST cnn", partial(small_images, "MNIST cnn", pooled_cnn, 1000), top("momentum"), 16),
]
