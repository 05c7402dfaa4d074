"""Microbatches and mixed precision: a run is the loop that everybody writes, accumulated or under autocast."""

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import tasks, training, updates
from lrlib.models import drawing, initial_parameters
from lrlib.streams import stream_key
from lrlib.tasks import Task, cross_entropy

STEPS, BATCH = 6, 10
X = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 3


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 3))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 8),
        nn.GELU(),
        nn.Linear(8, 3),
    )


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.rnn(x[:, 0])[0][:, -1])


def layered():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))


def drawing_and_normalizing():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.4), nn.Linear(16, 3))


def own(factory):
    return Task("own", factory, (X, Y), (X, Y), cross_entropy)


def swept(task, **settings):
    given = {"learning_rates": [0.03, 0.3], "seeds": [0, 1], "steps": STEPS, "batch_size": BATCH, "device": "cpu"}
    return training.sweep(task, **(given | settings))


def by_hand(task, rate, seed, *, part=BATCH, dtype=torch.float32, autocast=False):
    """Losses and parameters of gradient descent with accumulation, masks drawn from the run's streams."""
    model = initial_parameters(task.model, seed=seed).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    losses = []
    for step, rows in enumerate(tasks.batch_order(40, batch_size=BATCH, steps=STEPS, seed=seed)):
        optimizer.zero_grad()
        whole = 0.0
        for number, some in enumerate(rows.split(part)):
            key = stream_key("dropout", seed, step, *([number] if number else []))
            with drawing(key, torch.device("cpu")), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                outputs = model(X[some].to(dtype))
            loss = cross_entropy(outputs.float() if autocast else outputs, Y[some]) * (len(some) / BATCH)
            loss.backward()
            whole += loss.item()
        optimizer.step()
        losses.append(whole)
    return np.array(losses), model.state_dict()


@pytest.mark.filterwarnings("ignore:own. runs are trained one at a time")
@pytest.mark.parametrize(
    "rule",
    [updates.sgd(), updates.polyak(), updates.partition({"*bias*": updates.sgd()}, rest=updates.adamw())],
    ids=lambda rule: rule.name,
)
@pytest.mark.parametrize("factory", [mlp, cnn, layered, Recurrent])
def test_microbatches_give_the_numbers_of_the_whole(factory, rule):
    settings = {"rule": rule, "dtype": torch.float64, "clip_norm": 1.0, "record_updates": True}
    whole = swept(own(factory), engine="torch", **settings)
    for part in (4, BATCH):
        parts = swept(own(factory), microbatch=part, **settings)
        for name in ("loss", "grad_norm", "update_ratio", "validation_loss"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("part", [4, 5])
def test_what_looks_across_examples_sees_the_microbatch(part):
    task = own(drawing_and_normalizing)
    for run in swept(task, microbatch=part, dtype=torch.float64):
        losses, state = by_hand(task, run.learning_rate, run.seed, part=part, dtype=torch.float64)
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9)
        for name, value in run.parameters.items():
            torch.testing.assert_close(value, state[name], rtol=1e-8, atol=1e-10)


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(64, 3), []

    def forward(self, x):
        if self.training:
            self.seen.append(len(x))
        return self.layer(x.flatten(1))


def test_no_more_than_a_microbatch_goes_through_the_model_at_once(monkeypatch):
    seen = []
    monkeypatch.setattr(Counting, "__deepcopy__", lambda self, memo: kept(self, seen), raising=False)
    task = own(Counting)
    seen.clear()
    swept(task, microbatch=4, seeds=[0], engine="torch")
    assert seen == [4, 4, 2] * STEPS


def kept(model, seen):
    """A copy that writes down the sizes of its batches where they can be read."""
    copied = Counting()
    copied.load_state_dict(model.state_dict())
    copied.seen = seen
    return copied


@pytest.mark.filterwarnings("ignore:own. runs are trained one at a time")
@pytest.mark.parametrize("factory", [mlp, cnn, layered, drawing_and_normalizing, Recurrent])
def test_mixed_precision_is_that_of_the_loop(factory):
    task = own(factory)
    mixed, plain = swept(task, autocast=torch.bfloat16), swept(task, engine="torch")
    for run, full in zip(mixed, plain, strict=True):
        losses, _ = by_hand(task, run.learning_rate, run.seed, autocast=True)
        apart = np.abs(full.loss - losses).max()  # what mixed precision does
        assert np.abs(run.loss - losses).max() < 0.3 * apart
        assert all(value.dtype != torch.bfloat16 for value in run.parameters.values())


def test_both_are_torchs_and_the_record_says_so():
    task = own(layered)
    result = swept(task, autocast=torch.bfloat16, microbatch=5, learning_rates=[0.1], seeds=[0])
    told = result.provenance
    assert (told["engine"], told["microbatch"], told["autocast"]) == ("torch, one run at a time", 5, "bfloat16")
    assert told["engine_note"] == "compiled code takes a minibatch whole"
    assert {"microbatch", "autocast"}.isdisjoint(swept(task).provenance)
    with pytest.raises(ValueError, match="here, since compiled code has no mixed precision, but got 'compiled'"):
        swept(task, autocast=torch.bfloat16, engine="compiled")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"microbatch": 0}, "microbatch must be an integer >= 1 and <= 10, but got 0"),
        ({"microbatch": 11}, "microbatch must be an integer >= 1 and <= 10, but got 11"),
        ({"autocast": torch.float16}, "autocast must be torch.bfloat16 or None, but got torch.float16"),
        ({"autocast": True}, "autocast must be torch.bfloat16 or None, but got True"),
        ({"autocast": torch.bfloat16, "dtype": torch.float64}, "autocast must be None where dtype is torch.float64"),
    ],
)
def test_bad_parts_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        swept(own(mlp), **settings)
