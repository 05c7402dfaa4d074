"""Images: scikit-learn's 8 × 8 digits (offline), and two larger sets fetched once and cached."""

import functools

import numpy as np
import torch

from lrlib.data.dataset import Dataset


@functools.cache
def digits() -> Dataset:
    """1,797 handwritten digits of 8 × 8 pixels in 10 classes; 1,437 to train on, 360 to validate.

    Inputs (examples, 64), scaled to mean 0 and standard deviation 1 over all training pixels together,
    so that a pixel that is nearly always empty is not blown up. Targets are integers 0 … 9.
    Source: E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    x, y = torch.from_numpy(pixels[order]), torch.from_numpy(labels[order])
    x = (x - x[:1437].mean()) / x[:1437].std(correction=0)
    return Dataset("digits", (x[:1437], y[:1437]), (x[1437:], y[1437:]))


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
        pixels, labels = fetch_openml(data_id=data_id, return_X_y=True, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise ConnectionError(
            f"{name} is not in the cache {get_data_home()!r} and could not be fetched ({error}). "
            f"Connect once and call this again, or copy that folder from a machine that has it, "
            f"or use lrlib.data.digits(), which needs no network."
        ) from error
    x = torch.from_numpy(np.asarray(pixels, dtype=np.float64))
    y = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    x = (x - x[:train].mean()) / x[:train].std(correction=0)
    return Dataset(name, (x[:train], y[:train]), (x[train:], y[train:]))
