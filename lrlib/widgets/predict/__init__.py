"""Questions that the reader answers before running a lab."""

from lrlib.widgets.predict.curve_mark import CurveMark
from lrlib.widgets.predict.question import Answer, Predict

__all__ = ["Answer", "CurveMark", "Predict"]
