"""The training lab: a network at one rate, and at many."""

from lrlib.widgets.training_lab.lab import TrainingLab

__all__ = ["TrainingLab"]
