"""The batches of a loader again and again, those of a plain ``DataLoader`` over tensors taken at once."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    """The batches of one pass after the other, until a pass gives none."""
    while True:
        empty = True
        for batch in one_pass(loader):
            empty = False
            yield batch
        if empty:
            return


def one_pass(loader: Iterable[Any]) -> Iterable[Any]:
    """What ``iter(loader)`` gives, bit for bit, from the same random draws.

    A ``DataLoader`` over a ``TensorDataset`` fetches and stacks example by example, which takes longer than a training
    step of a small network. Where it does nothing else, the rows that its sampler names are taken at once.
    """
    if (
        type(loader) is DataLoader
        and type(loader.dataset) is TensorDataset
        and loader.batch_sampler is not None
        and loader.collate_fn is default_collate
        and loader.num_workers == 0
        and not loader.pin_memory
    ):
        return _rows(loader.dataset.tensors, loader.batch_sampler, loader.generator)
    return loader


def _rows(tensors: Any, order: Iterable[list[int]], generator: torch.Generator | None) -> Iterator[list[Any]]:
    torch.empty((), dtype=torch.int64).random_(generator=generator)  # the seed that an iterator draws for its workers
    for chosen in _chosen(order):
        yield [tensor[chosen] for tensor in tensors]


def _chosen(order: Iterable[list[int]]) -> Iterable[Tensor]:
    """The rows of each batch; where the order of a whole pass is drawn at its beginning, all are told at once."""
    if type(order) is BatchSampler and type(order.sampler) in (RandomSampler, SequentialSampler):
        size, batches = order.batch_size, torch.tensor(list(order.sampler), dtype=torch.int64).split(order.batch_size)
        return [rows for rows in batches if len(rows) == size or (len(rows) and not order.drop_last)]
    return map(torch.tensor, order)
