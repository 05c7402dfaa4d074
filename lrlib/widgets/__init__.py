"""Labs that are alive everywhere: beside a kernel, in a static page, from a file.

``hosting`` holds what a lab is to its host, ``drawing`` what draws, ``trainer`` what trains, ``translation`` what puts
other rooms' Python into a page's JavaScript. Each lab has a folder of its own, with its Python, JavaScript and style
sheet side by side.
"""

from lrlib.widgets.adaptive_lab import AdaptiveLab
from lrlib.widgets.clinic_lab import ClinicLab, LogClinic
from lrlib.widgets.drawing.still import Axis
from lrlib.widgets.predict import Answer, CurveMark, Predict
from lrlib.widgets.range_test_lab import RangeTestCase, RangeTestLab
from lrlib.widgets.schedule_lab import ScheduleLab
from lrlib.widgets.step_size_lab import StepSizeLab
from lrlib.widgets.training_lab import TrainingLab
from lrlib.widgets.write_it import Slip, WriteIt

__all__ = [
    "AdaptiveLab",
    "Answer",
    "Axis",
    "ClinicLab",
    "CurveMark",
    "LogClinic",
    "Predict",
    "RangeTestCase",
    "RangeTestLab",
    "ScheduleLab",
    "Slip",
    "StepSizeLab",
    "TrainingLab",
    "WriteIt",
]
