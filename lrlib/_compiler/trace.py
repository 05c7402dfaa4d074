"""From a Python function of tensors to a graph of aten primitives."""

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.func import functionalize
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from lrlib._compiler.decompositions import decompositions, operation_name

Step = Callable[..., tuple[Tensor, ...]]

_TRACING = threading.Lock()  # tracing swaps global modes of torch


def trace(
    step: Step, inputs: Sequence[Tensor], *, table: Mapping[Any, Callable[..., Any]] | None = None
) -> GraphModule:
    """The graph of ``step`` on tensors of these shapes and dtypes: primitives only, nothing unused, nothing in place.

    Values are not looked at: a step that branches on the values of its tensors raises torch's own error. ``table``
    adds to the decompositions.
    """
    with _TRACING, sdpa_kernel(SDPBackend.MATH):  # attention as the products and softmax that it is
        module = make_fx(
            functionalize(step),
            decomposition_table=decompositions() | dict(table or {}),
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
        )(*inputs)
    module.graph.eliminate_dead_code()
    _merge_equal(module.graph)
    return module


def _merge_equal(graph: Graph) -> None:
    """Compute only once what is computed twice, such as what a derivative repeats of the function."""
    known: dict[Any, Node] = {}
    for node in list(graph.nodes):
        if node.op == "call_function":
            key = (node.target, _frozen(node.args), _frozen(node.kwargs))
            first = known.setdefault(key, node)
            if first is not node:
                node.replace_all_uses_with(first)
                graph.erase_node(node)


def _frozen(argument: Any) -> Any:
    if isinstance(argument, list | tuple):
        return tuple(map(_frozen, argument))
    if isinstance(argument, Mapping):
        return tuple((key, _frozen(value)) for key, value in argument.items())
    return (type(argument), repr(argument)) if isinstance(argument, bool | int | float) else argument


def operation(node: Node) -> str:
    """The name in the table of rules, such as ``"sum"`` for ``aten.sum.dim_IntList``."""
    return operation_name(node.target)


_IRRELEVANT = {"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "implicit", "sparse_grad"}


def arguments(node: Node, args: Any, kwargs: Any) -> dict[str, Any]:
    """The node's arguments by the names in the schema (``self`` is ``input``), without those that say only where and
    as what the result is kept, which its metadata say too.
    """
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    bound = dict(zip(names, args, strict=False)) | dict(kwargs)
    return {"input" if name == "self" else name: value for name, value in bound.items() if name not in _IRRELEVANT}


def origin(step: Step, inputs: Sequence[Tensor], target: Any) -> str:
    """The lines of the user's code that call ``target`` first, innermost last; found by tracing once more."""
    stacks: list[traceback.StackSummary] = []

    def look(*args: Any, **kwargs: Any) -> Any:
        stacks.append(traceback.extract_stack())
        return NotImplemented  # go on as if there were no decomposition

    trace(step, inputs, table={target: look})
    frames = [frame for frame in (stacks[0] if stacks else []) if not _ours(frame.filename)]
    lines = [f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames[-3:]]
    return "\n  ".join(["called from", *lines]) if lines else "called by torch itself"


def _ours(filename: str) -> bool:
    parts = Path(filename).parts
    return "torch" in parts or parts[-3:-1] == ("lrlib", "compiler") or "importlib" in parts
