"""How fast the labs answer, in a static page and beside a kernel, and what they weigh: ``make bench``.

Every table stands beside the bars that the labs are built for; nothing is asserted. On a busy machine the times on the
clock grow with whatever else runs; the columns of processor time and the plain torch step of the same run tell apart.
"""

import statistics
import time

import torch

from benchmarks.labs.kernel import display, jupyterlab, kernels
from benchmarks.labs.page import pages
from benchmarks.labs.weight import weights
from benchmarks.sweeps import plain_run
from lrlib import tasks


def main() -> None:
    torch.set_num_threads(1)
    display()  # first: nothing is in memory yet
    print(f"\none plain torch step of the digits MLP at batch 64: {plain_step():.3f} ms of processor time")
    kernels()
    jupyterlab()
    weights()
    pages()


def plain_step() -> float:
    """Milliseconds of processor time of one plain torch step of the digits MLP at batch 64."""
    run = plain_run(tasks.digits_mlp(), torch.optim.SGD, steps=200, batch_size=64)
    run()
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return statistics.median(seconds) / 200 * 1e3
