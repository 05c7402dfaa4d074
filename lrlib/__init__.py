"""Find, schedule and diagnose the learning rate.

Rooms, from the ground up (a room imports only rooms below it):
``schedules``, ``updates``, ``surfaces`` · ``data``, ``models``, ``tasks`` · ``compiler`` · ``training`` ·
``style``, ``plots`` · ``widgets``.
"""

__version__ = "0.1.0"
