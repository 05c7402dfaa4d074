"""What a static page needs to train as Python does: data, how weights are drawn, schedules' rates."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrlib import _check
from lrlib.models import initial_parameters
from lrlib.schedules import Schedule
from lrlib.streams import stream
from lrlib.tasks import Task
from lrlib.widgets.hosting.packing import pack, pack_bytes


def page_obstacle(tasks: Mapping[str, Task]) -> str | None:
    """Why a static page cannot train one of these tasks as Python does, for a reader; ``None`` if it can train all.

    What only the compiler can tell is not asked here.
    """
    for label, task in tasks.items():
        reason = _obstacle(task)
        if reason is not None:
            return f"in the task “{label}”, {reason}"
    return None


def _obstacle(task: Task) -> str | None:
    if task.augment is not None:
        return "minibatches are changed at random, and a page would train on others"
    if not all(isinstance(part, Tensor) for split in (task.train, task.validation) for part in split):
        return "examples are more than one tensor each"
    model = initial_parameters(task.model, seed=0)
    if any(isinstance(layer, nn.modules.dropout._DropoutNd) for layer in model.modules()):
        return "the model drops units at random, and a page would drop others"
    if any(True for _ in model.buffers()):
        return "the model keeps more than its parameters from step to step"
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return "some parameters are frozen"
    try:
        weight_layout(task)
        task_data(task)
    except TypeError:
        return "the model has other weights than those that torch draws for linear and convolutional layers"
    except ValueError as error:
        return f"the data are more than a page holds ({error})"
    return None


def tasks_and_data(tasks: Mapping[str, Task]) -> dict[str, dict[str, Any]]:
    """Data, each set once under a number, and of each task which of them it takes and how its weights are drawn."""
    data: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for label, task in tasks.items():
        own = task_data(task)
        key = next((key for key, other in data.items() if other == own), str(len(data)))
        data[key] = own
        described[label] = {"data": key, "layout": weight_layout(task)}
    return {"data": data, "tasks": described}


def task_data(task: Task) -> dict[str, Any]:
    """Both parts of a task's data, inputs as positions in a palette of the values that occur.

    Raises:
        ValueError: for inputs of more than 256 distinct values, and for targets that are no classes below 256.
    """
    palette = torch.unique(torch.cat([task.train[0].flatten(), task.validation[0].flatten()]).double())
    if len(palette) > 256:
        _check.fail("task", "one whose inputs take at most 256 distinct values", f"{len(palette)} values")
    classes = torch.cat([task.train[1], task.validation[1]])
    if classes.is_floating_point() or int(classes.min()) < 0 or int(classes.max()) > 255:
        _check.fail("task", "one whose targets are classes from 0 to 255", classes[:4].tolist())
    return {"train": _part(task.train, palette), "validation": _part(task.validation, palette)}


def _part(part: tuple[Tensor, Tensor], palette: Tensor) -> dict[str, Any]:
    inputs, targets = part
    places = torch.searchsorted(palette, inputs.double().contiguous())
    return {
        "inputs": pack_bytes(places.to(torch.uint8).numpy().tobytes()),
        "palette": pack(palette.numpy()),
        "targets": pack_bytes(targets.to(torch.uint8).numpy().tobytes()),
    }


def weight_layout(task: Task) -> list[list[float]]:
    """For each parameter in order, how many numbers it holds and the bound of the uniform distribution they come from.

    A third number is what they are multiplied by, if that is not 1. So the page draws, with the same generator, the
    weights that torch draws for a seed; nothing of them is sent.

    Raises:
        TypeError: for a model with parameters elsewhere than in linear and convolutional layers, or drawn otherwise
            than as torch draws them, times a factor of at most four decimals.
    """
    generator = stream("weights", 0)
    layout: list[list[float]] = []
    for layer in initial_parameters(task.model, seed=0).modules():
        own = list(layer.parameters(recurse=False))
        if not own:
            continue
        if not isinstance(layer, nn.Linear | nn.Conv2d) or len(own) != 2:
            _check.fail("task", "one whose layers with parameters are linear or convolutional", layer, error=TypeError)
        fan_in = own[0][0].numel()
        weight_bound = math.sqrt(3.0) * (
            math.sqrt(2.0 / (1 + 5)) / math.sqrt(fan_in)
        )  # kaiming_uniform_(a=√5), bit by bit
        for parameter, bound in zip(own, (weight_bound, 1 / math.sqrt(fan_in)), strict=True):
            drawn = torch.empty(parameter.numel()).uniform_(-bound, bound, generator=generator)
            layout.append([parameter.numel(), bound, *_gain(parameter.detach().flatten(), drawn)])
    return layout


def _gain(parameter: Tensor, drawn: Tensor) -> list[float]:
    """What ``drawn`` was multiplied by to give ``parameter``, unless nothing was done to it."""
    if torch.equal(parameter, drawn):
        return []
    largest = int(drawn.abs().argmax())
    gain = round(float(parameter[largest] / drawn[largest]), 4)
    if not torch.equal(parameter, drawn * gain):
        need = "one whose weights are torch's own, or those times a factor of at most four decimals"
        _check.fail("task", need, parameter[:4].tolist(), error=TypeError)
    return [gain]


def schedule_factors(
    makers: Mapping[str, Callable[[int], Schedule]], step_choices: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """By name and number of steps, what each schedule of base 1 multiplies the rate with at each step."""
    return {
        name: {str(steps): pack(make(steps)(np.arange(steps))) for steps in step_choices}
        for name, make in makers.items()
    }
