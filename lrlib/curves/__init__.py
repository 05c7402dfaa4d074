"""A training curve as anyone has it: losses against steps, whoever trained. Needs numpy alone."""

from lrlib.curves.curve import Curve
from lrlib.curves.divergence import first_divergence

__all__ = ["Curve", "first_divergence"]
