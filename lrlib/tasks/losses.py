"""Losses and metrics of one run, in operations that also batch well over many."""

from torch import Tensor


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats: logits (..., classes), integer classes (...).

    Twin: ``torch.nn.functional.cross_entropy`` on flattened inputs.
    """
    return -logits.log_softmax(-1).gather(-1, classes.unsqueeze(-1)).mean()


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of the squared differences. Twin: ``torch.nn.functional.mse_loss``."""
    return (outputs - targets).square().mean()


def accuracy(logits: Tensor, classes: Tensor) -> Tensor:
    """Share of examples, from 0 to 1, whose largest logit is that of their class."""
    return (logits.argmax(-1) == classes).to(logits.dtype).mean()
