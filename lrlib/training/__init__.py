"""Training runs and sweeps over learning rates: many runs as one stack, with a ledger of the rates they used."""

from lrlib.training.compiled import Compilation
from lrlib.training.device import find_device
from lrlib.training.records import Run, Sweep, load
from lrlib.training.run import compilation_for, start, sweep, train
from lrlib.training.stack import Stack
from lrlib.training.trajectory import Trajectory, descend

__all__ = [
    "Compilation",
    "Run",
    "Stack",
    "Sweep",
    "Trajectory",
    "compilation_for",
    "descend",
    "find_device",
    "load",
    "start",
    "sweep",
    "train",
]
