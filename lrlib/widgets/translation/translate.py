"""Modules of this package as JavaScript, from their syntax trees: what a page must say as Python does stands once.

Translated is what some functions reach: functions, plain classes, dataclasses, named tuples and module constants, in a
part of the language and its libraries (see :mod:`~lrlib.widgets.translation.subset`) whose meaning ``python.js`` and
``numpy.js`` give. All else is refused, by name and line.
"""

import ast
import functools
import importlib.util
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from lrlib.widgets.translation.expressions import KNOWN_METHODS
from lrlib.widgets.translation.subset import BUILTINS, LIBRARIES
from lrlib.widgets.translation.writing import Writer

PLACES = {"math": "py.math", "re": "py.re", "csv": "py.csv", "json": "py.json", "itertools": "py.itertools"}
PLACES |= {"array": "py.array", "types": "py.types", "collections.abc": "py.abc", "numbers": "py.numbers"}
PLACES |= {"numpy": "np"}


class Untranslatable(ValueError):
    """Code outside of the part of Python that a page knows; the message names the module, the line and what it is."""


class _Unknown(Exception):
    """A name that a page cannot be given; where it stands, who asked for it knows."""


def translate(
    name: str,
    roots: Sequence[str],
    *,
    given: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
) -> str:
    """A JavaScript function ``name(py, np, page)`` that returns the roots, and all that they reach, by their own names.

    Args:
        name: the function's.
        roots: dotted names of functions, classes or constants, such as ``"lrlib.diagnostics.doctor.diagnose"``.
        given: what is not translated but given by the page, dotted names to JavaScript expressions.
        sources: texts of modules, by name, in the place of their own; such as a mutant's.

    Raises:
        Untranslatable: for what is outside of the subset.
    """
    program = Program(given or {}, sources or {})
    try:
        found = {root.rsplit(".", 1)[1]: program.name_of(root) for root in roots}
    except _Unknown as unknown:
        raise Untranslatable(str(unknown)) from None
    for method in program.called.keys() - program.methods.keys() - KNOWN_METHODS:
        refuse, node = program.called[method]
        refuse(node, f"the method {method}")
    body = "\n".join(program.parts.values())
    returned = ", ".join(f"{own}: {text}" for own, text in found.items())
    return f"function {name}(py, np, page) {{\n{body}\nreturn {{{returned}}};\n}}\n"


class Program:
    """Definitions by their dotted names, each after those that it needs."""

    def __init__(self, given: Mapping[str, str], sources: Mapping[str, str]) -> None:
        self.given = given
        self._modules = {name: Source(name, text) for name, text in sources.items()}
        self.parts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self.parameters: dict[str, list[str]] = {}  # of what can be called, by its name in JavaScript
        self.methods: dict[str, list[str]] = {}  # likewise, by a method's own name
        self.classes: set[str] = set()
        self.called: dict[str, Any] = {}  # methods, and who refuses where

    def name_of(self, dotted: str) -> str:
        """The JavaScript expression of a dotted name, which is translated if it was not yet."""
        if dotted in self.given:
            return self.given[dotted]
        library, _, name = dotted.rpartition(".")
        if library in LIBRARIES:
            if name not in LIBRARIES[library]:
                raise _Unknown(f"{dotted} is not in the part of {library} that a page knows")
            return f"{PLACES[library]}.{name}"
        module = self._modules.get(library) or _module(library or dotted)
        if name in module.imported:
            return self.name_of(module.imported[name])
        if name not in module.defined:
            raise _Unknown(f"{dotted} is not defined in what a page can be given")
        if dotted not in self._names:
            own = f"{library.rsplit('.', 1)[1]}_{name}"
            if own in self._names.values():
                raise _Unknown(f"{dotted} would have the name of another, {own}")
            self._names[dotted] = own
            Definition(self, module, own).write(module.defined[name], dotted)
        return self._names[dotted]


