"""One training step as a pure function of flat tensors: what the compiler traces, and what a reader can read."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value

from lrlib.models import initial_parameters
from lrlib.tasks.task import Task
from lrlib.updates import State, UpdateRule


@dataclass(frozen=True)
class TrainingStep:
    """``init(seed, dtype)`` gives ``(params (1, P), state)``; ``step`` maps
    ``(params, state, learning_rate (1,), inputs, targets)`` to ``(loss (1,), params, state, grad_norm (1,))``.
    """

    init: Callable[[int, torch.dtype], tuple[Tensor, State]]
    step: Callable[[Tensor, State, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, State, Tensor]]


def training_step(task: Task, rule: UpdateRule) -> TrainingStep:
    """The pure training step of one run of ``task`` under ``rule``, all parameters in one row.

    Pure and without data-dependent control flow, so ``make_fx`` can trace it. The model must keep no buffers.
    """
    model = initial_parameters(task.model, seed=0)
    names = [name for name, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]
    sizes = [shape.numel() for shape in shapes]

    def init(seed: int, dtype: torch.dtype) -> tuple[Tensor, State]:
        fresh = initial_parameters(task.model, seed=seed)
        params = torch.cat([p.detach().flatten() for p in fresh.parameters()]).to(dtype).unsqueeze(0)
        return params, rule.init([params])

    def loss_of(pieces: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return task.loss(functional_call(model, dict(zip(names, pieces, strict=True)), (inputs,)), targets)

    def step(
        params: Tensor, state: State, learning_rate: Tensor, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor, State, Tensor]:
        pieces = [piece.view(shape) for piece, shape in zip(params[0].split(sizes), shapes, strict=True)]
        gradients, loss = grad_and_value(loss_of)(pieces, inputs, targets)
        gradient = torch.cat([g.reshape(-1) for g in gradients]).unsqueeze(0)  # (1, P)
        [params], state = rule.update([params], [gradient], state, learning_rate)
        return loss.reshape(1), params, state, gradient.square().sum(1).sqrt()

    return TrainingStep(init, step)
