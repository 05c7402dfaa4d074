"""From a traced step to kernels over named buffers: what is read, what is kept, what is recorded."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from lrlib._check import fail
from lrlib._compiler import convolution, elementwise, indexing, matrix, reductions, structural  # noqa: F401  their rules
from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Buffer, Leaf, Value, contiguous_strides
from lrlib._compiler.ports import Port
from lrlib._compiler.rules import RULES
from lrlib._compiler.trace import Step, arguments, operation, origin, trace


class UnsupportedOperation(NotImplementedError):
    """The step uses an operation that the compiler has no rule for."""


@dataclass(frozen=True)
class Lowered:
    """Kernels in order, the ports and their buffers, and the carried inputs that are written in place (by the buffer of
    what replaces them).
    """

    emitter: Emitter
    ports: tuple[Port, ...]
    buffers: tuple[Buffer, ...]
    in_place: Mapping[Buffer, Buffer]


def lower(step: Step, inputs: Mapping[str, Tensor], outputs: Sequence[str], per_step: Sequence[str]) -> Lowered:
    """Trace ``step`` and emit it. An output with the name of an input takes its place in the next step."""
    module = trace(step, list(inputs.values()))
    whence = partial(origin, step, list(inputs.values()))
    emitter, ports, buffers = Emitter(), [], []
    values: dict[Node, Any] = {}
    names = iter(inputs.items())
    results: Sequence[Value] = ()
    for node in module.graph.nodes:
        if node.op == "placeholder":
            name, tensor = next(names)
            role = "carried" if name in outputs else "per_step" if name in per_step else "constant"
            leaf = _external(emitter, tuple(tensor.shape), tensor.dtype)
            ports.append(Port(name, role, leaf.shape, leaf.dtype))
            buffers.append(_buffer(leaf))
            values[node] = Value(leaf.shape, leaf)
        elif node.op == "get_attr":
            values[node] = _constant(emitter, getattr(module, node.target))
        elif node.op == "output":
            results = _results(node, values, outputs)
        else:
            values[node] = _emit(emitter, node, values, whence)
            if isinstance(values[node], Value) and len(node.users) > 1:
                emitter.share(values[node])
    carried: list[tuple[Buffer, Value]] = []
    for name, value in zip(outputs, results, strict=True):
        if name in inputs:
            place = list(inputs).index(name)
            _same(ports[place], value)
            carried.append((buffers[place], value))
        else:
            leaf = _external(emitter, value.shape, value.dtype)
            ports.append(Port(name, "recorded", leaf.shape, leaf.dtype))
            buffers.append(_buffer(leaf))
            emitter.store(leaf, value.expression)
    in_place = _carry(emitter, carried)
    return Lowered(emitter, tuple(ports), tuple(buffers), in_place)


def _external(emitter: Emitter, shape: tuple[int, ...], dtype: torch.dtype) -> Leaf:
    size = 1
    for extent in shape:
        size *= extent
    return Leaf(emitter.buffer(dtype, size, temporary=False), shape, contiguous_strides(shape))


def _buffer(leaf: Leaf) -> Buffer:
    assert leaf.buffer is not None
    return leaf.buffer


def _constant(emitter: Emitter, tensor: Tensor) -> Value:
    """A tensor that the step closes over becomes part of the program."""
    shape = tuple(tensor.shape)
    buffer = emitter.buffer(tensor.dtype, tensor.numel(), literal=tensor.detach().contiguous())
    return Value(shape, Leaf(buffer, shape, contiguous_strides(shape)))


def _emit(emitter: Emitter, node: Node, values: Mapping[Node, Any], whence: Callable[[Any], str]) -> Any:
    args = torch.fx.node.map_arg(node.args, values.__getitem__)
    kwargs = torch.fx.node.map_arg(node.kwargs, values.__getitem__)
    if node.target is operator.getitem:
        return args[0][args[1]]  # type: ignore[index]
    name = operation(node)
    if name not in RULES:
        raise UnsupportedOperation(f"{node.target} has no rule in lrlib._compiler; {whence(node.target)}")
    try:
        return RULES[name](emitter, _metas(node.meta["val"]), **arguments(node, args, kwargs))
    except NotImplementedError as error:
        problem = f"{node.target} is not supported with {error}; {whence(node.target)}"
        raise UnsupportedOperation(problem) from error


def _metas(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_metas(item) for item in value]
    return Meta(tuple(value.shape), value.dtype) if isinstance(value, Tensor) else None


def _results(node: Node, values: Mapping[Node, Any], outputs: Sequence[str]) -> list[Value]:
    given = node.args[0]
    found = list(given) if isinstance(given, list | tuple) else [given]
    if len(found) != len(outputs):
        fail("outputs", f"as many names as the step has outputs, {len(found)}", tuple(outputs))
    if not all(isinstance(item, Node) for item in found):
        fail("step", "a function that returns a tuple of tensors", found, error=TypeError)
    return [values[item] for item in found]  # type: ignore[index]


def _same(port: Port, value: Value) -> None:
    if (port.shape, port.dtype) != (value.shape, value.dtype):
        fail(
            f"output {port.name!r}",
            f"of the shape and dtype of the input that it replaces, {port.shape} {port.dtype}",
            f"{value.shape} {value.dtype}",
        )


def _carry(emitter: Emitter, carried: Sequence[tuple[Buffer, Value]]) -> dict[Buffer, Buffer]:
    """Make every output take its input's place: by writing there in the first place where nobody can tell, else by a
    copy at the end of the step.
    """
    moves = []
    for target, value in carried:
        source = emitter.contiguous(value)
        if source.buffer is target and source.offset == 0:
            continue
        if not _buffer(source).temporary:  # another input, which may itself be replaced before it is copied
            fresh = emitter.new(Meta(value.shape, value.dtype))
            emitter.store(emitter.in_memory(fresh), source)
            source = emitter.in_memory(fresh)
        moves.append((target, source))
    in_place: dict[Buffer, Buffer] = {}
    for target, source in moves:
        if _buffer(source) not in in_place and _replaceable(emitter, target, source):
            in_place[_buffer(source)] = target
        else:
            shape = (target.size,)
            emitter.store(Leaf(target, shape, (1,)), Leaf(source.buffer, shape, (1,), source.offset))
    return in_place


def _replaceable(emitter: Emitter, target: Buffer, source: Leaf) -> bool:
    buffer = _buffer(source)
    writers = [time for time, kernel in enumerate(emitter.kernels) if buffer in kernel.writes]
    readers = [time for time, kernel in enumerate(emitter.kernels) if target in kernel.reads]
    family = set(emitter.parents) | {whole for whole, _ in emitter.parents.values()}
    if len(writers) != 1 or buffer in family or source.offset or buffer.size != target.size:
        return False
    writer = writers[0]
    late = [time for time in readers if time > writer]
    return not late and (writer not in readers or target in emitter.kernels[writer].in_place)
