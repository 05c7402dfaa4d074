"""A training curve as anyone has it: losses against steps, whoever trained. Needs numpy alone."""

from lrlib.curves.curve import Curve
from lrlib.curves.divergence import first_divergence
from lrlib.curves.log_files import UnreadableLog
from lrlib.curves.reading import read

__all__ = ["Curve", "UnreadableLog", "first_divergence", "read"]
