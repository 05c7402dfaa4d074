"""The schedule lab: a schedule is composed, and a network trained by it."""

from lrlib.widgets.schedule_lab.lab import ScheduleLab

__all__ = ["ScheduleLab"]
