"""Expressions of Python, written as JavaScript."""

import ast
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol

from lrlib.widgets.translation.subset import METHODS, RESERVED

BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "bitAnd",
    ast.BitOr: "bitOr",
}
COMPARED = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
FORMAT = re.compile(r"(\.\d+)?[gf%]?")
KNOWN_METHODS = set().union(*METHODS.values())


class Callees(Protocol):
    """What is known of all that can be called; see :class:`lrlib.widgets.translation.translate.Program`."""

    parameters: dict[str, list[str]]
    methods: dict[str, list[str]]
    classes: set[str]
    called: dict[str, tuple[Callable[[ast.AST, str], NoReturn], ast.AST]]  # methods, and where first


class Expressions:
    """Writes expressions. ``resolve`` tells what a name stands for that is not local, ``refuse`` raises."""

    def __init__(
        self,
        resolve: Callable[[str, Sequence[str], ast.AST], tuple[str, int]],
        refuse: Callable[[ast.AST, str], NoReturn],
        is_module: Callable[[str], bool],
        callees: Callees,
    ) -> None:
        self.resolve, self.refuse, self.is_module, self.callees = resolve, refuse, is_module, callees
        self.local: set[str] = set()

    def expression(self, node: ast.expr) -> str:
        write = getattr(self, f"_of_{type(node).__name__}", None)
        if write is None:
            self.refuse(node, f"the expression “{ast.unparse(node)}”")
        return str(write(node))

    def test(self, node: ast.expr) -> str:
        """Whether it holds, as JavaScript's own condition."""
        if isinstance(node, ast.BoolOp):
            mark = " && " if isinstance(node.op, ast.And) else " || "
            return f"({mark.join(map(self.test, node.values))})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"!{self.test(node.operand)}"
        return f"py.truth({self.expression(node)})"

    def _of_Constant(self, node: ast.Constant) -> str:
        value = node.value
        if value is Ellipsis:
            return "py.Ellipsis"
        if isinstance(value, bytes):
            return f"py.bytes({list(value)})"
        if not isinstance(value, str | int | float | None):
            self.refuse(node, f"the constant {value!r}")
        return json.dumps(value, allow_nan=False)

    def _of_Name(self, node: ast.Name) -> str:
        return js(node.id) if node.id in self.local else self.resolve(node.id, [], node)[0]

    def _of_Attribute(self, node: ast.Attribute) -> str:
        chain: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            chain.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name) and base.id not in self.local:
            text, taken = self.resolve(base.id, chain, node)
            return ".".join([text, *chain[taken:]])
        return ".".join([self.expression(base), *chain])

    def _of_Tuple(self, node: ast.Tuple | ast.List) -> str:
        return f"[{', '.join(map(self._element, node.elts))}]"

    _of_List = _of_Tuple

    def _of_Set(self, node: ast.Set) -> str:
        return f"py.set([{', '.join(map(self._element, node.elts))}])"

    def _element(self, node: ast.expr) -> str:
        return f"...py.iter({self.expression(node.value)})" if isinstance(node, ast.Starred) else self.expression(node)

    def _of_Dict(self, node: ast.Dict) -> str:
        pairs = [
            self.expression(value) if key is None else f"[{self.expression(key)}, {self.expression(value)}]"
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return f"py.dictOf({', '.join(pairs)})"

    def _of_BinOp(self, node: ast.BinOp) -> str:
        if type(node.op) not in BINARY:
            self.refuse(node, f"the operator {type(node.op).__name__}")
        return f"py.{BINARY[type(node.op)]}({self.expression(node.left)}, {self.expression(node.right)})"

    def _of_UnaryOp(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.Not):
            return self.test(node)
        name = {ast.USub: "neg", ast.Invert: "invert"}.get(type(node.op))
        if name is None:
            self.refuse(node, f"the operator {type(node.op).__name__}")
        return f"py.{name}({self.expression(node.operand)})"

    def _of_BoolOp(self, node: ast.BoolOp) -> str:
        name = "and" if isinstance(node.op, ast.And) else "or"
        first, *rest = map(self.expression, node.values)
        for value in rest:
            first = f"py.{name}({first}, () => {value})"
        return first

    def _of_Compare(self, node: ast.Compare) -> str:
        sides = [node.left, *node.comparators]
        parts = [self._compared(*pair, node) for pair in zip(sides, node.ops, sides[1:], strict=False)]
        first = parts[0]
        for part in parts[1:]:
            first = f"py.and({first}, () => {part})"
        return first

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.Compare) -> str:
        a, b = self.expression(left), self.expression(right)
        if isinstance(op, ast.Is | ast.IsNot):
            return f"({a} {'===' if isinstance(op, ast.Is) else '!=='} {b})"
        if isinstance(op, ast.In | ast.NotIn):
            return f"{'!' if isinstance(op, ast.NotIn) else ''}py.contains({b}, {a})"
        return f"py.{COMPARED[type(op)]}({a}, {b})"

    def _of_IfExp(self, node: ast.IfExp) -> str:
        return f"({self.test(node.test)} ? {self.expression(node.body)} : {self.expression(node.orelse)})"

    def _of_Yield(self, node: ast.Yield) -> str:
        return f"yield {'null' if node.value is None else self.expression(node.value)}"

    def _of_Lambda(self, node: ast.Lambda) -> str:
        names = [a.arg for a in node.args.args]
        return self._within(names, lambda: f"(({', '.join(map(js, names))}) => {self.expression(node.body)})")

    def _of_Subscript(self, node: ast.Subscript) -> str:
        return f"py.get({self.expression(node.value)}, {self._index(node.slice)})"

    def _index(self, node: ast.expr) -> str:
        if isinstance(node, ast.Slice):
            ends = [node.lower, node.upper, node.step]
            return f"new py.Slice({', '.join('null' if e is None else self.expression(e) for e in ends)})"
        if isinstance(node, ast.Tuple):  # of several dimensions
            return f"Object.assign([{', '.join(map(self._index, node.elts))}], {{ nd: true }})"
        return self.expression(node)

    def _of_JoinedStr(self, node: ast.JoinedStr) -> str:
        return f'[{", ".join(map(self.expression, node.values))}].join("")'

    def _of_FormattedValue(self, node: ast.FormattedValue) -> str:
        spec = "" if node.format_spec is None else ast.unparse(node.format_spec)[2:-1]
        if not FORMAT.fullmatch(spec) or node.conversion not in (-1, ord("r")):
            self.refuse(node, f"the format {spec!r}")
        conversion = ', "r"' if node.conversion == ord("r") else ""
        return f"py.format({self.expression(node.value)}, {json.dumps(spec)}{conversion})"

    def _target(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return js(node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.expression(node.value)}.{node.attr}"
        if isinstance(node, ast.Tuple):
            return f"[{', '.join(map(self._target, node.elts))}]"
        return self.refuse(node, "an assignment to this")

    # comprehensions

    def _of_ListComp(self, node: ast.ListComp) -> str:
        return self._comprehension(node, "$all.push({})", node.elt, "[]")

    def _of_SetComp(self, node: ast.SetComp) -> str:
        return f"py.set({self._comprehension(node, '$all.push({})', node.elt, '[]')})"

    def _of_DictComp(self, node: ast.DictComp) -> str:
        return self._comprehension(node, "$all.set({})", (node.key, node.value), "py.dictOf()")

    def _of_GeneratorExp(self, node: ast.GeneratorExp) -> str:
        return self._comprehension(node, "yield {}", node.elt, None)

    def _comprehension(
        self, node: Any, action: str, element: ast.expr | tuple[ast.expr, ast.expr], start: str | None
    ) -> str:
        parts: list[ast.comprehension] = node.generators
        first = self.expression(parts[0].iter)
        names = {name.id for part in parts for name in ast.walk(part.target) if isinstance(name, ast.Name)}

        def written() -> str:
            text = (
                f"[{', '.join(map(self.expression, element))}]"
                if isinstance(element, tuple)
                else self.expression(element)
            )
            body = f"{action.format(text)};" if start != "py.dictOf()" else f"$all.set(...{text});"
            for k, part in reversed(list(enumerate(parts))):
                for condition in reversed(part.ifs):
                    body = f"if ({self.test(condition)}) {body}"
                given = "$first" if k == 0 else f"py.iter({self.expression(part.iter)})"
                body = f"for (const {self._target(part.target)} of {given}) {{ {body} }}"
            return body

        body = self._within(names, written)
        if start is None:
            return f"(function* ($first) {{ {body} }})(py.iter({first}))"
        return f"(($first, $all) => {{ {body} return $all; }})(py.iter({first}), {start})"

    def _within(self, names: Iterable[str], write: Callable[[], str]) -> str:
        before = self.local
        self.local = before | set(names)
        text = write()
        self.local = before
        return text

    # calls

    def _of_Call(self, node: ast.Call) -> str:
        called = node.func.value if isinstance(node.func, ast.Subscript) else node.func  # list[str]() makes a list
        if isinstance(called, ast.Name) and called.id == "isinstance":
            return f"py.isinstance({self.expression(node.args[0])}, [{self._types(node.args[1])}])"
        if isinstance(called, ast.Attribute):
            return self._method_or_function(node, called)
        return self._function(node, self.expression(called))

    def _method_or_function(self, node: ast.Call, called: ast.Attribute) -> str:
        if self._is_module(called.value):
            return self._function(node, self.expression(called))
        owner = self.expression(called.value)
        known = self.callees.methods.get(called.attr)
        if node.keywords and known is None and called.attr not in KNOWN_METHODS:
            self.refuse(node, f"a call of {called.attr} by keywords, before its class is known,")
        self.callees.called.setdefault(called.attr, (self.refuse, node))
        arguments = self._arguments(node, known if node.keywords else None)
        return f"py.call({', '.join([owner, json.dumps(called.attr), *arguments])})"

    def _is_module(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name | ast.Attribute):
            return False
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value  # type: ignore[assignment]
        return isinstance(root, ast.Name) and root.id not in self.local and self.is_module(ast.unparse(node))

    def _function(self, node: ast.Call, text: str) -> str:
        known = self.callees.parameters.get(text)
        arguments = ", ".join(self._arguments(node, known))
        return f"{'new ' if text in self.callees.classes else ''}{text}({arguments})"

    def _arguments(self, node: ast.Call, known: Sequence[str] | None) -> list[str]:
        positional = list(map(self._element, node.args))
        keywords = {word.arg: self.expression(word.value) for word in node.keywords if word.arg is not None}
        more = [self.expression(word.value) for word in node.keywords if word.arg is None]
        if not node.keywords:
            return positional
        named = f"{{{', '.join(f'{name}: {value}' for name, value in keywords.items())}}}"
        if known is None:
            if more:
                self.refuse(node, "a ** to this function")
            return [*positional, f"new py.Keywords({named})"]
        wrong = set(keywords) - set(known)
        if wrong:
            self.refuse(node, f"the argument {wrong.pop()}")
        if more:
            return [f"...py.bind({json.dumps(list(known))}, [{', '.join(positional)}], {named}, {more[0]})"]
        rest = [keywords.get(name, "undefined") for name in known[len(positional) :]]
        while rest and rest[-1] == "undefined":
            rest.pop()
        return [*positional, *rest]

    def _types(self, node: ast.expr) -> str:
        if isinstance(node, ast.BinOp):
            return f"{self._types(node.left)}, {self._types(node.right)}"
        if isinstance(node, ast.Tuple):
            return ", ".join(map(self._types, node.elts))
        return self.expression(node)


def js(name: str) -> str:
    return f"{name}$" if name in RESERVED else name
