"""The step-size lab: descents on test surfaces."""

from lrlib.widgets.step_size_lab.lab import StepSizeLab

__all__ = ["StepSizeLab"]
