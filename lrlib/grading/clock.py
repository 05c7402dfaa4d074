"""A clock for a check that costs nobody a point on a busy machine."""

import time
from pathlib import Path

UNTOLD = 3  # where nobody tells how long a process waited, as many seconds on the wall are one of ours


class Clock:
    """Seconds since it was made, in which ``pids`` computed or slept. It stands still while they wait for a processor.

    Linux tells how long a process has waited. Elsewhere the clock runs at a third of its pace.
    """

    def __init__(self) -> None:
        self.pids: list[int] = []
        self._started = time.monotonic()

    def seconds(self) -> float:
        """What it shows."""
        passed, waited = time.monotonic() - self._started, 0.0
        for pid in self.pids:
            told = _waited(pid)
            if told is None:
                return passed / UNTOLD
            waited += told
        return max(0.0, passed - waited)


def _waited(pid: int) -> float | None:
    """For how long a process, which need not have been waited for, stood in line; None where that is not told."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        return None
    return int(waited) / 1e9 if int(ran) else None
