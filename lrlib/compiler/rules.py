"""The table of rules: for each aten operation, how to emit it. A rule knows one primitive and nothing of models."""

from collections.abc import Callable
from typing import Any

from lrlib.compiler.emitter import Emitter, Meta

Rule = Callable[..., Any]  # (emitter, meta of the result or results, **arguments by the names of the aten schema)

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of one or more aten operations (``aten.<name>``, all overloads)."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"aten.{name} has two rules")
            RULES[name] = function
        return function

    return register


__all__ = ["RULES", "Emitter", "Meta", "Rule", "rule"]
