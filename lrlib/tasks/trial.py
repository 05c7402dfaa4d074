"""What a few examples tell of a task before it is trained: that its parts fit, what is trained, how copies run."""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

from lrlib import _check
from lrlib.models import apply_model, generators, is_chain, stacked_forward

FRESH = "a function that makes a new torch.nn.Module at each call"
BATCHED = "made of tensor operations alone, with no .item() and no branch on values, to run on many copies at once"
FEW, MANY = 2, 256  # examples; many where a branch on values may leave a parameter out by chance


@dataclass(frozen=True)
class Trial:
    """``trained`` and ``stacking`` as in :class:`lrlib.tasks.Task`; ``reason`` why there is no faster ``stacking``."""

    trained: tuple[str, ...]
    stacking: str
    draws: bool
    reason: str


Measures = Mapping[str, Callable[[Any, Any], Tensor]]


def trial(
    factory: Callable[[], nn.Module], train: tuple[Any, Any], validation: tuple[Any, Any], measures: Measures
) -> Trial:
    """Run two copies of a fresh module forward and backward; the first of ``measures`` is the loss.

    Raises:
        TypeError, ValueError: for what does not fit, by name.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        model = _fresh(factory)
        few = _placed(train, FEW, model)
        trained = _reached(model, _loss("train", model, few, measures))
        _loss("validation", model, _placed(validation, FEW, model), measures)
        _check_batched(model, few, measures)
        stacking, reason = _stacking(model, few, measures)
        if stacking == "loop":
            trained = _reached(model, _loss("train", model, _placed(train, MANY, model), measures))
        draws = stacking != "chain" and _draws(model, few[0])
    return Trial(trained, stacking, draws, reason)


def _fresh(factory: Callable[[], nn.Module]) -> nn.Module:
    """A copy of what ``factory`` makes, so that a module of the reader's own stays as it is."""
    model, other = factory(), factory()
    if not isinstance(model, nn.Module):
        _check.fail("model", "a function that returns a torch.nn.Module", model, error=TypeError)
    parameters = dict(model.named_parameters())
    if not parameters:
        _check.fail("model", "a function that returns a module with parameters", model)
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            _check.fail("model", "a module whose shapes are all known", f"one with the lazy parameter {name}")
    learning = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    if not learning:
        _check.fail("model", "a module with something to train", "one whose parameters are all frozen")
    shared = {p.untyped_storage().data_ptr() for p in other.parameters() if p.requires_grad and p.numel()}
    for name, parameter in learning.items():
        if parameter.untyped_storage().data_ptr() in shared:
            hint = f"{FRESH} (to start every run from one module, return copy.deepcopy of it)"
            _check.fail("model", hint, f"one whose modules share the parameter {name}")
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"model must be a module that copy.deepcopy can copy, but it raised {_brief(error)}"
        ) from error


def _placed(train: tuple[Any, Any], count: int, model: nn.Module) -> tuple[Any, Any]:
    """The first examples where the model's parameters are, in their type; copies, since a module may write on them."""
    like = next(parameter for parameter in model.parameters() if parameter.is_floating_point())

    def place(tensor: Tensor) -> Tensor:
        return tensor[:count].to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype, copy=True)

    return tree_map(place, train[0]), tree_map(place, train[1])


def _outputs(model: nn.Module, inputs: Any) -> Any:
    return apply_model(model, dict(model.named_parameters()), tree_map(torch.clone, inputs))


def _loss(part: str, model: nn.Module, few: tuple[Any, Any], measures: Measures) -> Tensor:
    """The loss of the module itself on a few examples, all measures checked."""
    try:
        with _running(model) as where:
            outputs = _outputs(model, few[0])
    except Exception as error:
        raise ValueError(f"model must be one that the {part} inputs fit, but {_said(where, error)}") from error
    if not all(isinstance(leaf, Tensor) for leaf in tree_leaves(outputs)):
        _check.fail("model", "one whose outputs are tensors", outputs)
    values = []
    for name, measure in measures.items():
        value = measure(outputs, few[1])
        if not isinstance(value, Tensor):
            _check.fail(name, "a function that returns a scalar tensor", value, error=TypeError)
        if value.shape != ():
            _check.fail(name, "a function that returns a scalar tensor", f"one of shape {tuple(value.shape)}")
        values.append(value)
    return values[0]


