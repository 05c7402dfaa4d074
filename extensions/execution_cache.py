"""Outputs that are never stale: a notebook is executed again when what it imports from ``lrlib`` has changed.

jupyter-cache knows a notebook by its own code cells alone. Here each notebook gets a cache folder that is named
by a fingerprint of the modules of ``lrlib`` that it can reach and of the pinned requirements, and Sphinx reads
a page again when its fingerprint has changed.
"""

import ast
import hashlib
import shutil
from functools import cache
from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "lrlib"


def imported_modules(code: str, module: str = "", *, is_package: bool = False) -> set[str]:
    """Return the dotted names that ``code`` (the source of ``module``) may import, wherever in it the import stands.

    >>> sorted(imported_modules("import torch\\nfrom lrlib.tasks import digits_mlp"))
    ['lrlib.tasks', 'lrlib.tasks.digits_mlp', 'torch']
    >>> sorted(imported_modules("from . import _check", "lrlib.schedules.decay"))
    ['lrlib.schedules', 'lrlib.schedules._check']
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                origin = ".".join([*parents, *([origin] if origin else [])])
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


class Sources:
    """The modules of the package under ``root``, and what each of them reaches."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Path] = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.reached = cache(self._reached)

    def _is_package(self, name: str) -> bool:
        return self.files[name].name == "__init__.py"

    def _reached(self, name: str) -> frozenset[str]:
        """Modules that importing ``name`` names directly, with the packages that lie around them."""
        code = self.files[name].read_text(encoding="utf-8")
        found = imported_modules(code, name, is_package=self._is_package(name))
        if "__getattr__" in code or "import_module" in code:  # imports by name at run time: assume all below it
            found |= {other for other in self.files if other.startswith(name.rpartition(".")[0] or name)}
        return frozenset(self.known(found))

    def known(self, names: set[str]) -> set[str]:
        """Return the modules among ``names``, and every package on the way to them."""
        modules: set[str] = set()
        for name in names:
            parts = name.split(".")
            prefixes = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
            modules.update(prefix for prefix in prefixes if prefix in self.files)
        return modules

    def closure(self, names: set[str]) -> set[str]:
        """Return all modules that code importing ``names`` can reach."""
        open_, done = self.known(names), set()
        while open_:
            name = open_.pop()
            done.add(name)
            open_ |= self.reached(name) - done
        return done

    def data_files(self, modules: set[str]) -> list[Path]:
        """Return the files other than Python's (scripts, style sheets, C) beside ``modules``."""
        folders = {self.files[name].parent for name in modules}
        return sorted(
            path
            for folder in folders
            for path in folder.iterdir()
            if path.is_file() and path.suffix not in {".py", ".pyc"}
        )


def notebook_code(path: Path) -> str:
    """Return the code cells of a notebook as one source; cells that are not plain Python are left out."""
    cells = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            code = "\n".join(
                "pass" if line.lstrip().startswith(("%", "!")) else line for line in cell.source.splitlines()
            )
            try:
                ast.parse(code)
            except SyntaxError:
                continue
            cells.append(code)
    return "\n".join(cells)


def fingerprint(notebook: Path, root: Path, sources: Sources) -> str:
    """Return a name for all that the outputs of ``notebook`` hang on besides its own cells."""
    modules = sources.closure(imported_modules(notebook_code(notebook)))
    files = [sources.files[name] for name in sorted(modules)] + sources.data_files(modules)
    digest = hashlib.sha256()
    for path in [root / "requirements.txt", *files]:
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_root(app: Sphinx) -> Path:
    return Path(app.outdir).parent / ".jupyter_cache"


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    root = Path(app.srcdir)
    sources = Sources(root)
    before = getattr(env, "lrlib_fingerprints", {})
    now = {
        docname: fingerprint(Path(env.doc2path(docname)), root, sources)
        for docname in env.found_docs
        if env.doc2path(docname).endswith(".ipynb")
    }
    env.lrlib_fingerprints = now
    return [docname for docname in now if now[docname] != before.get(docname)]


def _choose_cache(app: Sphinx, docname: str, source: list[str]) -> None:
    key = app.env.lrlib_fingerprints.get(docname, "pages")
    app.env.mystnb_config = app.env.mystnb_config.copy(execution_cache_path=str(_cache_root(app) / key))


def _drop_unused_caches(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        used = {*app.env.lrlib_fingerprints.values(), "pages"}
        for folder in _cache_root(app).glob("*/"):
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _choose_cache)
    app.connect("build-finished", _drop_unused_caches)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
