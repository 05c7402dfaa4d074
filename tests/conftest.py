"""One thread, no window, the same random examples at every run; and which tests are slow."""

import gc
import os

os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

# They call the C compiler for every rule and every kind of network.
SLOW = {"test_compiler_parity", "test_compiler_primitives", "test_training_compiled"}


# They come first: left to the end, one process would be at them while the others have nothing to do.
LONGEST = {"test_course_assignments", "test_course_formgrader", "test_course", "test_execution_cache", "test_tuning"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported by now lasts to the end: the collector need not look through it at each turn
