"""Many copies of one network as one: parameters stacked on a leading axis that counts runs.

Differentiating the *sum* of the copies' losses gives every copy its own gradient, since no copy's loss depends on
another's parameters. A chain of common layers is run by batched matrix products and grouped convolutions; any other
module goes through ``torch.func.vmap``.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lrlib.streams import stream_key

Parameters = Mapping[str, Tensor]
StackedForward = Callable[[Parameters, Tensor, bool], Tensor]

_ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Identity)


def initial_parameters(factory: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """``factory()``, drawn from the seed's stream of weights; torch's global generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key("weights", seed))
        return factory()


def stacked_forward(model: nn.Module) -> StackedForward:
    """A function ``(tensors, inputs, shared) -> outputs`` that evaluates a stack of copies of ``model``.

    ``tensors`` maps the names of the parameters (and buffers) to tensors (runs, *shape). Inputs are
    (batch, ...) if ``shared`` by all copies, else (runs, batch, ...); outputs are (runs, batch, ...).
    """
    if is_chain(model):
        return _chain(list(model.children()))

    def call(tensors: Parameters, inputs: Tensor) -> Tensor:
        return functional_call(model, dict(tensors), (inputs,))

    def forward(tensors: Parameters, inputs: Tensor, shared: bool) -> Tensor:
        return vmap(call, in_dims=(0, None if shared else 0), randomness="same")(tensors, inputs)

    return forward


def is_chain(model: nn.Module) -> bool:
    """Whether ``model`` is an ``nn.Sequential`` of deterministic layers that a stack runs without ``vmap``."""
    return isinstance(model, nn.Sequential) and all(_known(layer) for layer in model)


def _known(layer: nn.Module) -> bool:
    """Exactly one of these classes: a subclass may compute something else."""
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


def _chain(layers: list[nn.Module]) -> StackedForward:
    def forward(tensors: Parameters, x: Tensor, shared: bool) -> Tensor:
        runs = next(iter(tensors.values())).shape[0]
        for index, layer in enumerate(layers):
            if isinstance(layer, nn.Linear):
                x = _linear(x, tensors[f"{index}.weight"], tensors[f"{index}.bias"], shared)
                shared = False
            elif isinstance(layer, nn.Conv2d):
                x = _convolution(layer, x, tensors[f"{index}.weight"], tensors[f"{index}.bias"], shared)
                shared = False
            elif isinstance(layer, nn.MaxPool2d):
                x = layer(x) if shared else _split_runs(layer(_merge_runs(x)), runs)
            elif isinstance(layer, nn.Flatten):
                x = x.flatten(1 if shared else 2, layer.end_dim)
            elif isinstance(layer, nn.Unflatten):
                x = x.unflatten(1 if shared else 2, layer.unflattened_size)
            else:
                x = layer(x)
        return x.expand(runs, *x.shape) if shared else x

    return forward


def _linear(x: Tensor, weight: Tensor, bias: Tensor, shared: bool) -> Tensor:
    if shared:  # one product with all runs' weights side by side: (batch, runs * outputs)
        return F.linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(1, weight.shape[:2]).transpose(0, 1)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))  # (runs, batch, outputs)


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


def _merge_runs(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1, 2)  # (runs, batch, channels, ...) -> (batch, runs * channels, ...)


def _split_runs(x: Tensor, runs: int) -> Tensor:
    return x.unflatten(1, (runs, -1)).transpose(0, 1)  # (batch, runs * channels, ...) -> (runs, batch, channels, ...)
