"""Mutants of a program: each differs from it in one place, by a slip that people make."""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    label: str  # "before → after", with a number where that is not unique
    source: str


SIGNS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.MatMult: (ast.Mult,),
}
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
TWINS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("nanmin", "nanmax"),
    ("sin", "cos"),
    ("floor", "ceil"),
    ("sum", "mean"),
    ("cumsum", "cumprod"),
    ("any", "all"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("append", "extend"),
    ("mean", "median"),
    ("eigvalsh", "diag"),
]
OTHER_NAME = {**dict(TWINS), **{b: a for a, b in reversed(TWINS)}}
# calls that may be forgotten: what stays is the first argument, or the object whose method it is
DROPPABLE = {
    *("abs", "sqrt", "exp", "log", "round", "int", "ceil", "floor", "sorted", "clip", "max", "min", "minimum"),
    *("maximum", "copy", "clone", "square", "mean", "sign", "norm", "cumsum"),
}
SYMMETRIC = {"min", "max", "minimum", "maximum", "allclose", "isclose", "array_equal", "zip"}


def mutants(source: str) -> list[Mutant]:
    """All mutants of a program, in the order of its places, without those that read like the program itself."""
    tree = _bare(ast.parse(source))
    bred = {ast.unparse(tree): ""}
    labels: Counter[str] = Counter()
    for number, node in enumerate(ast.walk(tree)):
        for variant, new in enumerate(_variants(node)):
            other = copy.deepcopy(tree)
            place = list(ast.walk(other))[number]
            mutated = _Put(place, list(_variants(place))[variant]).visit(other)
            text = ast.unparse(ast.fix_missing_locations(mutated))
            if text not in bred:
                label = f"{_short(node)} → {_short(new) if new else 'nothing'}"
                labels[label] += 1
                bred[text] = label if labels[label] == 1 else f"{label} ({labels[label]})"
    return [Mutant(label, text) for text, label in bred.items() if label]


def _bare(tree: ast.Module) -> ast.Module:
    """Without docstrings and annotations, which compute nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


class _Put(ast.NodeTransformer):
    """Puts a node, or nothing, in the place of another."""

    def __init__(self, place: ast.AST, new: ast.AST | None) -> None:
        self.place, self.new = place, new

    def visit(self, node: ast.AST) -> ast.AST | None:
        if node is not self.place:
            return self.generic_visit(node)
        return ast.Pass() if self.new is None else self.new


def _short(node: ast.AST) -> str:
    text = ast.unparse(node)
    first, *rest = text.splitlines()
    return f"{first} …" if rest else first


def _variants(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of a node; None is nothing, where a statement is forgotten."""
    breeder = _BREEDERS.get(type(node))
    if breeder:
        yield from breeder(copy.deepcopy(node))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.deepcopy(node)
    for field, value in fields.items():
        setattr(new, field, value)
    return new


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    for sign in SIGNS.get(type(node.op), ()):
        yield _with(node, op=sign())
    yield node.left  # the second term is forgotten
    if isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
        yield node.right
    else:
        yield _with(node, left=node.right, right=node.left)


def _negation(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if not isinstance(node.op, ast.UAdd):
        yield node.operand


def _comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for place, sign in enumerate(node.ops):
        for other in COMPARISONS.get(type(sign), ()):
            yield _with(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]])


def _number(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield from (ast.Constant(value + 1), ast.Constant(value - 1))
    elif isinstance(value, float):
        yield ast.Constant(2 * value if value else 0.1)
        if value:
            yield ast.Constant(value / 2)


def _logic(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for place in range(len(node.values)):
        left = [*node.values[:place], *node.values[place + 1 :]]
        yield left[0] if len(left) == 1 else _with(node, values=left)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    function, arguments = node.func, node.args
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in OTHER_NAME:
        field = "attr" if isinstance(function, ast.Attribute) else "id"
        yield _with(node, func=_with(function, **{field: OTHER_NAME[name]}))
    module = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in ("np", "math", "torch")
    if name in DROPPABLE and arguments and (module or isinstance(function, ast.Name)):
        yield arguments[0]
    elif name in DROPPABLE and isinstance(function, ast.Attribute) and not module:
        yield function.value
    if len(arguments) > 1 and name not in SYMMETRIC:
        yield _with(node, args=[arguments[1], arguments[0], *arguments[2:]])
    if name == "range":
        end = arguments[-1] if len(arguments) < 3 else arguments[1]
        place = arguments.index(end)
        for shift in (ast.Add(), ast.Sub()):
            moved = ast.BinOp(end, shift, ast.Constant(1))
            yield _with(node, args=[*arguments[:place], moved, *arguments[place + 1 :]])
        if len(arguments) == 1:
            yield _with(node, args=[ast.Constant(1), end])
    for place in range(len(node.keywords)):
        yield _with(node, keywords=[*node.keywords[:place], *node.keywords[place + 1 :]])


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    yield _with(node, body=node.orelse, orelse=node.body)
    yield node.body
    yield node.orelse


def _branch(node: ast.If) -> Iterator[ast.AST | None]:
    yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    yield None
    if node.orelse:
        yield _with(node, orelse=[])


def _in_place(node: ast.AugAssign) -> Iterator[ast.AST | None]:
    for sign in SIGNS.get(type(node.op), ()):
        yield _with(node, op=sign())
    yield ast.Assign([_with(node.target, ctx=ast.Store())], node.value, lineno=0)
    yield None


def _assignment(node: ast.Assign) -> Iterator[ast.AST | None]:
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:  # beta2, beta1 = betas
        yield _with(node, targets=[_with(target, elts=target.elts[::-1])])
    read = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    if isinstance(target, ast.Name) and target.id in read:  # an update of a value is forgotten
        yield None


def _result(node: ast.Return) -> Iterator[ast.AST]:
    if isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        yield _with(node, value=_with(node.value, elts=node.value.elts[::-1]))


def _dictionary(node: ast.Dict) -> Iterator[ast.AST]:
    if len(node.values) > 1:
        yield _with(node, values=[*node.values[1:], node.values[0]])


def _loop(node: ast.For) -> Iterator[ast.AST]:
    yield _with(node, body=[*node.body, ast.Break()])


def _forgotten(node: ast.Expr) -> Iterator[None]:
    yield None


def _jump(node: ast.AST) -> Iterator[ast.AST | None]:
    yield ast.Break() if isinstance(node, ast.Continue) else None


_BREEDERS = {
    ast.BinOp: _binary,
    ast.UnaryOp: _negation,
    ast.Compare: _comparison,
    ast.Constant: _number,
    ast.BoolOp: _logic,
    ast.Call: _call,
    ast.IfExp: _choice,
    ast.If: _branch,
    ast.AugAssign: _in_place,
    ast.Assign: _assignment,
    ast.Return: _result,
    ast.Dict: _dictionary,
    ast.For: _loop,
    ast.Expr: _forgotten,
    ast.Break: _jump,
    ast.Continue: _jump,
}
