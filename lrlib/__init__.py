"""Find, schedule and diagnose the learning rate.

Rooms, from the ground up (a room imports only rooms below it):
``streams``, ``schedules``, ``updates``, ``surfaces`` · ``curves`` · ``data``, ``models``, ``tasks`` ·
``_compiler`` (private) · ``training`` · ``diagnostics``, ``evidence``, ``range_tests``, ``tuning`` ·
``style``, ``plots`` · ``widgets`` · ``grading``. Each is loaded when it is first named.
"""

import time
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

STARTED = time.time()  # before any other source of the package is read; see lrlib._compiler.identity

__version__ = "0.1.0"


def __dir__() -> list[str]:
    rooms = [room.name for room in iter_modules(__path__) if not room.name.startswith("_")]
    return sorted([*globals(), *rooms])


def __getattr__(name: str) -> ModuleType:
    if not name.startswith("_") and name in __dir__():
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
