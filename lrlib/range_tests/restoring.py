"""Putting a model, its optimizer and the sources of randomness back to the bit, whatever happened in between."""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Undo = Callable[[], None]


@contextmanager
def restored(
    model: nn.Module, optimizer: torch.optim.Optimizer, *, scaler: Any = None, loader: Any = None
) -> Iterator[None]:
    """Whatever is done inside, to these and to the global random states, is undone at the end, errors or not.

    Put back are parameters, buffers, ``.grad`` (the same tensors, or None), the mode of each module, the optimizer's
    state and groups, its count of steps that schedulers look at, the gradient scaler, the generators of a
    ``DataLoader`` and its sampler, and the global generators of torch (CPU, and CUDA where it is in use), numpy and
    Python. Tensors stay the same objects, at the same addresses. It takes one copy of each in memory, none on disk.

    Not put back: how far a one-way iterator has been read, and what a module keeps outside parameters and buffers.
    """
    with ExitStack() as undo:
        for remember in (_random_states(loader), _tensors(model, optimizer), _modules(model), _optimizer(optimizer)):
            undo.callback(remember)
        if scaler is not None:
            undo.callback(_attributes(scaler))
        yield


def _tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> Undo:
    """Parameters, of both, and buffers; gradients are laid aside, so that nothing writes on them."""
    own = [*model.parameters(), *(p for group in optimizer.param_groups for p in group["params"])]
    parameters = list({id(p): p for p in own}.values())
    contents = [(tensor, tensor.detach().clone()) for tensor in (*parameters, *model.buffers())]
    gradients = [(p, p.grad) for p in parameters]
    for p in parameters:
        p.grad = None

    def undo() -> None:
        with torch.no_grad():
            for tensor, content in contents:
                tensor.detach().copy_(content)
        for p, gradient in gradients:
            p.grad = gradient

    return undo


def _modules(model: nn.Module) -> Undo:
    """Modes, and which tensor is which buffer, since some modules assign a new one."""
    before = [(module, module.training, dict(module._buffers)) for module in model.modules()]

    def undo() -> None:
        for module, training, buffers in before:
            module.training = training
            module._buffers.clear()
            module._buffers.update(buffers)

    return undo


def _optimizer(optimizer: torch.optim.Optimizer) -> Undo:
    """State and groups; other attributes as they were, such as the one by which schedulers see that a step was made."""
    state = {key: _Content(value) for key, value in optimizer.state.items()}
    dictionaries = list(optimizer.param_groups)
    groups = [{name: value if name == "params" else _Content(value) for name, value in g.items()}
              for g in optimizer.param_groups]  # fmt: skip
    others = {name: value for name, value in vars(optimizer).items() if name not in ("state", "param_groups")}

    def undo() -> None:
        optimizer.state.clear()
        optimizer.state.update((key, content.put_back()) for key, content in state.items())
        optimizer.param_groups[:] = dictionaries
        for group, saved in zip(dictionaries, groups, strict=True):
            group.clear()
            group.update((name, v.put_back() if isinstance(v, _Content) else v) for name, v in saved.items())
        kept = {name: vars(optimizer)[name] for name in ("state", "param_groups")}
        vars(optimizer).clear()
        vars(optimizer).update(kept | others)

    return undo


def _attributes(thing: Any) -> Undo:
    before = {name: _Content(value) for name, value in vars(thing).items()}

    def undo() -> None:
        vars(thing).clear()
        vars(thing).update((name, content.put_back()) for name, content in before.items())

    return undo


class _Content:
    """A value, and what it held: tensors get their numbers back in place, dictionaries their entries."""

    def __init__(self, value: Any) -> None:
        self.value: Any = value
        self.held: Any = None
        if isinstance(value, Tensor):
            self.held = value.detach().clone()
        elif isinstance(value, dict):
            self.held = {key: _Content(item) for key, item in value.items()}
        elif isinstance(value, list):
            self.held = [_Content(item) for item in value]
        elif not isinstance(value, type(None) | bool | int | float | str | tuple):
            try:
                self.value = copy.copy(value)
            except Exception:  # a handle, a lock: nothing that an update changes
                self.value = value

    def put_back(self) -> Any:
        if isinstance(self.value, Tensor):
            with torch.no_grad():
                self.value.detach().copy_(self.held)
        elif isinstance(self.value, dict):
            self.value.clear()
            self.value.update((key, content.put_back()) for key, content in self.held.items())
        elif isinstance(self.value, list):
            self.value[:] = [content.put_back() for content in self.held]
        return self.value


def _random_states(loader: Any) -> Undo:
    owners = {id(g): g for thing in (loader, getattr(loader, "sampler", None))
              if isinstance(g := getattr(thing, "generator", None), torch.Generator)}  # fmt: skip
    own = [(generator, generator.get_state()) for generator in owners.values()]
    cpu, python, legacy = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def undo() -> None:
        torch.set_rng_state(cpu)
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
        for generator, state in own:
            generator.set_state(state)

    return undo
