"""From a Python function of tensors to a graph of aten primitives."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.func import functionalize
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from lrlib.compiler.decompositions import decompositions, operation_name

Step = Callable[..., tuple[Tensor, ...]]

_TRACING = threading.Lock()  # tracing swaps global modes of torch
def trace(step: Step, inputs: Sequence[Tensor]) -> GraphModule:
    """The graph of ``step`` on tensors of these shapes and dtypes: primitives only, nothing unused, nothing in place.

    Values are not looked at: a step that branches on the values of its tensors raises torch's own error.
    """
    with _TRACING, sdpa_kernel(SDPBackend.MATH):  # attention as the products and softmax that it is
        module = make_fx(
            functionalize(step),
            decomposition_table=decompositions(),
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
            record_stack_traces=True,
        )(*inputs)
    module.graph.eliminate_dead_code()
    return module


def operation(node: Node) -> str:
    """The name in the table of rules, such as ``"sum"`` for ``aten.sum.dim_IntList``."""
    return operation_name(node.target)


_IRRELEVANT = {"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "implicit", "sparse_grad"}


def arguments(node: Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The node's arguments by the names in the schema (``self`` is ``input``), without those that say only where and
    as what the result is kept, which its metadata say too.
    """
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    bound = dict(zip(names, args, strict=False)) | dict(kwargs)
    return {"input" if name == "self" else name: value for name, value in bound.items() if name not in _IRRELEVANT}


def origin(node: Node) -> str:
    """Where in the user's code a node comes from, as far as torch tells."""
    trace = node.stack_trace or next((user.stack_trace for user in node.users if user.stack_trace), None)
    if not trace:
        forward = [n for n in node.all_input_nodes if n.stack_trace]
        trace = forward[-1].stack_trace if forward else None
        lead = "in the derivative near"
    else:
        lead = "at"
    lines = [line.strip() for line in (trace or "").strip().splitlines() if line.strip()]
    return f"{lead} {' | '.join(lines[-2:])}" if lines else "at a place that torch did not record"
