"""Automated search for learning rates and what goes with them, by Optuna: one study, any number of workers.

Needs the extra ``tuning``. The same call starts a study, joins it from another process or machine, and goes on with it
tomorrow: what binds them is the storage.
"""

from lrlib.tuning.found import Found
from lrlib.tuning.objectives import Objective, Report, of_task
from lrlib.tuning.searches import search, search_each

__all__ = ["Found", "Objective", "Report", "of_task", "search", "search_each"]
