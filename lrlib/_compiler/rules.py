"""The table of rules: for each aten operation, how to emit it. A rule knows one primitive and nothing of models."""

from collections.abc import Callable
from typing import Any

from lrlib._compiler.emitter import Emitter, Meta

Rule = Callable[..., Any]  # (emitter, meta of the result or results, **arguments by the names of the aten schema)

RULES: dict[str, Rule] = {}

# All there are, by why. Adding one needs a reason of the same kind; a test compares.
_SHIPPED = """_to_copy abs add addmm amax arange bmm cat clone convolution convolution_backward div embedding
    embedding_dense_backward eq erf exp expand full full_like gather ge gt index le log logical_and lt
    max_pool2d_with_indices max_pool2d_with_indices_backward maximum mean minimum mm mul neg permute pow relu rsqrt
    scalar_tensor scatter_add select sign slice slice_scatter split_with_sizes sqrt squeeze sub sum tanh unsqueeze view
    where"""  # reached by this package's tasks, models, update rules and test surfaces
_PROMISED = """any avg_pool2d avg_pool2d_backward baddbmm bitwise_and bitwise_not bitwise_or clamp constant_pad_nd
    empty_permuted expm1 index_put log1p logical_not ne reciprocal scatter sigmoid"""  # the layers in the docstring
_ALIASES = "_unsafe_view alias detach empty empty_like empty_strided lift_fresh_copy"  # other names, by torch version
OPERATIONS = frozenset(f"{_SHIPPED} {_PROMISED} {_ALIASES}".split())


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of one or more aten operations (``aten.<name>``, all overloads)."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"aten.{name} has two rules")
            RULES[name] = function
        return function

    return register


__all__ = ["OPERATIONS", "RULES", "Emitter", "Meta", "Rule", "rule"]
