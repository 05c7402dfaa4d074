"""A reader's own task in a lab: it trains beside a kernel, and what a static page cannot train is said there."""

import asyncio
import base64
import dataclasses
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import tasks, training
from lrlib.tasks import Task, mean_squared_error
from lrlib.widgets import AdaptiveLab, ScheduleLab, TrainingLab
from lrlib.widgets.trainer.page_data import page_obstacle


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on a thread of its own: the browser tests leave an event loop on the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def sine() -> Task:
    x = torch.linspace(-3, 3, 256).reshape(-1, 1)
    return Task(
        "sine",
        lambda: nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1)),
        train=(x, x.sin()),
        validation=(x + 0.01, (x + 0.01).sin()),
        loss=mean_squared_error,
    )


def digits(model: Callable[[], nn.Module] | None = None, **changes: Any) -> Task:
    task = tasks.digits_mlp(hidden=[8])
    return dataclasses.replace(task, **({"model": model} if model else {}), **changes)


def few(task: Task) -> Task:
    train, validation = ((x[:64], y[:64]) for x, y in (task.train, task.validation))
    return dataclasses.replace(task, train=train, validation=validation)


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    model[0].requires_grad_(False)
    return model


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model[2].weight = model[0].weight
    return model


class Erfc(nn.Module):
    """An operation that the compiler does not know."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.erfcx(x)


CASES: dict[str, tuple[Callable[[], Task], str]] = {
    "the README's sine": (sine, "the data are more than a page holds"),
    "a table": (tasks.breast_cancer_mlp, "at most 256 distinct values"),
    "a transformer": (lambda: few(tasks.pydoc_transformer(context=8, width=8)), "the model has other weights"),
    "augmentation": (lambda: digits(augment=tasks.shift_images), "minibatches are changed at random"),
    "dropout": (
        lambda: digits(lambda: nn.Sequential(nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 10))),
        "drops units at random",
    ),
    "buffers": (
        lambda: digits(lambda: nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))),
        "keeps more than its parameters",
    ),
    "an operation without a rule": (
        lambda: digits(lambda: nn.Sequential(nn.Linear(64, 8), Erfc(), nn.Linear(8, 10))),
        "cannot be compiled for a page",
    ),
}
LABS: dict[str, Callable[[Task], Any]] = {
    "training": lambda task: TrainingLab(choices={"Own <task>": task}, steps=50, learning_rate=0.01, device="cpu"),
    "schedule": lambda task: ScheduleLab(choices={"Own <task>": task}, steps=20, learning_rate=0.01, device="cpu"),
    "adaptive": lambda task: AdaptiveLab(choices={"Own <task>": task}, steps=20, device="cpu"),
}


@pytest.mark.parametrize(
    ("case", "lab"), [*((case, "training") for case in CASES), ("augmentation", "schedule"), ("a table", "adaptive")]
)
def test_its_output_is_the_view_and_a_figure_that_says_why_it_stands(case: str, lab: str) -> None:
    make, why = CASES[case]
    data = LABS[lab](make())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    page = data["text/html"]
    assert "This lab trains only beside a kernel: " in page
    assert why in page
    assert "<svg role" in page
    assert "<script" not in page
    assert "<task>" not in page


@pytest.mark.parametrize(("model", "why"), [(frozen, "some parameters are frozen"), (tied, "other weights")])
def test_parameters_that_a_page_would_train_otherwise(model: Callable[[], nn.Module], why: str) -> None:
    assert why in str(page_obstacle({"Own": digits(model)}))


def test_beside_a_kernel_it_trains_as_training_does() -> None:
    async def move() -> dict[str, Any]:
        lab = LABS["training"](sine())
        lab.controls["learning_rate"].value = 0.1
        await lab.latest._task
        return lab.picture.result

    result = alone(move())
    run = training.train(
        sine(), learning_rate=0.1, steps=50, batch_size=64, dtype=torch.float64, device="cpu", eval_every=5
    )
    assert result["done"]
    assert "problem" not in result
    assert result["evalSteps"] == run.eval_steps.tolist()
    loss = np.frombuffer(base64.b64decode(result["loss"]["data"]))
    np.testing.assert_allclose(loss, run.loss, rtol=1e-9)


def test_augmented_minibatches_train_beside_a_kernel() -> None:
    async def wait() -> dict[str, Any]:
        lab = LABS["schedule"](digits(augment=tasks.shift_images))
        await lab.latest._task
        return lab.picture.result

    result = alone(wait())
    assert result["done"]
    assert "problem" not in result


def test_what_cannot_be_compiled_stays_with_torch_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrlib.widgets.trainer.trained_lab.PAUSE", 0)

    async def wait() -> dict[str, Any]:
        lab = LABS["training"](CASES["an operation without a rule"][0]())
        await lab.latest._task
        return lab.picture.result

    result = alone(wait())
    assert result["done"]
    assert "problem" not in result


def test_a_page_that_can_train_it_does() -> None:
    assert "This lab trains only" not in LABS["training"](digits()).to_html()
