"""Update rules as pure functions over stacks of runs, each run with its own learning rate."""

from lrlib.updates.adagrad_family import adadelta, adagrad, rmsprop
from lrlib.updates.adam_family import adam, adamw, amsgrad
from lrlib.updates.adam_nesterov import nadam
from lrlib.updates.adam_rectified import radam
from lrlib.updates.averaging import averaged
from lrlib.updates.effective import effective_rates, has_effective_rates
from lrlib.updates.gradient_descent import heavy_ball, nesterov, sgd
from lrlib.updates.groups import partition, scaled
from lrlib.updates.learning_rate_free import dadapt_adam, prodigy
from lrlib.updates.orthogonal import matrices, muon
from lrlib.updates.polyak_step import polyak
from lrlib.updates.rule import State, UpdateRule, named_tensors, nested_tensors
from lrlib.updates.schedule_free import schedule_free_adamw, schedule_free_sgd
from lrlib.updates.sign_descent import lion
from lrlib.updates.torch_adapter import from_torch

__all__ = [
    "State",
    "UpdateRule",
    "adadelta",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "averaged",
    "dadapt_adam",
    "effective_rates",
    "from_torch",
    "has_effective_rates",
    "heavy_ball",
    "lion",
    "matrices",
    "muon",
    "nadam",
    "named_tensors",
    "nested_tensors",
    "nesterov",
    "partition",
    "polyak",
    "prodigy",
    "radam",
    "rmsprop",
    "scaled",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "sgd",
]
