"""Training runs and sweeps over learning rates: many runs as one stack, with a ledger of the rates they used."""

from lrlib.training.choice import EdgeOfGrid, range_below, typical_loss
from lrlib.training.device import find_device
from lrlib.training.horizon import UnfinishedSchedule
from lrlib.training.records import OwnBest, Run, Sweep, load
from lrlib.training.run import compile_ahead, start, sweep, train
from lrlib.training.settings import Settings
from lrlib.training.stack import Stack
from lrlib.training.trajectory import Trajectory, descend

__all__ = [
    "EdgeOfGrid",
    "OwnBest",
    "Run",
    "Settings",
    "Stack",
    "Sweep",
    "Trajectory",
    "UnfinishedSchedule",
    "compile_ahead",
    "descend",
    "find_device",
    "load",
    "range_below",
    "start",
    "sweep",
    "train",
    "typical_loss",
]
