"""What an adaptive rule divides the gradient by, read from torch's optimizers."""

import torch
from torch import Tensor, nn

from lrlib import _check

ADAM = (torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam)


def preconditioner(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """P, by name of the parameter: what the optimizer divides the gradient, or its running mean, by at present.

    Adam and its kin, the mean of squares v corrected for its start: √v̂ + ε. RMSprop: √v + ε. Adagrad: √s + ε. With it
    :func:`~lrlib.diagnostics.sharpness` tells the *preconditioned sharpness*, which full-batch training at a constant
    rate η lets rise to its edge of stability: 2/η for RMSprop, and 2(1 + β₁)/(1 - β₁)/η, 38/η at the default β₁ = 0.9,
    for Adam.

    Args:
        model: whose parameters the optimizer updates.
        optimizer: one of ``torch.optim``: Adam, AdamW, NAdam, RAdam, RMSprop (not centered) or Adagrad, after its first
            step.

    Raises:
        TypeError, ValueError: for another optimizer, before its first step, and for a parameter that requires gradients
            and has no state.

    Source: J. Cohen et al. (2022), Adaptive gradient methods at the edge of stability, arXiv:2207.14484.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> model(torch.tensor([[3.0, 0.5]])).sum().backward()
    >>> optimizer.step()
    >>> preconditioner(model, optimizer)["weight"]  # after one step, the size of the gradient
    tensor([[3.0000, 0.5000]])
    """
    if not isinstance(model, nn.Module):
        _check.fail("model", "a torch.nn.Module", model, error=TypeError)
    if not isinstance(optimizer, (*ADAM, torch.optim.RMSprop, torch.optim.Adagrad)):
        need = "torch.optim's Adam, AdamW, NAdam, RAdam, RMSprop or Adagrad"
        _check.fail("optimizer", need, type(optimizer).__name__, error=TypeError)
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    found = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        state = optimizer.state.get(parameter)
        if parameter not in groups or not state:
            _check.fail("optimizer", f"one that has made a step with {name!r}", "no state of it")
        group = groups[parameter]
        if group.get("centered"):
            _check.fail("optimizer", "one that does not center its squares", "centered=True")
        found[name] = torch.sqrt(_squares(state, group)) + group["eps"]
    return found


def _squares(state: dict[str, Tensor], group: dict[str, tuple[float, float]]) -> Tensor:
    """What stands under the root."""
    if "sum" in state:
        return state["sum"].detach().clone()
    if "square_avg" in state:
        return state["square_avg"].detach().clone()
    squares = state["max_exp_avg_sq" if "max_exp_avg_sq" in state else "exp_avg_sq"]
    return squares.detach() / (1 - group["betas"][1] ** float(state["step"]))
