"""What all train: the digits, a network of one hidden layer, its initial weights and its minibatches."""

import hashlib
from pathlib import Path

import numpy as np

from lrlib import models, tasks

UPDATES, BATCH, EVERY = 200, 64, 4  # a loss is recorded before every fourth update
HERE = Path(__file__).parent


def problem() -> dict[str, np.ndarray]:
    """``inputs`` (examples, 64), ``targets`` (examples,), ``order`` (updates, batch), the weights as torch shapes
    them, and ``watched``, the places in the row of all weights that are recorded at the end.
    """
    task = tasks.digits_mlp(hidden=(32,))
    x, y = task.train
    order = tasks.batch_order(len(x), batch_size=BATCH, steps=UPDATES, seed=0)
    weights = [p.detach().double().numpy() for p in models.initial_parameters(task.model, seed=0).parameters()]
    watched = np.arange(0, sum(w.size for w in weights), 53)
    named = dict(zip(("w0", "b0", "w1", "b1"), weights, strict=True))
    arrays = {"inputs": x.double().numpy(), "targets": y.numpy(), "order": order.numpy(), **named}
    return arrays | {"watched": watched, "every": np.array(EVERY)}


def digest() -> str:
    """A name for all that the record hangs on: the calls, the worker, the problem's arrays and the versions wanted."""
    found = hashlib.sha256()
    for name in ("calls.py", "plans.py", "worker.py", "requirements.txt"):
        found.update((HERE / name).read_bytes())
    for name, array in sorted(problem().items()):
        found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
