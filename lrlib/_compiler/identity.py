"""Names for what programs are made from, so that a program met before need not be traced again.

A step is a Python function, and what it computes may hang on anything that it closes over. But a step that is built by
this package from functions of this package and of torch, with plain numbers as their arguments, is fully told by their
names and numbers, as long as the sources are the same.
"""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import nn

from lrlib import STARTED

_ROOT = Path(__file__).parents[1]
_AT_REST = 5.0  # s; a source changed later than so long before this process read it may not be what the process runs


def identity(*parts: Any) -> str | None:
    """One text for functions, partial functions, dataclasses, containers and plain values; None if one has no name.

    >>> import math
    >>> from functools import partial
    >>> from lrlib.models import mlp
    >>> identity(partial(mlp, (2, 3)), True)
    '(partial(lrlib.models.networks:mlp,((2,3)),{}),True)'
    >>> identity(lambda x: x) is None
    True
    """
    try:
        return _described(parts)
    except _Nameless:
        return None


def structure(model: nn.Module) -> str | None:
    """One text for what a module computes with parameters that it is *handed*; None if it has no name.

    Class and settings of each module within, and the names, shapes and dtypes of its parameters, but not their values:
    so it names a step that gets them as inputs, and no other. Modules that share a parameter are told from modules that
    do not. Buffers, hooks, tensors as attributes and classes of the reader's own have no name.

    >>> from torch.nn import Linear, ReLU, Sequential
    >>> structure(Sequential(Linear(2, 3), ReLU())) == structure(Sequential(Linear(2, 3), ReLU()))
    True
    >>> structure(Sequential(Linear(2, 3), ReLU())) == structure(Sequential(Linear(2, 3), ReLU(inplace=True)))
    False
    """
    first = {id(parameter): name for name, parameter in model.named_parameters()}  # of shared ones, the first name
    return identity(
        *(
            [name, type(module), _settings(module), _parameters(module, first)]
            for name, module in model.named_modules(remove_duplicate=False)
        )
    )


def _settings(module: nn.Module) -> dict[str, Any]:
    """All that a module holds, hooks and buffers among it, but for what is told beside it."""
    others = ("_parameters", "_modules", "_non_persistent_buffers_set")
    return {name: value for name, value in vars(module).items() if name not in others}


def _parameters(module: nn.Module, first: Mapping[int, str]) -> list[Any]:
    """For each parameter the name that it is handed by, and what it looks like; None where a module has none."""
    return [
        (name, (first[id(p)], p.shape, p.dtype, p.requires_grad) if type(p) is nn.Parameter else p)
        for name, p in module._parameters.items()
    ]


class _Nameless(Exception):
    """Something that only its own code could tell."""


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str | torch.dtype):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"({','.join(map(_described, value))})"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{_described(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, partial):
        return f"partial({_described(value.func)},{_described(value.args)},{_described(value.keywords)})"
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return _reference(value)
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{_reference(type(value))}{_described(fields)}"
    raise _Nameless


def _reference(value: type | Callable[..., Any]) -> str:
    """``module:name``, if that is where the sources of this package or of torch have it."""
    module, name = value.__module__ or "", value.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value or module.split(".")[0] not in {"lrlib", "torch"}:
        raise _Nameless
    return f"{module}:{name}"


def sources() -> str | None:
    """A digest of this package's sources, Python and C; None if they may not be what this process runs.

    Modules and kernels are read when they are first needed, so this is asked anew each time. A file counts as changed
    when its contents were modified (mtime) or when it came to lie where it lies (ctime: a copy may keep an old mtime).
    One that is new since the first call is imported by none that is not changed.
    """
    try:
        found = list(map(os.stat, _files()))  # half a millisecond, beside short sweeps of a few
    except OSError:
        return None
    if not found or max(max(one.st_mtime, one.st_ctime) for one in found) > STARTED - _AT_REST:
        return None
    return _digest(tuple((one.st_mtime_ns, one.st_size) for one in found))


@cache
def _files() -> list[str]:
    return sorted(str(path) for path in _ROOT.rglob("*") if path.suffix in {".py", ".c"} and path.is_file())


@cache
def _digest(states: tuple[tuple[int, int], ...]) -> str:
    digest = hashlib.sha256(f"{torch.__version__}\0{sys.version}".encode())
    for path, (_, size) in zip(_files(), states, strict=True):
        digest.update(f"{Path(path).relative_to(_ROOT)}\0{size}\0".encode() + Path(path).read_bytes())
    return digest.hexdigest()
