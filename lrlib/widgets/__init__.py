"""Labs that are alive everywhere: beside a kernel, in a static page, from a file."""

from lrlib.widgets.predict import Answer, Predict
from lrlib.widgets.step_size_lab import StepSizeLab
from lrlib.widgets.training_lab import TrainingLab

__all__ = ["Answer", "Predict", "StepSizeLab", "TrainingLab"]
