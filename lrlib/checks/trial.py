"""A small problem for any set of tensors: noisy gradients of a known loss, and a task whose model has these tensors."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

import torch
from torch import Tensor, nn

from lrlib.tasks import Task, mean_squared_error
from lrlib.updates import State, UpdateRule

RATES = (1e-3, 1e-2, 0.1)
Shapes = Mapping[str, tuple[int, ...]]
Watch = Callable[[list[Tensor], list[Tensor], State, Tensor, Tensor], None]


def problem(tensors: Shapes, *, runs: int, steps: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Parameters, each (runs, *shape), and for each update the noise on their gradients; in float64."""
    generator = torch.Generator().manual_seed(1)
    start, *noise = (
        [torch.randn(runs, *shape, generator=generator, dtype=torch.float64) for shape in tensors.values()]
        for _ in range(steps + 1)
    )
    return start, noise


def slope(params: list[Tensor], noise: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """The gradients of 10 + Σ (n θ + θ²/20), and that loss of each run."""
    grads = [n + 0.1 * p for n, p in zip(noise, params, strict=True)]
    losses = [flat([n * p + 0.05 * p * p]).sum(dim=1) for n, p in zip(noise, params, strict=True)]
    return grads, 10 + torch.stack(losses).sum(dim=0)


def descend(
    rule: UpdateRule,
    tensors: Shapes,
    *,
    rates: tuple[float, ...] = RATES,
    steps: int = 12,
    poison: float | None = None,
    watch: Watch | None = None,
) -> tuple[list[Tensor], State]:
    """Where ``rule`` gets to; from the fifth update on the gradients and losses of run 1 may be poisoned."""
    params, noise = problem(tensors, runs=len(rates), steps=steps)
    state, rate = rule.init(params), torch.tensor(rates, dtype=torch.float64)
    for step, n in enumerate(noise):
        grads, loss = slope(params, n)
        if poison is not None and step >= 5:
            for tensor in (*grads, loss):
                tensor[1] = poison
        if watch is not None:
            watch(params, grads, state, rate, loss)
        params, state = rule.step(params, grads, state, rate, loss=loss)
    return params, state


def flat(params: list[Tensor]) -> Tensor:
    """(runs, parameters)"""
    return torch.cat([p.reshape(len(p), -1) for p in params], dim=1)


def trial_task(tensors: Shapes) -> Task:
    """A regression whose model has exactly these parameters."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(24, sum(torch.Size(shape).numel() for shape in tensors.values()), generator=generator)
    y = torch.tanh(x.sum(dim=1, keepdim=True))
    model = partial(_Sum, tuple(tensors.items()))
    return Task("trial", model, (x, y), (x[:8], y[:8]), mean_squared_error)


class _Sum(nn.Module):
    """A sum over the parameters θ of tanh(x θ), each with its own columns of x."""

    def __init__(self, tensors: tuple[tuple[str, tuple[int, ...]], ...]) -> None:
        super().__init__()
        self.columns = [torch.Size(shape).numel() for _, shape in tensors]
        for name, shape in tensors:
            *rooms, last = name.split(".")
            here: nn.Module = self
            for room in rooms:
                if room not in here._modules:
                    here.add_module(room, nn.Module())
                here = here.get_submodule(room)
            here.register_parameter(last, nn.Parameter(0.3 * torch.randn(shape)))
        self.names = [name for name, _ in tensors]

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.columns, dim=1)
        found = [
            torch.tanh(part @ attrgetter(name)(self).reshape(-1, 1))
            for part, name in zip(parts, self.names, strict=True)
        ]
        return torch.stack(found).sum(dim=0)
