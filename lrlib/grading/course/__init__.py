"""A course on nbgrader: what students get, what they hand in, marks, feedback and a summary.

``release`` and ``grade`` are the two commands (``python -m lrlib.grading``, ``make assignments``, ``make grade``).
nbgrader makes the releases, keeps the gradebook, writes the feedback and offers its formgrader for manual marks; what
a function is worth is decided by :func:`lrlib.grading.grade`. Needs nbgrader (``pip install lrlib[grading]``).
"""

from lrlib.grading.course.layout import Course, CourseError, Student, configure

__all__ = ["Course", "CourseError", "Student", "configure"]
