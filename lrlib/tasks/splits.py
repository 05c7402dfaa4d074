"""The examples of a task: what they must be, and how they come out of a loader."""

from collections.abc import Callable, Iterable, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves, tree_map

from lrlib import _check

Split = tuple[Any, Any]


def check_split(name: str, split: object) -> None:
    """That a split is a pair of tensors, or of trees of them, with as many finite examples in each.

    Raises:
        TypeError, ValueError: if not, with the name of the tensor that is to blame.
    """
    need = "a pair (inputs, targets) of tensors, or of tuples, lists or dictionaries of tensors, with as many examples"
    if not isinstance(split, tuple) or len(split) != 2:
        _check.fail(name, need, split, error=TypeError)
    if not all(tree_leaves(part) for part in split):
        _check.fail(name, need, split)
    leaves = _named(name, split)
    for label, leaf in leaves.items():
        if not isinstance(leaf, Tensor):
            _check.fail(label, "a tensor", leaf, error=TypeError)
    shapes = {label: tuple(leaf.shape) for label, leaf in leaves.items()}
    if any(not shape or not shape[0] for shape in shapes.values()) or len({shape[0] for shape in shapes.values()}) > 1:
        _check.fail(name, need, shapes)
    for label, leaf in leaves.items():
        if leaf.is_floating_point() and not bool(leaf.sum().isfinite()):  # or large ones whose sum has no place
            bad = int((~torch.isfinite(leaf)).sum())
            if bad:
                _check.fail(label, "free of NaN and infinity", f"{bad} such entries")


def gathered(name: str, loader: Iterable[Any], *, limit: int | None, pair: Callable[[Any], Any] | None) -> Split:
    """The first ``limit`` examples that one pass of ``loader`` gives, or all; arguments as of ``Task.from_loaders``.

    Raises:
        TypeError, ValueError: for what :func:`check_split` refuses in a batch; for a loader that gives no batch, whose
            batches differ in anything but their number of examples, or that has neither a length nor a limit.
    """
    if not isinstance(loader, Iterable):
        _check.fail(name, "a DataLoader or another iterable of batches", loader, error=TypeError)
    if limit is None and not _has_length(loader):
        _check.fail("limit", f"a number of examples where the {name} loader may be endless (it has no length)", limit)
    batches: list[Split] = []
    left = limit
    for number, batch in enumerate(loader):
        given = batch if pair is None else pair(batch)
        split = tuple(given) if isinstance(given, list) else given  # PyTorch's own collate gives a list
        check_split(f"{name} batch {number}", split)
        if batches:
            _check_alike(name, number, _named(name, batches[0]), _named(name, split))
        batches.append(tree_map(lambda leaf, left=left: leaf[:left], split))
        if left is not None:
            left -= len(tree_leaves(split)[0])
            if left <= 0:
                break
    if not batches:
        _check.fail(name, "a loader that gives at least one batch", "none (an iterator may have been used up before)")
    return tree_map(lambda *parts: torch.cat(parts), *batches)


def _has_length(loader: object) -> bool:
    try:
        return isinstance(loader, Sized) and len(loader) >= 0
    except TypeError:  # a DataLoader over an IterableDataset without a length
        return False


def _check_alike(name: str, number: int, first: dict[str, Tensor], batch: dict[str, Tensor]) -> None:
    if first.keys() != batch.keys():
        _check.fail(f"{name} batch {number}", f"made of {', '.join(first)}, as the first is", ", ".join(batch))
    for label, leaf in batch.items():
        like, given = ((tuple(t.shape[1:]), t.dtype) for t in (first[label], leaf))
        if like != given:
            need = (
                f"of one shape and dtype in all batches, {like} in the first (pad, in collate_fn, to a length for all)"
            )
            _check.fail(label, need, f"{given} in batch {number}")


def _named(name: str, split: Split) -> dict[str, Tensor]:
    """The tensors of a split, each by its place in it."""
    return {
        f"{name} {part}{keystr(path)}": leaf
        for part, tree in zip(("inputs", "targets"), split, strict=True)
        for path, leaf in tree_flatten_with_path(tree)[0]
    }
