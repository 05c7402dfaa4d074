"""Cells in which the reader writes a formula, checked in the page against the library's own numbers."""

from lrlib.widgets.write_it.cell import Slip, WriteIt

__all__ = ["Slip", "WriteIt"]
