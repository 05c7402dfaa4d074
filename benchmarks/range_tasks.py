"""The trainings that range tests are scored on, and those that the interval was tuned on; no data are in both."""

from collections.abc import Callable
from functools import partial

import torch

from lrlib import data, models, tasks, updates
from lrlib.streams import stream
from lrlib.tasks import Task, cross_entropy, mean_squared_error

Case = tuple[str, Callable[[], Task], updates.UpdateRule]


def diabetes(hidden: tuple[int, ...]) -> Task:
    table = data.diabetes()
    model = partial(models.mlp, (10, *hidden, 1))
    return Task("diabetes", model, table.train, table.validation, mean_squared_error)


def sine() -> Task:
    x = torch.linspace(-3, 3, 512).reshape(-1, 1)
    shifted = x + 0.005
    model = partial(models.mlp, (1, 32, 1), activation="tanh")
    return Task("sine", model, (x, (2 * x).sin()), (shifted, (2 * shifted).sin()), mean_squared_error)


def spirals() -> Task:
    """Three arms that wind around each other, with noise."""
    generator = stream("data", 0)
    arm = torch.arange(900) % 3
    radius = torch.rand(900, generator=generator)
    angle = 4 * radius + 2.0944 * arm + 0.1 * torch.randn(900, generator=generator)
    x = 2 * radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    split = (x[:600], arm[:600]), (x[600:], arm[600:])
    return Task("spirals", partial(models.mlp, (2, 32, 32, 3)), *split, cross_entropy)


def teacher() -> Task:
    """What one random network says, learned by another; inputs whose scales spread over two decades."""
    generator = stream("data", 1)
    x = torch.randn(1200, 20, generator=generator) * torch.logspace(-1.5, 0.5, 20)
    first, second = (torch.randn(*shape, generator=generator) for shape in ((20, 30), (30, 1)))
    y = (x @ first).tanh() @ second / 30**0.5
    return Task(
        "teacher", partial(models.mlp, (20, 48, 1)), (x[:1000], y[:1000]), (x[1000:], y[1000:]), mean_squared_error
    )


def characters() -> Task:
    return tasks.pydoc_transformer(context=16, width=16, heads=2, layers=1)


SGD, MOMENTUM, ADAM = updates.sgd(), updates.heavy_ball(momentum=0.9), updates.adam()
ADAMW, RMSPROP, LION = updates.adamw(), updates.rmsprop(), updates.lion()

SCORED: list[Case] = [
    ("digits MLP, sgd", tasks.digits_mlp, SGD),
    ("digits MLP, momentum", tasks.digits_mlp, MOMENTUM),
    ("digits MLP, adam", tasks.digits_mlp, ADAM),
    ("digits MLP tanh, 20 % wrong labels, adamw", partial(tasks.digits_mlp, activation="tanh", label_noise=0.2), ADAMW),
    ("digits CNN, sgd", tasks.digits_cnn, SGD),
    ("digits CNN, adam", tasks.digits_cnn, ADAM),
    ("transformer, momentum", characters, MOMENTUM),
    ("transformer, adam", characters, ADAM),
    ("diabetes, sgd", partial(diabetes, (32,)), SGD),
    ("diabetes, rmsprop", partial(diabetes, (32,)), RMSPROP),
    ("spirals, momentum", spirals, MOMENTUM),
    ("spirals, adam", spirals, ADAM),
]
TUNED: list[Case] = [
    ("breast cancer MLP, sgd", tasks.breast_cancer_mlp, SGD),
    ("breast cancer MLP, momentum", tasks.breast_cancer_mlp, MOMENTUM),
    ("breast cancer MLP, adam", tasks.breast_cancer_mlp, ADAM),
    ("breast cancer MLP, rmsprop", tasks.breast_cancer_mlp, RMSPROP),
    ("MNIST MLP, sgd", tasks.mnist_mlp, SGD),
    ("MNIST MLP, momentum", tasks.mnist_mlp, MOMENTUM),
    ("MNIST MLP, adam", tasks.mnist_mlp, ADAM),
    ("MNIST MLP, lion", tasks.mnist_mlp, LION),
    ("sine, sgd", sine, SGD),
    ("sine, momentum", sine, MOMENTUM),
    ("sine, adam", sine, ADAM),
    ("teacher, sgd", teacher, SGD),
    ("teacher, momentum", teacher, MOMENTUM),
    ("teacher, adam", teacher, ADAM),
]
