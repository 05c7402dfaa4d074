"""Many copies of one network as one: parameters stacked on a leading axis that counts runs.

Differentiating the *sum* of the copies' losses gives every copy its own gradient, since no copy's loss depends on
another's parameters. There are three ways to run the copies (``STACKINGS``): a ``"chain"`` of common layers is run by
batched matrix products and grouped convolutions; other modules by ``torch.func.vmap``; and what ``vmap`` cannot do,
such as an LSTM or a branch on values, in a ``"loop"`` over the copies.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from lrlib.models.draws import drawing, generators
from lrlib.streams import stream_key

Parameters = Mapping[str, Tensor]
StackedForward = Callable[[Parameters, Any, bool], Any]

STACKINGS = ("chain", "vmap", "loop")

_ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Identity)


def initial_parameters(factory: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """``factory()`` with torch's global generators at the seed's stream of weights; they are put back."""
    device = torch.device("cuda") if torch.cuda.device_count() else torch.get_default_device()
    with drawing(stream_key("weights", seed), device):  # torch.manual_seed, but without its 2 ms
        return factory()


def apply_model(model: nn.Module, tensors: Parameters, inputs: Any) -> Any:
    """What ``model`` gives with these parameters and buffers, by name, in place of its own.

    A tuple of inputs is passed as the module's positional arguments, a mapping as its keyword arguments, anything else
    as its one argument.
    """
    if isinstance(inputs, Mapping):
        return functional_call(model, dict(tensors), (), dict(inputs))
    return functional_call(model, dict(tensors), tuple(inputs) if isinstance(inputs, tuple) else (inputs,))


def stacked_forward(model: nn.Module, stacking: str | None = None) -> StackedForward:
    """A function ``(tensors, inputs, shared) -> outputs`` that evaluates a stack of copies of ``model``.

    ``tensors`` maps the names of the parameters (and buffers) to tensors ``(runs, *shape)``. Inputs, a tensor or a
    pytree of them as in :func:`apply_model`, are (batch, ...) if ``shared`` by all copies, else (runs, batch, ...);
    outputs are (runs, batch, ...). Random draws are the same for all copies. ``stacking`` is one of ``STACKINGS``; if
    it is not given, ``"chain"`` where :func:`is_chain`, else ``"vmap"``.
    """
    if stacking == "chain" or (stacking is None and is_chain(model)):
        return _chain(model)
    return _loop(model) if stacking == "loop" else _vmapped(model)


def is_chain(model: nn.Module) -> bool:
    """Whether ``model`` is an ``nn.Sequential`` of deterministic layers that a stack runs without ``vmap``."""
    return _is_sequential(model) and all(_known(layer) for layer in _layers(model))


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers in the order of their use, as often as they are used, those of nested chains in their place."""
    layers: list[nn.Module] = []  # not from children(), which names a layer that is used twice once
    for layer in cast(dict[str, nn.Module], model._modules).values():
        layers += _layers(layer) if _is_sequential(layer) else [layer]
    return layers


def _is_sequential(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward and _as_written(module)


def _as_written(module: nn.Module) -> bool:
    """Whether calling the module does what its class says and no more."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _known(layer: nn.Module) -> bool:
    """Exactly one of these classes: a subclass may compute something else."""
    if not _as_written(layer):
        return False
    if type(layer) is nn.Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and layer.bias is not None
    if type(layer) is nn.Flatten:
        return layer.start_dim == 1
    if type(layer) is nn.Unflatten:
        return layer.dim == 1
    if type(layer) is nn.MaxPool2d:
        return not layer.return_indices
    if type(layer) is nn.Linear:
        return layer.bias is not None
    return type(layer) in _ELEMENTWISE


def _chain(model: nn.Module) -> StackedForward:
    layers = _layers(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}  # of shared ones, the first name

    def forward(tensors: Parameters, x: Tensor, shared: bool) -> Tensor:
        runs = next(iter(tensors.values())).shape[0]
        for layer in layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                weight, bias = tensors[names[id(layer.weight)]], tensors[names[id(layer.bias)]]
                if isinstance(layer, nn.Linear):
                    x = _linear(x, weight, bias, shared)
                else:
                    x = _convolution(layer, x, weight, bias, shared)
                shared = False
            elif isinstance(layer, nn.MaxPool2d):
                x = _pool(layer, x, shared)
            elif isinstance(layer, nn.Flatten):
                end = layer.end_dim if shared or layer.end_dim < 0 else layer.end_dim + 1
                x = x.flatten(1 if shared else 2, end)
            elif isinstance(layer, nn.Unflatten):
                x = x.unflatten(1 if shared else 2, layer.unflattened_size)
            else:
                x = layer(x)
        return x.expand(runs, *x.shape) if shared else x

    return forward


def _linear(x: Tensor, weight: Tensor, bias: Tensor, shared: bool) -> Tensor:
    if shared:  # one product with all runs' weights side by side: (batch, ..., runs * outputs)
        return F.linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(-1, weight.shape[:2]).movedim(-2, 0)
    rows = x if x.dim() == 3 else x.flatten(1, -2)
    outputs = torch.baddbmm(bias.unsqueeze(1), rows, weight.transpose(1, 2))  # (runs, batch, outputs)
    return outputs if x.dim() == 3 else outputs.unflatten(1, x.shape[1:-1])


def _convolution(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor, shared: bool) -> Tensor:
    runs = weight.shape[0]
    x = F.conv2d(
        x if shared else _merge_runs(x),
        weight.flatten(0, 1),
        bias.flatten(),
        layer.stride,
        layer.padding,
        layer.dilation,
        groups=1 if shared else runs,
    )
    return _split_runs(x, runs)


def _pool(layer: nn.MaxPool2d, x: Tensor, shared: bool) -> Tensor:
    if shared:
        return layer(x)
    if x.dim() == 5:
        return _split_runs(layer(_merge_runs(x)), len(x))
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # (runs, batch, height, width)


def _merge_runs(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1, 2)  # (runs, batch, channels, ...) -> (batch, runs * channels, ...)


def _split_runs(x: Tensor, runs: int) -> Tensor:
    return x.unflatten(1, (runs, -1)).transpose(0, 1)  # (batch, runs * channels, ...) -> (runs, batch, channels, ...)


def _vmapped(model: nn.Module) -> StackedForward:
    def call(tensors: Parameters, inputs: Any) -> Any:
        return apply_model(model, tensors, inputs)

    def forward(tensors: Parameters, inputs: Any, shared: bool) -> Any:
        return vmap(call, in_dims=(0, None if shared else 0), randomness="same")(tensors, inputs)

    return forward


def _loop(model: nn.Module) -> StackedForward:
    def forward(tensors: Parameters, inputs: Any, shared: bool) -> Any:
        runs, device = next((len(t), t.device) for t in tensors.values())
        columns = {name: tensor.unbind(0) for name, tensor in tensors.items()}  # views: buffers may be changed in place
        states = [generator.get_state() for generator in generators(device)]
        outputs = []
        for k in range(runs):
            for generator, state in zip(generators(device), states, strict=True):
                generator.set_state(state)  # every copy draws the same
            given = inputs if shared else tree_map(lambda x, k=k: x[k], inputs)
            outputs.append(apply_model(model, {name: column[k] for name, column in columns.items()}, given))
        return tree_map(lambda *parts: torch.stack(parts), *outputs)

    return forward
