"""Real data that needs no network, synthetic data with a seed, and a cached loader for larger sets."""

from lrlib.data.dataset import Dataset, split
from lrlib.data.images import cifar10, digits, fashion_mnist, mnist
from lrlib.data.tables import breast_cancer, diabetes
from lrlib.data.text import pydoc_text

__all__ = [
    "Dataset",
    "breast_cancer",
    "cifar10",
    "diabetes",
    "digits",
    "fashion_mnist",
    "mnist",
    "pydoc_text",
    "split",
]
