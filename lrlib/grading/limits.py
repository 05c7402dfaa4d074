"""What a student's code may use up, and how the operating system holds a process to it."""

import math
import os
import sys
from dataclasses import dataclass

from lrlib import _check

FILE_BYTES = 50_000_000
LOAD_BYTES = 20_000_000  # the largest notebook that is read


@dataclass(frozen=True)
class Limits:
    """The limits of one check, that is of one test cell run against one student's code, and of a submission's checks.

    Args:
        seconds: For one check, > 0, computing or asleep. Waiting for a processor does not count, so that a busy
            machine costs nobody a point; where the system does not tell about that (macOS), three seconds that pass
            count as one.
        memory_mb: Megabytes beyond what the warm process holds already, >= 100. Linux holds a process to it, macOS
            does not.
        output_characters: Of what the code printed, how much is kept, >= 0.
        submission_seconds: For all checks of a submission, > 0. The items get equal shares of it, and what one does
            not need goes to the others: only a submission of which several items run on and on is held to it.
    """

    seconds: float = 10
    memory_mb: int = 2000
    output_characters: int = 10_000
    submission_seconds: float = 30

    def __post_init__(self) -> None:
        _check.real("seconds", self.seconds, above=0)
        _check.real("submission_seconds", self.submission_seconds, above=0)
        _check.integer("memory_mb", self.memory_mb, at_least=100)
        _check.integer("output_characters", self.output_characters, at_least=0)


def hold(limits: Limits, seconds: float) -> None:
    """Hold this process, and all that it starts, to ``limits`` from now on, and to ``seconds`` of computing."""
    import resource

    megabytes = 2**20
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, mapped + limits.memory_mb * megabytes)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 256)


def _lower(kind: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def no_more_processes() -> None:
    """Let this process start no other one. The superuser is exempt from this."""
    import resource

    if os.getuid() != 0:
        _lower(resource.RLIMIT_NPROC, 0)
