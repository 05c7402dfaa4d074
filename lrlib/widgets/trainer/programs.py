"""What the labs take to a static page, as WebAssembly: gradients, and update rules to go with any of them."""

import contextlib
import dataclasses
import itertools
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

from lrlib._compiler import Artifact, export_step
from lrlib._compiler.identity import identity
from lrlib.models import initial_parameters
from lrlib.surfaces import Surface
from lrlib.tasks import Task
from lrlib.updates import State, UpdateRule, effective_rates
from lrlib.widgets.hosting.packing import pack_bytes

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
    outputs_of, sizes = _model(task)

    def step(params: Tensor, indices: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = indices.long()

        def loss_of(pieces: list[Tensor]) -> Tensor:
            return task.loss(outputs_of(pieces, inputs[batch]), targets.long()[batch])

        gradients, loss = torch.func.grad_and_value(loss_of)(_pieces(params, sizes))
        return loss, torch.cat([gradient.reshape(-1) for gradient in gradients])

    indices = torch.zeros(batch_size, dtype=torch.int32)
    inputs, targets = task.train
    given = {"params": torch.zeros(sum(sizes)), "indices": indices, "inputs": inputs, "targets": targets.int()}
    return export_step(step, given, outputs=("loss", "gradient"), identity=identity("gradient", task.model, task.loss))


def evaluation_program(task: Task, *, examples: int) -> Artifact:
    """``params`` (P,) and so many ``inputs`` and ``targets`` -> ``loss`` over all of them."""
    outputs_of, sizes = _model(task)

    def step(params: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor]:
        return (task.loss(outputs_of(_pieces(params, sizes), inputs), targets.long()),)

    inputs, targets = (part[:examples] for part in task.validation)
    given = {"params": torch.zeros(sum(sizes)), "inputs": inputs, "targets": targets.int()}
    return export_step(step, given, outputs=("loss",), identity=identity("evaluation", task.model, task.loss))


def rule_program(
    rule: UpdateRule, *, sizes: Sequence[int], adjustable: bool = False, effective: bool = False
) -> Artifact:
    """``params``, ``gradient`` (1, P), ``learning_rate``, and ``momentum`` if it is ``adjustable`` -> new ``params``.

    Records ``update_ratio`` (tensors,): of each tensor, ``sizes`` long, the update's norm over the norm it had; and
    ``effective_rate`` (1, P), see :func:`lrlib.updates.effective_rates`, if that is wanted.
    The rule's state travels under the names ``state:…``; it starts at zero.
    """
    row = torch.zeros(1, sum(sizes))
    names, initial = _flat_state(rule.init([row]))
    momentum = {"momentum": torch.zeros(1)} if adjustable else {}

    def step(params: Tensor, gradient: Tensor, learning_rate: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state = _nested_state(names, rest[len(momentum) :])
        with _momentum_from(rule, rest[0]) if momentum else contextlib.nullcontext(rule) as traced:
            [new], changed = traced.update([params], [gradient], state, learning_rate)
        ratios = [
            torch.linalg.vector_norm(after - before) / torch.linalg.vector_norm(before)
            for before, after in zip(_pieces(params, sizes), _pieces(new, sizes), strict=True)
        ]
        found = effective_rates(rule, [params], changed, learning_rate) if effective else []
        return (torch.stack(ratios), *found, new, *_flat_state(changed)[1])

    inputs = {"params": row, "gradient": row, "learning_rate": torch.zeros(1), **momentum}
    ports = list(map(_port, names))
    given = {**inputs, **dict(zip(ports, initial, strict=True))}
    outputs = ("update_ratio", *(["effective_rate"] if effective else []), "params", *ports)
    return export_step(step, given, outputs=outputs, identity=identity("rule", rule, sizes, adjustable, effective))


def training_programs(
    tasks: Mapping[str, Task], *, rules: Mapping[str, UpdateRule], batch_sizes: Sequence[int], effective: bool = False
) -> dict[str, dict[str, Any]]:
    """All that ``trainer.js`` needs to train these tasks by these rules, packed, under the names that it asks for."""
    makers: dict[str, Callable[[], Artifact]] = {}
    for label, task in tasks.items():
        sizes = tensor_sizes(task)
        for batch_size in batch_sizes:
            makers[f"gradient:{label}:{batch_size}"] = partial(gradient_program, task, batch_size=batch_size)
        makers[f"evaluation:{label}"] = partial(evaluation_program, task, examples=len(task.validation[0]))
        for name, rule in rules.items():
            makers[f"rule:{label}:{name}"] = partial(rule_program, rule, sizes=sizes, effective=effective)
    return compiled(makers)


def compiled(makers: Mapping[str, Callable[[], Artifact]]) -> dict[str, dict[str, Any]]:
    """What these make, packed, under the same names; made side by side."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:  # while one is traced, C compilers work on others
        return dict(zip(makers, pool.map(lambda make: packed(make()), makers.values()), strict=True))


def tensor_sizes(task: Task) -> list[int]:
    """How many numbers each of the model's parameters holds, in order."""
    return _model(task)[1]


def _model(task: Task) -> tuple[Callable[[list[Tensor], Tensor], Tensor], list[int]]:
    """``(parameters, each flat; inputs) -> outputs``, and the parameters' sizes."""
    with _DRAWING:
        model = initial_parameters(task.model, seed=0)
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]

    def outputs_of(pieces: list[Tensor], inputs: Tensor) -> Tensor:
        shaped = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
        return functional_call(model, dict(zip(names, shaped, strict=True)), (inputs,))

    return outputs_of, [shape.numel() for shape in shapes]


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


def _flat_state(state: State) -> tuple[list[tuple[str, bool]], list[Tensor]]:
    """Names (each with whether it is a list of one tensor) and tensors of a rule's state over one flat parameter."""
    names = [(name, isinstance(value, list)) for name, value in state.items()]
    return names, [value[0] if isinstance(value, list) else value for value in state.values()]


def _nested_state(names: Sequence[tuple[str, bool]], tensors: Sequence[Tensor]) -> State:
    return {name: [tensor] if listed else tensor for (name, listed), tensor in zip(names, tensors, strict=True)}


def _port(name: tuple[str, bool]) -> str:
    return f"state:{name[0]}"
