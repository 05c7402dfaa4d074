"""Training runs and sweeps over learning rates: many runs as one stack, with a ledger of the rates they used."""

from lrlib.training.device import find_device
from lrlib.training.records import Run, Sweep, load
from lrlib.training.run import compile_ahead, start, sweep, train
from lrlib.training.settings import Settings
from lrlib.training.stack import Stack
from lrlib.training.trajectory import Trajectory, descend

__all__ = [
    "Run",
    "Settings",
    "Stack",
    "Sweep",
    "Trajectory",
    "compile_ahead",
    "descend",
    "find_device",
    "load",
    "start",
    "sweep",
    "train",
]