class Definition:
    """Translates one definition of a module."""

    def __init__(self, program: Program, module: "Source", own: str) -> None:
        self.program, self.module, self.own = program, module, own

    def write(self, node: ast.stmt, dotted: str) -> None:
        program = self.program
        if isinstance(node, ast.FunctionDef):
            program.parameters[self.own] = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            text = self._writer().function(node, self.own)
        elif isinstance(node, ast.ClassDef):
            text = self._class(node)
        else:
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            text = f"const {self.own} = {self._writer().expression(node.value)};"
        program.parts[dotted] = text  # after what it needs

    def _writer(self) -> Writer:
        return Writer(self.resolve, self.refuse, self.is_module, self.program)

    def is_module(self, written: str) -> bool:
        """Whether a name with attributes, as it is written, is a module."""
        first, *rest = written.split(".")
        dotted = ".".join([self.module.imported.get(first, ""), *rest])
        return dotted in LIBRARIES or _is_module(dotted)

    def resolve(self, name: str, attributes: Sequence[str], node: ast.AST) -> tuple[str, int]:
        """The JavaScript of a global name with attributes, and how many of these it has taken up."""
        dotted = self.module.imported.get(name)
        if dotted is None and name not in self.module.defined:
            if name not in BUILTINS:
                self.refuse(node, f"the name {name}")
            return "py.iterator" if name == "iter" else f"py.{name}", 0
        dotted = dotted or f"{self.module.name}.{name}"
        taken = 0
        while dotted not in self.program.given and (dotted in LIBRARIES or _is_module(dotted)):
            if taken == len(attributes):
                self.refuse(node, f"the module {dotted} as a value")
            dotted, taken = f"{dotted}.{attributes[taken]}", taken + 1
        try:
            return self.program.name_of(dotted), taken
        except _Unknown as unknown:
            self.refuse(node, f"{name}: {unknown}; it")

    def refuse(self, node: ast.AST, what: str) -> NoReturn:
        line = getattr(node, "lineno", "?")
        raise Untranslatable(f"{self.module.name}, line {line}: {what} cannot be put into JavaScript")

    def _class(self, node: ast.ClassDef) -> str:
        bases = [ast.unparse(base) for base in node.bases]
        decorators = [ast.unparse(d).partition("(")[0] for d in node.decorator_list]
        members = [m for m in node.body if not (isinstance(m, ast.Expr) and isinstance(m.value, ast.Constant))]
        if len(bases) == 1 and bases[0] != "NamedTuple" and not members:  # an exception
            base = self.resolve(bases[0], [], node)[0]
            return f"const {self.own} = py.exception({json.dumps(node.name)}, {base});"
        if bases not in ([], ["NamedTuple"]) or any(d != "dataclass" for d in decorators):
            self.refuse(node, f"the class {node.name}, with its bases and decorators,")
        fields = [m for m in members if isinstance(m, ast.AnnAssign)]
        functions = {m.name: m for m in members if isinstance(m, ast.FunctionDef)}
        if len(fields) + len(functions) != len(members):
            self.refuse(node, f"the class {node.name}, which holds more than fields and methods,")
        self.program.classes.add(self.own)
        if "__init__" in functions:
            start = functions["__init__"].args
            self.program.parameters[self.own] = [a.arg for a in (*start.args[1:], *start.kwonlyargs)]
        else:
            self.program.parameters[self.own] = [_named(field) for field in fields]
        for name, function in functions.items():
            known = [a.arg for a in (*function.args.args[1:], *function.args.kwonlyargs)]
            if self.program.methods.setdefault(name, known) != known and not name.startswith("__"):
                self.refuse(function, f"a second method {name} with other arguments")
        lines = []
        if "__init__" not in functions:
            lines.append(self._constructor(fields, "__post_init__" in functions))
        if bases:
            names = ", ".join(f"this.{_named(field)}" for field in fields)
            lines.append(f"[Symbol.iterator]() {{ return [{names}][Symbol.iterator](); }}")
        lines += [self._writer().method(function) for function in functions.values()]
        return f"class {self.own} {{\n" + "\n".join(lines) + "\n}"

    def _constructor(self, fields: Sequence[ast.AnnAssign], checked: bool) -> str:
        writer = self._writer()
        given = [_named(f) + ("" if f.value is None else f" = {writer.expression(f.value)}") for f in fields]
        body = "".join(f"this.{_named(field)} = {_named(field)}; " for field in fields)
        return f"constructor({', '.join(given)}) {{ {body}{'this.__post_init__(); ' if checked else ''}}}"


class Source:
    """A module's top level: what it defines, and what its other names stand for."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.imported: dict[str, str] = {}
        self.defined: dict[str, ast.stmt] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import):
                self.imported |= {a.asname or a.name.partition(".")[0]: a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.imported |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.defined[node.name] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.defined[node.target.id] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.defined[node.targets[0].id] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                assert isinstance(node.value, ast.Tuple)
                for target, value in zip(node.targets[0].elts, node.value.elts, strict=True):
                    assert isinstance(target, ast.Name)
                    self.defined[target.id] = ast.Assign([target], value, lineno=node.lineno)


def _named(field: ast.AnnAssign) -> str:
    assert isinstance(field.target, ast.Name)
    return field.target.id


def _is_module(dotted: str) -> bool:
    try:
        return dotted.partition(".")[0] == "lrlib" and importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:  # within something that is no package
        return False


@functools.cache
def _module(name: str) -> Source:
    if name.partition(".")[0] != "lrlib":
        raise _Unknown(f"{name} is no module of this package, nor one that a page knows")
    return Source(name, inspect.getsource(importlib.import_module(name)))
