"""The range-test lab: one curve, every published rule, and the losses of whole runs beneath."""

from lrlib.widgets.range_test_lab.lab import RangeTestLab
from lrlib.widgets.range_test_lab.table import RangeTestCase

__all__ = ["RangeTestCase", "RangeTestLab"]
