"""Tasks whose examples come out of loaders: each batch as it comes, at most so many, and what is refused."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lrlib import training
from lrlib.tasks import Task, cross_entropy, mean_squared_error

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [2.0], [3.0]])


def linear():
    return nn.Linear(3, 1)


def loaded(train, validation=None, **others):
    validation = DataLoader(TensorDataset(X, Y), batch_size=8) if validation is None else validation
    return Task.from_loaders("loaded", linear, train, validation, mean_squared_error, **others)


def test_a_loader_gives_the_task_of_its_tensors():
    loader = DataLoader(TensorDataset(X, Y), batch_size=8)
    settings = {"learning_rates": [0.01, 0.1], "steps": 5, "batch_size": 4, "engine": "torch"}
    ours = training.sweep(loaded(loader), **settings)
    same = training.sweep(Task("tensors", linear, (X, Y), (X, Y), mean_squared_error), **settings)
    np.testing.assert_array_equal(ours.loss, same.loss)
    np.testing.assert_array_equal(ours.validation_loss, same.validation_loss)


@pytest.mark.parametrize(("limit", "taken"), [(1, 1), (7, 1), (8, 1), (9, 2), (20, 3), (100, 3)])
def test_no_more_batches_are_taken_than_the_limit_needs(limit, taken):
    count = iter(range(100))
    batches = (batch for batch, _ in zip(DataLoader(TensorDataset(X, Y), batch_size=8), count, strict=False))
    task = loaded(batches, limit=limit)
    torch.testing.assert_close(task.train, (X[:limit], Y[:limit]), rtol=0, atol=0)
    assert next(count) == taken


class Bag(nn.Module):
    """Classes of padded sequences of words."""

    def __init__(self):
        super().__init__()
        self.words, self.out = nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 3)

    def forward(self, ids, mask):
        return self.out((self.words(ids) * mask.unsqueeze(-1)).sum(1))


SENTENCES = [{"ids": torch.arange(1, 2 + n % 5), "label": n % 3} for n in range(12)]


def padded(samples, length=None):
    ids = pad_sequence([sample["ids"] for sample in samples], batch_first=True)
    if length is not None:
        ids = nn.functional.pad(ids, (0, length - ids.shape[1]))
    return {"ids": ids, "mask": (ids > 0).float(), "label": torch.tensor([sample["label"] for sample in samples])}


def inputs_and_label(batch):
    return {"ids": batch["ids"], "mask": batch["mask"]}, batch["label"]


def test_own_collation_and_batches_that_are_dictionaries():
    loader = DataLoader(SENTENCES, batch_size=5, collate_fn=lambda samples: padded(samples, length=5))
    task = Task.from_loaders("bag", Bag, loader, loader, cross_entropy, pair=inputs_and_label)
    whole = inputs_and_label(padded(SENTENCES, length=5))
    torch.testing.assert_close(task.train, whole, rtol=0, atol=0)
    assert np.isfinite(training.sweep(task, learning_rates=[0.1], steps=3, batch_size=4).loss).all()


def test_batches_padded_to_lengths_of_their_own_are_refused_with_advice():
    loader = DataLoader(SENTENCES, batch_size=3, collate_fn=padded)
    message = r"train inputs\['ids'\] must be of one shape .* in the first \(pad, in collate_fn, .* in batch 1"
    with pytest.raises(ValueError, match=message):
        Task.from_loaders("bag", Bag, loader, loader, cross_entropy, pair=inputs_and_label)


class Endless(IterableDataset):
    def __iter__(self):
        return ((x, y) for n in itertools.count() for x, y in [(X[n % 20], Y[n % 20])])


def test_an_endless_loader_needs_a_limit():
    loader = DataLoader(Endless(), batch_size=8)
    with pytest.raises(ValueError, match="limit must be a number of examples where the train loader may be endless"):
        loaded(loader)
    with pytest.raises(ValueError, match="where the validation loader may be endless"):
        loaded([(X, Y)], loader)
    assert loaded(loader, limit=50).examples == 50


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (DataLoader(TensorDataset(X[:4], Y[:4]), batch_size=8, drop_last=True), "train must be a loader that gives at"),
        (3, "train must be a DataLoader or another iterable of batches, but got 3"),
        ([{"x": X, "y": Y}], "train batch 0 must be a pair"),
        ([(X, Y), (X, Y[:3])], r"train batch 1 must be a pair .* with as many examples"),
        ([(X, Y), (X, [Y, Y])], r"train batch 1 must be made of train inputs, train targets, as the first is"),
        ([(X, Y), (X.double(), Y)], r"train inputs must be of one shape and dtype"),
        ([(X, Y), (X, Y.new_full((20, 1), torch.nan))], "train batch 1 targets must be free of NaN and infinity"),
        ([(X, ["word"] * 20)], r"train batch 0 targets\[0\] must be a tensor"),
    ],
)
def test_what_a_loader_may_not_give(loader, message):
    with pytest.raises((TypeError, ValueError), match=message):
        loaded(loader)


def test_a_limit_and_a_pair_are_checked():
    with pytest.raises(ValueError, match="limit must be an integer >= 1, but got 0"):
        loaded([(X, Y)], limit=0)
    with pytest.raises(TypeError, match="pair must be"):
        loaded([(X, Y)], pair="x")
