"""What one cell of an assignment earned, and the seed that is a student's own."""

import hashlib
from dataclasses import dataclass

from lrlib import _check


@dataclass(frozen=True)
class Mark:
    """What one graded cell earned.

    Attributes:
        item: The item, the ``grade_id`` of its solution cell.
        cell: The ``grade_id`` of the graded cell.
        points: What was earned, all of ``max_points`` or 0; 0 as well where a person decides (``manual``).
        max_points: What the cell is worth.
        reason: "" for full points, else one or two sentences for the student.
        output: What the student's code printed in this check, cut to ``Limits.output_characters``.
        manual: Whether a person gives the points: a figure.
        picture: The figure as PNG, where the cell asks for one and the code drew it.
        look: Whether a person should look, since the code did not fail a test but ran into a limit,
            ended its own process, or was asked something by a test that is itself at fault.
    """

    item: str
    cell: str
    points: float
    max_points: float
    reason: str = ""
    output: str = ""
    manual: bool = False
    picture: bytes | None = None
    look: bool = False


def personal_seed(student: str) -> int:
    """A seed that belongs to one student: the first 32 bits of SHA-256 of the id, stripped and in lower case.

    >>> personal_seed("Ada") == personal_seed(" ada ")
    True
    >>> 0 <= personal_seed("ada") < 2**32
    True
    """
    if not isinstance(student, str):
        _check.fail("student", "a string", student, error=TypeError)
    return int.from_bytes(hashlib.sha256(student.strip().casefold().encode()).digest()[:4], "big")
