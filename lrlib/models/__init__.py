"""Networks small enough to train at dozens of learning rates while a reader waits."""

from lrlib.models.draws import drawing, generators
from lrlib.models.networks import cnn, mlp
from lrlib.models.stacked import STACKINGS, apply_model, initial_parameters, is_chain, stacked_forward
from lrlib.models.transformer import CharTransformer

__all__ = [
    "STACKINGS",
    "CharTransformer",
    "apply_model",
    "cnn",
    "drawing",
    "generators",
    "initial_parameters",
    "is_chain",
    "mlp",
    "stacked_forward",
]
