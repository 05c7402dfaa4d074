"""Learning-rate schedules as pure functions of the step, each equal to its torch twin.

``schedule(step)`` is the rate that update number ``step``, counted from 0, uses.
"""

from lrlib.schedules.compose import cool_down, join, scale
from lrlib.schedules.cycles import cyclic, one_cycle, warm_restarts
from lrlib.schedules.decay import constant, cosine, inverse_power, inverse_time, linear, polynomial
from lrlib.schedules.geometric import exponential, multistep, step, step_decay
from lrlib.schedules.plateau import PlateauRule, PlateauState, reduce_on_plateau
from lrlib.schedules.schedule import Schedule
from lrlib.schedules.torch_twin import as_torch, torch_rates
from lrlib.schedules.warmup import inverse_square_root, warmup_linear, warmup_stable_decay, with_warmup

__all__ = [
    "PlateauRule",
    "PlateauState",
    "Schedule",
    "as_torch",
    "constant",
    "cool_down",
    "cosine",
    "cyclic",
    "exponential",
    "inverse_power",
    "inverse_square_root",
    "inverse_time",
    "join",
    "linear",
    "multistep",
    "one_cycle",
    "polynomial",
    "reduce_on_plateau",
    "scale",
    "step",
    "step_decay",
    "torch_rates",
    "warm_restarts",
    "warmup_linear",
    "warmup_stable_decay",
    "with_warmup",
]
