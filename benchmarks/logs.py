"""What reading a log costs: ``python -m benchmarks.logs`` writes logs of a known size, reads each in its own process.

CPU seconds, and memory at its peak over what a bare start takes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

READ = """
import resource, sys
from lrlib.curves import read
peak = lambda: resource.getrusage(resource.RUSAGE_SELF)
before = peak()
curve = read(sys.argv[1])
after = peak()
print(len(curve.loss), after.ru_utime - before.ru_utime, (after.ru_maxrss - before.ru_maxrss) / 1024)
"""


def table(file: IO[str], size: float) -> None:
    file.write("epoch,step,train_loss,val_loss,lr,grad_norm\n")
    k = 0
    while file.tell() < size:
        block = range(k, k + 10_000)
        file.write(
            "".join(f"{j // 1000},{j},{2 / (1 + j):.10f},{'' if j % 100 else 1.5},{1e-3:.6f},1.25\n" for j in block)
        )
        k += 10_000


def lines(file: IO[str], size: float) -> None:
    k = 0
    while file.tell() < size:
        file.write(json.dumps({"step": k, "loss": 2 / (1 + k), "lr": 1e-3, "grad_norm": 1.25}) + "\n")
        k += 1


def report(name: str, write: Callable[[IO[str], float], None], size: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        with path.open("w", encoding="utf-8") as file:
            write(file, size)
        out = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True).stdout
    rows, seconds, memory = map(float, out.split())
    print(f"{name:<12} {size / 1e6:5.0f} MB {rows:10.0f} rows {seconds:6.2f} s {memory:6.0f} MB of memory")


if __name__ == "__main__":
    for name, write in (("table", table), ("JSON lines", lines)):
        for size in (2.5e6, 1e8):
            report(name, write, size)
