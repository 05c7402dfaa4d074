"""A training curve as anyone has it: losses against steps, whoever trained. Needs numpy alone."""

from typing import TYPE_CHECKING, Any

from lrlib.curves.curve import Curve
from lrlib.curves.divergence import first_divergence

if TYPE_CHECKING:
    from lrlib.curves.log_files import UnreadableLog
    from lrlib.curves.reading import read

__all__ = ["Curve", "UnreadableLog", "first_divergence", "read"]


def __getattr__(name: str) -> Any:  # who trains reads no logs
    if name in ("UnreadableLog", "read"):
        from lrlib.curves import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