def _check_batched(model: nn.Module, few: tuple[Any, Any], measures: Measures) -> None:
    """That every measure takes the outputs of two copies at once, with targets of their own or common ones."""
    outputs = _twice(_outputs(model, few[0]))
    for (name, measure), own in itertools.product(measures.items(), (True, False)):
        try:
            vmap(measure, in_dims=(0, 0 if own else None))(outputs, _twice(few[1]) if own else few[1])
        except Exception as error:
            raise ValueError(f"{name} must be {BATCHED}, but it raised {_brief(error)}") from error


def _stacking(model: nn.Module, few: tuple[Any, Any], measures: Measures) -> tuple[str, str]:
    """The fastest way that runs two copies forward and backward as the module itself would."""
    loss, reason = next(iter(measures.values())), ""
    expected = _outputs(model, few[0])
    for stacking in ("chain", "vmap", "loop") if is_chain(model) else ("vmap", "loop"):
        tensors = _twice({**dict(model.named_parameters()), **dict(model.named_buffers())})
        names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        pieces = [tensor.requires_grad_() for name, tensor in tensors.items() if name in names]
        forward = stacked_forward(model, stacking)
        try:
            with _running(model) as where:
                for shared in (True, False):
                    outputs = forward(tensors, tree_map(torch.clone, few[0]) if shared else _twice(few[0]), shared)
                    tree_map(_check_alike, outputs, expected)
                    losses = vmap(loss, in_dims=(0, None))(outputs, few[1])
                    if losses.requires_grad:
                        torch.autograd.grad(losses.sum(), pieces, allow_unused=True)
            return stacking, reason
        except Exception as error:
            reason = _said(where, error)
    raise ValueError(f"model must be one that torch.func.functional_call can run and differentiate, but {reason}")


def _check_alike(outputs: Tensor, expected: Tensor) -> None:
    if outputs.shape[1:] != expected.shape:
        raise ValueError(f"it gave outputs of shape {tuple(outputs.shape[1:])}, not {tuple(expected.shape)}")


def _reached(model: nn.Module, loss: Tensor) -> tuple[str, ...]:
    """The parameters to train: those that are not frozen and that the loss depends on."""
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients: tuple[Tensor | None, ...] = ()
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, list(learning.values()), allow_unused=True)
    trained = tuple(name for name, g in zip(learning, gradients, strict=False) if g is not None)
    if not trained:
        _check.fail("loss", "a function that depends on parameters of the model", "one that depends on none")
    return trained


def _draws(model: nn.Module, inputs: Any) -> bool:
    """Whether the module draws random numbers, in training or in evaluation."""
    modes = {module: module.training for module in model.modules()}
    used = generators(next(model.parameters()).device)
    before = [generator.get_state() for generator in used]
    for training in (True, False):
        model.train(training)
        _outputs(model, inputs)
    for module, mode in modes.items():
        module.training = mode
    return not all(map(torch.equal, before, [generator.get_state() for generator in used]))


def _twice(tree: Any) -> Any:
    return tree_map(lambda tensor: torch.stack([tensor.detach()] * 2), tree)


@contextmanager
def _running(model: nn.Module) -> Iterator[list[str]]:
    """Names of the modules that are being called, the innermost last; what stays there after an error is to blame."""
    where: list[str] = []
    hooks = []
    for name, module in model.named_modules():
        label = f"{name!r} ({type(module).__name__})" if name else type(module).__name__
        hooks.append(module.register_forward_pre_hook(lambda *_, label=label: where.append(label)))
        hooks.append(module.register_forward_hook(lambda *_: where.pop() and None))
    try:
        yield where
    finally:
        for hook in hooks:
            hook.remove()


def _said(where: list[str], error: Exception) -> str:
    return f"{where[-1] if where else 'it'} raised {_brief(error)}"


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 200 else text[:197] + '...'}"
