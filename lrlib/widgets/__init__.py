"""Labs that are alive everywhere: beside a kernel, in a static page, from a file."""

from lrlib.widgets.adaptive_lab import AdaptiveLab
from lrlib.widgets.curve_mark import CurveMark
from lrlib.widgets.predict import Answer, Predict
from lrlib.widgets.schedule_lab import ScheduleLab
from lrlib.widgets.step_size_lab import StepSizeLab
from lrlib.widgets.still import Axis
from lrlib.widgets.training_lab import TrainingLab

__all__ = ["AdaptiveLab", "Answer", "Axis", "CurveMark", "Predict", "ScheduleLab", "StepSizeLab", "TrainingLab"]
