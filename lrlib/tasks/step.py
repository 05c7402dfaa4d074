"""One training step as a pure function of tensors: what the compiler traces, and what a reader can read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import grad_and_value

from lrlib.models import apply_model, initial_parameters
from lrlib.tasks.task import Task
from lrlib.updates import State, UpdateRule


class Step(Protocol):
    """One update of one run: the loss (1,) and gradient norm (1,) where it starts, and where it arrives."""

    def __call__(
        self,
        params: list[Tensor],
        state: State,
        learning_rate: Tensor,
        inputs: Any,
        targets: Any,
        held: Sequence[Tensor] = (),
    ) -> tuple[Tensor, list[Tensor], State, Tensor]: ...


@dataclass(frozen=True)
class TrainingStep:
    """``init(seed, dtype)`` gives ``(params, state)``; ``held(seed, dtype)`` the parameters that stay as they are; and
    ``step(params, state, learning_rate, inputs, targets, held)`` gives ``(loss, params, state, grad_norm)``.

    ``params`` is what the rule takes: one row [(1, P)] of all trained parameters for a flattenable rule, else each
    with an axis in front, ``(1, *shape)``. The learning rate, the loss and the gradient's norm have shape (1,).
    ``model`` is the module whose code ``step`` runs, with parameters that have no part in it.
    """

    model: nn.Module
    init: Callable[[int, torch.dtype], tuple[list[Tensor], State]]
    held: Callable[[int, torch.dtype], list[Tensor]]
    step: Step


def training_step(task: Task, rule: UpdateRule, *, clip_norm: float | None = None) -> TrainingStep:
    """The pure training step of one run of ``task`` under ``rule``; ``clip_norm`` as in :func:`lrlib.training.sweep`.

    Pure and without data-dependent control flow, so ``make_fx`` can trace it. The model must keep no buffers.
    """
    model = initial_parameters(task.model, seed=0)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    trained, others = task.trained, [name for name in shapes if name not in task.trained]
    rule = rule.bind(trained, [shapes[name] for name in trained])

    def drawn(names: Sequence[str], seed: int, dtype: torch.dtype) -> list[Tensor]:
        fresh = dict((initial_parameters(task.model, seed=seed) if seed else model).named_parameters())
        return [
            fresh[name].detach().to(dtype if fresh[name].is_floating_point() else None, copy=True) for name in names
        ]

    def rows(tensors: Sequence[Tensor]) -> list[Tensor]:
        if rule.flattenable:
            return [torch.cat([tensor.reshape(-1) for tensor in tensors]).unsqueeze(0)]
        return [tensor.unsqueeze(0) for tensor in tensors]

    def pieces_of(params: list[Tensor]) -> list[Tensor]:
        if not rule.flattenable:
            return [tensor[0] for tensor in params]
        columns = params[0][0].split([shapes[name].numel() for name in trained])
        return [column.view(shapes[name]) for name, column in zip(trained, columns, strict=True)]

    def init(seed: int, dtype: torch.dtype) -> tuple[list[Tensor], State]:
        params = rows(drawn(trained, seed, dtype))
        return params, rule.init(params)

    def step(
        params: list[Tensor],
        state: State,
        learning_rate: Tensor,
        inputs: Any,
        targets: Any,
        held: Sequence[Tensor] = (),
    ) -> tuple[Tensor, list[Tensor], State, Tensor]:
        def loss_of(pieces: list[Tensor]) -> Tensor:
            tensors = dict(zip([*trained, *others], [*pieces, *held], strict=True))
            return task.loss(apply_model(model, tensors, inputs), targets)

        gradients, loss = grad_and_value(loss_of)(pieces_of(params))
        norm = torch.cat([gradient.reshape(-1) for gradient in gradients]).square().sum().sqrt()
        if clip_norm is not None:
            scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
            gradients = [gradient * scale for gradient in gradients]
        params, state = rule.step(params, rows(gradients), state, learning_rate, loss=loss.reshape(1))
        return loss.reshape(1), params, state, norm.reshape(1)

    def held(seed: int, dtype: torch.dtype) -> list[Tensor]:
        return drawn(others, seed, dtype) if others else []

    return TrainingStep(model, init, held, step)
