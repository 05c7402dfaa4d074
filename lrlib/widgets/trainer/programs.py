"""What the labs take to a static page, as WebAssembly: gradients, and update rules to go with any of them."""

import contextlib
import dataclasses
import itertools
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from lrlib import _check
from lrlib._compiler import Artifact, export_step
from lrlib._compiler.identity import identity, structure
from lrlib.models import initial_parameters
from lrlib.surfaces import Surface
from lrlib.tasks import Task
from lrlib.updates import UpdateRule, effective_rates, has_effective_rates, named_tensors, nested_tensors
from lrlib.widgets.hosting.packing import pack_bytes

Shape = tuple[int, ...]
_DRAWING = threading.Lock()  # torch's random numbers are one stream for all threads


def packed(artifact: Artifact) -> dict[str, Any]:
    """A program as the page's runner reads it."""
    return {**artifact.manifest(), "wasm": pack_bytes(artifact.wasm)}


def surface_program(surface: Surface) -> Artifact:
    """``params`` (dimension,) -> ``loss``, ``gradient`` (dimension,) of a test surface."""

    def step(params: Tensor) -> tuple[Tensor, Tensor]:
        gradient, loss = torch.func.grad_and_value(surface.function)(params)
        return loss, gradient

    given = {"params": torch.zeros(surface.dimension)}
    return export_step(
        step, given, outputs=("loss", "gradient"), identity=identity("surface gradient", surface.function)
    )


