"""The adaptive lab: several rules at one network, each at its own rate."""

from lrlib.widgets.adaptive_lab.lab import AdaptiveLab

__all__ = ["AdaptiveLab"]
