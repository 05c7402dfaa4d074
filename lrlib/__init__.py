"""Find, schedule and diagnose the learning rate.

Rooms, from the ground up (a room imports only rooms below it):
``schedules``, ``updates``, ``surfaces`` · ``data``, ``models``, ``tasks`` · ``compiler`` · ``training`` ·
``style``, ``plots`` · ``widgets``.
"""

import time

STARTED = time.time()  # before any other source of the package is read; see lrlib.compiler.identity

__version__ = "0.1.0"