def gradient_program(task: Task, *, batch_size: int) -> Artifact:
    """``params`` (P,) and a minibatch, ``indices`` (batch,) into ``inputs``, ``targets`` -> ``loss``, ``gradient``."""
    outputs_of, sizes, told = _model(task)

    def step(params: Tensor, indices: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = indices.long()

        def loss_of(pieces: list[Tensor]) -> Tensor:
            return task.loss(outputs_of(pieces, inputs[batch]), targets.long()[batch])

        gradients, loss = torch.func.grad_and_value(loss_of)(_pieces(params, sizes))
        return loss, torch.cat([gradient.reshape(-1) for gradient in gradients])

    indices = torch.zeros(batch_size, dtype=torch.int32)
    inputs, targets = task.train
    given = {"params": torch.zeros(sum(sizes)), "indices": indices, "inputs": inputs, "targets": targets.int()}
    name = told and identity("gradient", told, task.loss)
    return export_step(step, given, outputs=("loss", "gradient"), identity=name)


def evaluation_program(task: Task, *, examples: int) -> Artifact:
    """``params`` (P,) and so many ``inputs`` and ``targets`` -> ``loss`` over all of them."""
    outputs_of, sizes, told = _model(task)

    def step(params: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor]:
        return (task.loss(outputs_of(_pieces(params, sizes), inputs), targets.long()),)

    inputs, targets = (part[:examples] for part in task.validation)
    given = {"params": torch.zeros(sum(sizes)), "inputs": inputs, "targets": targets.int()}
    return export_step(step, given, outputs=("loss",), identity=told and identity("evaluation", told, task.loss))


def rule_program(
    rule: UpdateRule, *, tensors: Mapping[str, Shape], adjustable: bool = False, effective: bool = False
) -> Artifact:
    """``params``, ``gradient`` (1, P), ``learning_rate`` and what else the rule needs -> new ``params``.

    That is ``loss`` (1,) for a rule that takes it, and ``momentum`` (1,) if it is ``adjustable``. ``tensors`` are the
    names and shapes of which the P numbers are made. Records ``update_ratio`` (tensors,): of each tensor, the update's
    norm over the norm it had; and ``effective_rate`` (1, P), see :func:`lrlib.updates.effective_rates`, if that is
    wanted. The rule's state travels under the names ``state:…``; the page starts it at zero.

    Raises:
        ValueError: for a rule whose state does not start at zero, such as Schedule-Free's.
    """
    rule = rule.bind(list(tensors), list(tensors.values()))
    shapes = list(tensors.values())
    sizes = [math.prod(shape) for shape in shapes]
    row = torch.zeros(1, sum(sizes))

    def given_to_rule(flat: Tensor) -> list[Tensor]:
        if rule.flattenable:
            return [flat]
        return [part.view(1, *shape) for part, shape in zip(_pieces(flat, sizes), shapes, strict=True)]

    initial = rule.init(given_to_rule(torch.ones_like(row)))
    if any(bool(tensor.any()) for tensor in named_tensors(initial).values()):
        _check.fail("rule", "one whose state starts at zero, which is what a page can start", rule)
    ports = {f"state:{name.removesuffix('[0]')}": tensor for name, tensor in named_tensors(initial).items()}
    extra = {"loss": torch.zeros(1)} if rule.needs_loss else {}
    momentum = {"momentum": torch.zeros(1)} if adjustable else {}

    def step(params: Tensor, gradient: Tensor, learning_rate: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        loss = rest[0] if extra else learning_rate
        tail = rest[len(extra) + len(momentum) :]
        state = nested_tensors(dict(zip(named_tensors(initial), tail, strict=True)), initial)
        with _momentum_from(rule, rest[len(extra)]) if momentum else contextlib.nullcontext(rule) as traced:
            here, slope = given_to_rule(params), given_to_rule(gradient)
            found, changed = traced.step(here, slope, state, learning_rate, loss=loss)
        new = torch.cat([tensor.reshape(1, -1) for tensor in found], dim=1)
        ratios = [
            torch.linalg.vector_norm(after - before) / torch.linalg.vector_norm(before)
            for before, after in zip(_pieces(params, sizes), _pieces(new, sizes), strict=True)
        ]
        rates = effective_rates(rule, [params], changed, learning_rate) if effective else []
        return (torch.stack(ratios), *rates, new, *named_tensors(changed).values())

    inputs = {"params": row, "gradient": row, "learning_rate": torch.zeros(1), **extra, **momentum}
    outputs = ("update_ratio", *(["effective_rate"] if effective else []), "params", *ports)
    told = identity("rule", rule, list(tensors), shapes, adjustable, effective)
    return export_step(step, {**inputs, **ports}, outputs=outputs, identity=told)


def training_programs(
    tasks: Mapping[str, Task], *, rules: Mapping[str, UpdateRule], batch_sizes: Sequence[int], effective: bool = False
) -> dict[str, dict[str, Any]]:
    """All that ``trainer.js`` needs to train these tasks by these rules, packed, under the names that it asks for.

    With ``effective``, the rules that have effective rates record them.
    """
    makers: dict[str, Callable[[], Artifact]] = {}
    for label, task in tasks.items():
        tensors = model_tensors(task)
        for batch_size in batch_sizes:
            makers[f"gradient:{label}:{batch_size}"] = partial(gradient_program, task, batch_size=batch_size)
        makers[f"evaluation:{label}"] = partial(evaluation_program, task, examples=len(task.validation[0]))
        for name, rule in rules.items():
            recorded = effective and has_effective_rates(rule)
            makers[f"rule:{label}:{name}"] = partial(rule_program, rule, tensors=tensors, effective=recorded)
    return compiled(makers)


def compiled(makers: Mapping[str, Callable[[], Artifact]]) -> dict[str, dict[str, Any]]:
    """What these make, packed, under the same names; made side by side."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:  # while one is traced, C compilers work on others
        return dict(zip(makers, pool.map(lambda make: packed(make()), makers.values()), strict=True))


def model_tensors(task: Task) -> dict[str, Shape]:
    """The names and shapes of the model's parameters, in order."""
    with _DRAWING:
        model = initial_parameters(task.model, seed=0)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _model(task: Task) -> tuple[Callable[[list[Tensor], Tensor], Tensor], list[int], str | None]:
    """``(parameters, each flat; inputs) -> outputs``, the parameters' sizes, and the model's name."""
    with _DRAWING:
        model = initial_parameters(task.model, seed=0)
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]

    def outputs_of(pieces: list[Tensor], inputs: Tensor) -> Tensor:
        shaped = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
        return functional_call(model, dict(zip(names, shaped, strict=True)), (inputs,))

    return outputs_of, [shape.numel() for shape in shapes], structure(model)


def _pieces(flat: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """A flat tensor (..., P) cut into pieces along its last axis."""
    ends = list(itertools.accumulate(sizes))
    return [flat[..., end - size : end] for size, end in zip(sizes, ends, strict=True)]


class _Traced(float):
    """A number that stands for a tensor while a rule is traced."""

    tensor: Tensor


class _AlphaFromTensor(TorchFunctionMode):
    """Lets ``torch.add(x, y, alpha=…)`` take a :class:`_Traced` number, as ``x + tensor * y``."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if isinstance(options.get("alpha"), _Traced):
            return args[0] + options["alpha"].tensor * args[1]
        return func(*args, **options)


@contextlib.contextmanager
def _momentum_from(rule: UpdateRule, momentum: Tensor) -> Iterator[UpdateRule]:
    """``rule`` with its momentum read from a tensor, so that one program serves every position of a slider."""
    update = rule.update
    if not isinstance(update, partial):
        yield rule
        return
    number = _Traced(0.5)  # any number but 0: a rule without momentum keeps no state
    number.tensor = momentum
    with _AlphaFromTensor():
        yield dataclasses.replace(rule, update=partial(update.func, **{**update.keywords, "momentum": number}))
