"""A clock for checks by which a busy machine costs nobody a point."""

import time
from collections.abc import Iterable
from pathlib import Path

UNTOLD = 3  # where nobody tells how long a process waited, as many seconds on the wall are one of ours


class Clock:
    """Seconds since it was made in which nobody waited for a processor: somebody computed, or all slept.

    Linux tells how long a process has waited. Elsewhere the clock runs at a third of its pace.

    Args:
        pids: The processes, or threads, that are watched from now on.
    """

    def __init__(self, *pids: int) -> None:
        self._before = {pid: _told(pid) for pid in pids}
        self._started = time.monotonic()

    def watch(self, pids: Iterable[int]) -> None:
        """Watch these as well, which were started after the clock; it shows at least what they have computed."""
        self._before |= dict.fromkeys(pids, (0.0, 0.0))

    def seconds(self) -> float:
        """What it shows."""
        passed, computed = time.monotonic() - self._started, 0.0
        unhindered = passed
        for pid, before in self._before.items():
            now = _told(pid)
            if now is None or before is None:
                return passed / UNTOLD
            computed += now[0] if before == (0.0, 0.0) else 0
            unhindered -= now[1] - before[1]
        return max(computed, unhindered)


def _told(pid: int) -> tuple[float, float] | None:
    """How long a process has computed and how long it has waited for that, ended or not; None if that is not told."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        return None
    return (int(ran) / 1e9, int(waited) / 1e9) if int(ran) else None
