"""Tabular data that ships with scikit-learn."""

import functools

import numpy as np

from lrlib.data.dataset import Dataset, split


@functools.lru_cache(maxsize=64)
def breast_cancer(*, seed: int = 0) -> Dataset:
    """569 tumours described by 30 measurements, 2 classes; inputs (examples, 30), standardized feature by feature.

    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), UCI, doi:10.24432/C5DW2B.
    """
    from sklearn.datasets import load_breast_cancer

    return split("breast cancer", *load_breast_cancer(return_X_y=True), seed=seed)


@functools.lru_cache(maxsize=64)
def diabetes(*, seed: int = 0) -> Dataset:
    """442 patients, 10 measurements, and how far their disease has come after a year: a regression.

    Inputs (examples, 10) and targets (examples, 1), both standardized (targets over all examples).
    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004), doi:10.1214/009053604000000067.
    """
    from sklearn.datasets import load_diabetes

    inputs, progression = load_diabetes(return_X_y=True)
    targets = (progression - progression.mean()) / progression.std()
    return split("diabetes", inputs, np.asarray(targets)[:, None], seed=seed)
