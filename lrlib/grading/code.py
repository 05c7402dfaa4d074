"""Finding code by the names that it defines: which statements of a notebook a function hangs on, wherever they are."""

import ast
import builtins
import re
import symtable
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

BUILTINS = frozenset(dir(builtins))
_PYTHON_CELLS = ("capture", "time", "timeit", "prun", "python", "python3", "debug")
_MAGIC = re.compile(r"^(\s*)(?:[%!]|\?\w|[\w.\[\]]+\?{1,2}\s*$)")
_TIMED = re.compile(r"^(\s*)%(?:time|timeit|prun)\s+(?!-)(.*)$")
_FROM_MAGIC = re.compile(r"^(\s*[\w, ]+=\s*)(?:[%!].*)$")


@dataclass(frozen=True)
class Piece:
    """Statements of one cell that are to be run: the cell's number from 1, its source, and which of its statements."""

    cell: int
    source: str
    statements: tuple[int, ...]


def without_magics(source: str) -> str:
    """The Python of a cell, its lines where they were; "" for a cell that is not Python."""
    lines = source.split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name = lines[first][2:].split(maxsplit=1)
        if not name or name[0] not in _PYTHON_CELLS:
            return ""
        lines[first] = ""
    source = "\n".join(lines)
    if _parsed(source) is not None:  # a line that starts with % is then the rest of an expression
        return source
    for n, line in enumerate(lines):
        if timed := _TIMED.match(line):
            lines[n] = timed[1] + timed[2]
        elif magic := _MAGIC.match(line):
            lines[n] = magic[1] + "pass"
        elif made := _FROM_MAGIC.match(line):
            lines[n] = made[1] + "None"
    return "\n".join(lines)


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a cell."""

    cell: int
    number: int
    node: ast.stmt = field(repr=False)

    @cached_property
    def binds(self) -> frozenset[str]:
        """The global names that it binds."""
        return frozenset(_bound(self.node))

    @cached_property
    def uses(self) -> frozenset[str]:
        """The global names that it, or a function in it, reads."""
        read = set(_read(symtable.symtable(ast.unparse(self.node), "<cell>", "exec")))
        added = [n.target for n in _bindings(self.node) if isinstance(n, ast.AugAssign)]
        return frozenset(read | {n.id for n in added if isinstance(n, ast.Name)})

    @cached_property
    def reads_at_once(self) -> frozenset[str]:
        """The names that it reads when it is run, not only when a function in it is called."""
        if isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef):
            outside: list[ast.AST] = [*self.node.decorator_list, self.node.args]
            return frozenset(n.id for part in outside for n in ast.walk(part) if isinstance(n, ast.Name))
        if isinstance(self.node, ast.Assign) and isinstance(self.node.value, ast.Lambda):
            return frozenset()
        return self.uses

    @cached_property
    def changes(self) -> frozenset[str]:
        """The names whose values it changes: ``x[0] = 1``, ``x.a = 1``, ``x.append(1)``, ``del x[0]``."""
        if isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return frozenset()
        names = set()
        for n in ast.walk(self.node):
            target = None
            if isinstance(n, ast.Subscript | ast.Attribute) and not isinstance(n.ctx, ast.Load):
                target = n.value
            elif isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and isinstance(n.value.func, ast.Attribute):
                target = n.value.func.value
            while isinstance(target, ast.Subscript | ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                names.add(target.id)
        return frozenset(names)

    @property
    def surely_binds(self) -> bool:
        """Whether it binds its names whatever happens."""
        return not isinstance(self.node, ast.If | ast.Try | ast.TryStar | ast.For | ast.While | ast.Match)

    def defines(self, name: str) -> bool:
        """Whether it binds ``name`` to what can be a function, as neither a constant nor a loop's variable is."""
        for n in _bindings(self.node):
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if n.name == name:
                    return True
            elif isinstance(n, ast.Import | ast.ImportFrom):
                if name in _aliases(n):
                    return True
            elif isinstance(n, ast.Assign | ast.AnnAssign | ast.NamedExpr):
                targets = n.targets if isinstance(n, ast.Assign) else [n.target]
                stored = {t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)}
                if name in stored and isinstance(n.value, ast.Lambda | ast.Call | ast.Name | ast.Attribute | ast.IfExp):
                    return True
        return False


