"""Losses and metrics of one run, in operations that also batch well over many."""

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats: logits (..., classes), integer classes (...).

    Twin: ``torch.nn.functional.cross_entropy`` on flattened inputs; to rounding where gradients are switched off.
    """
    if torch.is_grad_enabled():
        return -logits.log_softmax(-1).gather(-1, classes.unsqueeze(-1)).mean()
    below = logits - logits.amax(-1, keepdim=True)  # with ten classes torch's log_softmax takes five times as long
    return (below.exp().sum(-1).log() - below.gather(-1, classes.unsqueeze(-1)).squeeze(-1)).mean()


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of the squared differences. Twin: ``torch.nn.functional.mse_loss``."""
    return (outputs - targets).square().mean()


def accuracy(logits: Tensor, classes: Tensor) -> Tensor:
    """Share of examples, from 0 to 1, whose largest logit is that of their class."""
    return (logits.argmax(-1) == classes).to(logits.dtype).mean()
