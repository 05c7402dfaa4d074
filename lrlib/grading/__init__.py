"""Marking notebooks whose code nobody trusts: each check has its own processes, time, memory and output.

:func:`grade` marks one submission, cell by cell, as :class:`Mark`; :class:`Limits` says what a check may use up;
:func:`personal_seed` makes a seed from a student's id. A student's code runs with the rights of whoever grades:
SECURITY.md says what that means.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrlib.grading.limits import Limits
    from lrlib.grading.marking import grade
    from lrlib.grading.marks import Mark, personal_seed

_HOME = {"Limits": "limits", "Mark": "marks", "grade": "marking", "personal_seed": "marks"}
__all__ = ["Limits", "Mark", "grade", "personal_seed"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
