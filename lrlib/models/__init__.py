"""Networks small enough to train at dozens of learning rates while a reader waits."""

from lrlib.models.networks import cnn, mlp
from lrlib.models.stacked import initial_parameters, is_chain, stacked_forward
from lrlib.models.transformer import CharTransformer

__all__ = ["CharTransformer", "cnn", "initial_parameters", "is_chain", "mlp", "stacked_forward"]