def _read(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        outer = symbol.is_global() or table.get_type() == "module"
        if outer and (symbol.is_referenced() or symbol.is_declared_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _read(child)


def _bindings(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that are run in the global scope."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        if not isinstance(node, ast.comprehension) or child is not node.target:  # its variable is its own
            yield from _bindings(child)


def _aliases(node: ast.Import | ast.ImportFrom) -> set[str]:
    whole = isinstance(node, ast.Import)
    return {a.asname or (a.name.partition(".")[0] if whole else a.name) for a in node.names}


def _bound(statement: ast.stmt) -> Iterator[str]:
    for n in _bindings(statement):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            yield n.id
        elif isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield n.name
        elif isinstance(n, ast.Import | ast.ImportFrom):
            yield from _aliases(n)
        elif isinstance(n, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and n.name:
            yield n.name


class Code:
    """The code cells of a notebook, each read on its own.

    Args:
        cells: The sources of its cells, None for one that is not code.
    """

    def __init__(self, cells: Iterable[str | None]) -> None:
        self.sources: dict[int, str] = {}
        self.errors: dict[int, SyntaxError] = {}  # of the cells that cannot be read
        self.statements: list[Statement] = []
        for number, source in enumerate(cells, 1):
            if source is None:
                continue
            python = without_magics(source)
            try:
                nodes = ast.parse(python).body
            except SyntaxError as error:
                self.errors[number] = error
            except (ValueError, RecursionError, MemoryError) as error:
                self.errors[number] = SyntaxError(str(error) or type(error).__name__)
            else:
                self.sources[number] = python
                self.statements += [Statement(number, n, node) for n, node in enumerate(nodes)]

    def defines(self, name: str) -> bool:
        """Whether a statement binds ``name``."""
        return any(name in s.binds for s in self.statements)

    def slice(self, names: Iterable[str], *, given: Collection[str], functions: Collection[str] = ()) -> list[Piece]:
        """The statements that the ``names`` hang on, in the order of the notebook.

        Args:
            names: What is wanted.
            given: Names that have a value already; no statement is looked for.
            functions: Those of ``names`` that are to be functions: a constant or a loop's variable of that name, as
                ``step`` in ``for step in range(9)``, does not hide a function.
        """
        end = len(self.statements)
        wanted, done, chosen = [(name, end) for name in names], set(), set()
        stars = [s for s in self.statements if "*" in s.binds]
        wanted += [(name, end) for s in stars for name in s.uses]
        chosen.update(stars)
        while wanted:
            name, before = wanted.pop()
            if name in given or (name, before) in done:
                continue
            done.add((name, before))
            for number in self._of(name, before, function=name in functions, builtin=name in BUILTINS):
                statement = self.statements[number]
                chosen.add(statement)
                at_once = statement.reads_at_once
                wanted += [(used, number if used in at_once else before) for used in statement.uses]
        pieces: dict[int, list[int]] = {}
        for s in self.statements:
            if s in chosen:
                pieces.setdefault(s.cell, []).append(s.number)
        return [Piece(cell, self.sources[cell], tuple(numbers)) for cell, numbers in pieces.items()]

    def _of(self, name: str, before: int, *, function: bool, builtin: bool) -> list[int]:
        """The numbers of the statements that make ``name`` what it is before a statement is run."""
        every = [n for n, s in enumerate(self.statements) if name in s.binds]
        binders = [n for n in every if n < before] or every
        definers = [n for n in binders if self.statements[n].defines(name)]
        if definers or builtin:
            function = function or any(isinstance(self.statements[n].node, ast.FunctionDef) for n in definers)
            binders = definers if function or builtin else binders
        found: list[int] = []
        first = last = len(self.statements)
        for n in reversed(binders):
            found.append(n)
            first = n
            if self.statements[n].surely_binds and name not in self.statements[n].reads_at_once:
                break
        imported = all(isinstance(self.statements[n].node, ast.Import | ast.ImportFrom) for n in found)
        if not imported:
            last = before if found and found[0] < before else last
            found += [n for n in range(first, last) if name in self.statements[n].changes]
        return found
