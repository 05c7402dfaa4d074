"""Statements and functions of Python, written as JavaScript."""

import ast
from collections.abc import Iterable, Sequence

from lrlib.widgets.translation.expressions import BINARY, Expressions, js

IN_PLACE = {ast.Add: "iadd", ast.BitOr: "ior"}


class Writer(Expressions):
    """Writes one definition."""

    def function(self, node: ast.FunctionDef, name: str) -> str:
        """A function of a module."""
        if node.decorator_list:
            self.refuse(node, "a decorator")
        return f"function{'*' if _yields(node) else ''} {name}{self._rest(node, node.args.args, '')}"

    def method(self, node: ast.FunctionDef) -> str:
        """A method; its first argument is ``this``."""
        decorators = [ast.unparse(d) for d in node.decorator_list]
        if decorators not in ([], ["property"]):
            self.refuse(node, "a decorator other than property")
        name = "constructor" if node.name == "__init__" else node.name
        before = ("get " if decorators else "") + ("*" if _yields(node) else "")
        first, *others = node.args.args
        return before + name + self._rest(node, others, f"const {js(first.arg)} = this;\n", first.arg)

    def _rest(self, node: ast.FunctionDef, positional: Sequence[ast.arg], start: str, this: str = "") -> str:
        given = node.args
        if given.vararg or given.kwarg or given.posonlyargs:
            self.refuse(node, f"the arguments of {node.name}")
        defaults = [*given.defaults, *given.kw_defaults]
        plain: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
        values = [*plain, *defaults][len(given.args) - len(positional) :]
        named = [*positional, *given.kwonlyargs]
        parts = [
            js(a.arg) + ("" if value is None else f" = {self.expression(value)}")
            for a, value in zip(named, values, strict=True)
        ]
        arguments = {a.arg for a in named} | ({this} if this else set())
        assigned = sorted(_assigned(node.body) - arguments)
        self.local = arguments | set(assigned)
        declared = f"let {', '.join(map(js, assigned))};\n" if assigned else ""
        return f"({', '.join(parts)}) {{\n{start}{declared}{self.block(node.body)}\n}}"

    # statements

    def block(self, body: Iterable[ast.stmt]) -> str:
        return "\n".join(filter(None, map(self.statement, body)))

    def statement(self, node: ast.stmt) -> str:
        write = getattr(self, f"_do_{type(node).__name__}", None)
        if write is None:
            self.refuse(node, f"the statement “{type(node).__name__}”")
        return str(write(node))

    def _do_Expr(self, node: ast.Expr) -> str:
        return "" if isinstance(node.value, ast.Constant) else f"{self.expression(node.value)};"

    def _do_Pass(self, node: ast.Pass) -> str:
        return ""

    def _do_Assert(self, node: ast.Assert) -> str:
        return ""  # tells of a mistake in Python's own code

    def _do_Break(self, node: ast.Break) -> str:
        return "break;"

    def _do_Continue(self, node: ast.Continue) -> str:
        return "continue;"

    def _do_Return(self, node: ast.Return) -> str:
        return f"return {'null' if node.value is None else self.expression(node.value)};"

    def _do_Raise(self, node: ast.Raise) -> str:
        if node.exc is None:
            self.refuse(node, "a bare raise")
        return f"throw {self.expression(node.exc)};"

    def _do_Assign(self, node: ast.Assign) -> str:
        if len(node.targets) == 1:
            return self._assignment(node.targets[0], self.expression(node.value))
        first, *others = node.targets
        same = self.expression(first)
        return "\n".join(
            [self._assignment(first, self.expression(node.value)), *(self._assignment(t, same) for t in others)]
        )

    def _do_AnnAssign(self, node: ast.AnnAssign) -> str:
        return "" if node.value is None else self._assignment(node.target, self.expression(node.value))

    def _do_AugAssign(self, node: ast.AugAssign) -> str:
        name = IN_PLACE.get(type(node.op)) or BINARY.get(type(node.op))
        if name is None:
            self.refuse(node, f"the operator {type(node.op).__name__}")
        load = ast.parse(ast.unparse(node.target), mode="eval").body
        return self._assignment(node.target, f"py.{name}({self.expression(load)}, {self.expression(node.value)})")

    def _assignment(self, target: ast.expr, value: str) -> str:
        if isinstance(target, ast.Subscript):
            return f"py.put({self.expression(target.value)}, {self._index(target.slice)}, {value});"
        unpacked = f"py.list({value})" if isinstance(target, ast.Tuple) and not value.startswith("[") else value
        return f"{self._target(target)} = {unpacked};"

    def _do_If(self, node: ast.If) -> str:
        rest = f" else {{\n{self.block(node.orelse)}\n}}" if node.orelse else ""
        return f"if ({self.test(node.test)}) {{\n{self.block(node.body)}\n}}{rest}"

    def _do_While(self, node: ast.While) -> str:
        if node.orelse:
            self.refuse(node, "a loop's else")
        return f"while ({self.test(node.test)}) {{\n{self.block(node.body)}\n}}"

    def _do_For(self, node: ast.For) -> str:
        if node.orelse:
            self.refuse(node, "a loop's else")
        each = f"{self._target(node.target)} of py.iter({self.expression(node.iter)})"
        return f"for ({each}) {{\n{self.block(node.body)}\n}}"

    def _do_With(self, node: ast.With) -> str:
        if any("errstate" not in ast.unparse(item.context_expr) for item in node.items):
            self.refuse(node, "a with of something else than numpy.errstate")
        return self.block(node.body)

    def _do_Try(self, node: ast.Try) -> str:
        if node.orelse or node.finalbody:
            self.refuse(node, "an else or finally of a try")
        arms = []
        for handler in node.handlers:
            if handler.type is None:
                self.refuse(handler, "a bare except")
            bound = f"{js(handler.name)} = $error;\n" if handler.name else ""
            arms.append(
                f"if (py.isinstance($error, [{self._types(handler.type)}])) {{\n{bound}{self.block(handler.body)}\n}}"
            )
        tried = f"try {{\n{self.block(node.body)}\n}}"
        return f"{tried} catch ($error) {{\n{' else '.join([*arms, 'throw $error;'])}\n}}"


def _yields(node: ast.FunctionDef) -> bool:
    return any(isinstance(inner, ast.Yield) for inner in ast.walk(node))


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    """Names that a function's own statements bind."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
                visit(child)

    for statement in body:
        visit(statement)
    return found
