"""Figures from records: every function takes data, draws on ``ax`` and returns it. None of them trains."""

from lrlib.plots.axes import mark_limit
from lrlib.plots.diagnoses import plot_diagnosis, plot_range_test
from lrlib.plots.intervals import plot_best_rates, plot_intervals
from lrlib.plots.landscapes import plot_surface, plot_trajectory
from lrlib.plots.runs import plot_curves, plot_final_loss, plot_ledger, plot_update_ratios

__all__ = [
    "mark_limit",
    "plot_best_rates",
    "plot_curves",
    "plot_diagnosis",
    "plot_final_loss",
    "plot_intervals",
    "plot_ledger",
    "plot_range_test",
    "plot_surface",
    "plot_trajectory",
    "plot_update_ratios",
]
