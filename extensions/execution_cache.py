"""Notebooks are executed side by side before Sphinx reads them, and only those whose outputs may have changed.

jupyter-cache knows a notebook by its own code cells alone. Here each executed notebook has a cache folder of its own,
named by a fingerprint of all that its outputs hang on: its cells, the modules of ``lrlib`` that it can reach, the files
that it names, the pinned requirements, and the versions of Python and torch. Where that cannot be told from the code,
all of ``lrlib`` counts. A folder appears whole, when the last cell has run, or not at all.
"""

import ast
import contextlib
import gc
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from notebook_runner import Execution, execute_all
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx_external_toc.parsing import parse_toc_yaml

logger = logging.getLogger(__name__)

PACKAGE = "lrlib"
# What brings in code that no import statement shows: imports by name, and code in strings.
BY_NAME = {"import_module", "__import__", "runpy", "spec_from_file_location"}
IN_STRINGS = {"exec", "eval"}
EXECUTED_AS = {"raises-exception", "skip-execution"}  # tags that tell a kernel's client what to do


def imported_modules(code: str, module: str = "", *, is_package: bool = False) -> set[str]:
    """Return the dotted names that ``code`` (the source of ``module``) may import, wherever in it the import stands.

    A package that the code has by its bare name, so that any room can be an attribute of it, comes with a star, too.

    >>> sorted(imported_modules("import torch\\nfrom lrlib.tasks import digits_mlp"))
    ['lrlib.tasks', 'lrlib.tasks.digits_mlp', 'torch', 'torch.*']
    >>> sorted(imported_modules("from . import _check", "lrlib.schedules.decay"))
    ['lrlib.schedules', 'lrlib.schedules._check']
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                if not alias.asname or "." not in alias.name:
                    names.add(f"{alias.name.partition('.')[0]}.*")
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                origin = ".".join([*parents, *([origin] if origin else [])])
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


def opaque(code: str) -> bool:
    """Say whether ``code`` may import what its import statements do not show."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and node.id in BY_NAME | IN_STRINGS:
            return True
        if isinstance(node, ast.Attribute) and node.attr in BY_NAME:
            return True
        if isinstance(node, ast.alias) and node.name in BY_NAME:
            return True
    return False


class Sources:
    """The modules of the package under ``root``, and what each of them reaches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, Path] = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.reached = cache(self._reached)

    def _reached(self, name: str) -> frozenset[str]:
        """Modules that importing ``name`` names directly, with the packages that lie around them."""
        code = self.files[name].read_text(encoding="utf-8")
        found = imported_modules(code, name, is_package=self.files[name].name == "__init__.py")
        # The package itself gives out its rooms by name: whoever has it bare is known by the star.
        if name != PACKAGE and (opaque(code) or "__getattr__" in code):
            found |= {other for other in self.files if other.startswith(name.rpartition(".")[0] or name)}
        return frozenset(self.known(found))

    def known(self, names: set[str]) -> set[str]:
        """Return the modules among ``names``, and every package on the way to them."""
        if f"{PACKAGE}.*" in names:
            return set(self.files)
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

    def of_notebook(self, notebook: Path) -> set[str]:
        """Return the modules that a notebook can reach: all of them unless its code says plainly which."""
        if any(notebook.parent.glob("*.py")) or any(notebook.parent.glob("*/__init__.py")):
            return set(self.files)
        names: set[str] = set()
        for cell in code_cells(notebook):
            code = plain_python(cell)
            if code is None or "get_ipython" in code or opaque(code):  # magics become calls of get_ipython()
                return set(self.files)
            names |= imported_modules(code)
        return self.closure(names)


@cache
def plain_python(cell: str) -> str | None:
    """Return a cell as Python reads it, its magics as calls of ``get_ipython``; None if it is no Python."""
    with contextlib.suppress(SyntaxError):  # nearly all are, and IPython takes a while
        ast.parse(cell)
        return cell
    with contextlib.suppress(SyntaxError):
        code = TransformerManager().transform_cell(cell)
        ast.parse(code)
        return code
    return None


def code_cells(notebook: Path) -> list[str]:
    """Return the sources of the code cells."""
    return [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def files_named(notebook: Path, root: Path) -> set[Path]:
    """Return the files of the project whose paths, as seen from the notebook's folder, stand in its code as texts."""
    found: set[Path] = set()
    for cell in code_cells(notebook):
        texts = [
            node.value
            for node in ast.walk(ast.parse(plain_python(cell) or ""))
            if isinstance(node, ast.Constant) and type(node.value) is str
        ]
        texts = [text for text in texts if re.fullmatch(r"[\w./-]{3,200}", text)]
        paths = [Path(os.path.normpath(notebook.parent / text)) for text in texts]
        found |= {path for path in paths if path.is_file() and path.is_relative_to(root)}
    return found


def _versions() -> list[str]:
    try:
        return [platform.python_version(), version("torch")]
    except PackageNotFoundError:
        return [platform.python_version()]


def _tags(notebook: Path) -> list[list[str]]:
    """Of each code cell, the tags that its execution hangs on."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    return [[tag for tag in cell.metadata.get("tags", []) if tag in EXECUTED_AS] for cell in cells]


def fingerprint(notebook: Path, sources: Sources) -> str:
    """Return a name for all that the outputs of ``notebook`` hang on."""
    root, modules = sources.root, sources.of_notebook(notebook)
    beside = [path for path in notebook.parent.iterdir() if path.is_file() and path.suffix not in {".ipynb", ".md"}]
    files = [sources.files[name] for name in sorted(modules)] + sources.data_files(modules)
    files += sorted({*beside, *files_named(notebook, root)})
    code = [code_cells(notebook), _tags(notebook)]
    digest = hashlib.sha256(json.dumps([*_versions(), notebook.name, *code]).encode())
    for path in [root / "requirements.txt", root / "constraints.txt", *files]:
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class ExecutedNotebooks:
    """The executed notebooks of the project in ``root``: one folder each, named by its fingerprint."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "_build" / ".jupyter_cache"
        self.sources = Sources(root)
        self.key = cache(lambda path: fingerprint(path, self.sources))

    def place(self, path: Path) -> Path:
        """Where a notebook's outputs are, once it has been executed as it is now."""
        return self.folder / self.key(path)

    def read(self, path: Path) -> nbformat.NotebookNode | None:
        """Return the code cells with the outputs that they have when executed now, or None if that is not known."""
        if not self.place(path).is_dir():
            return None
        kept, notebook = get_cache(str(self.place(path))), nbformat.read(path, as_version=4)
        try:
            return kept.merge_match_into_notebook(notebook)[1]
        except KeyError:
            return self._under_new_metadata(kept, notebook, path)

    def _under_new_metadata(
        self, kept: JupyterCacheAbstract, notebook: nbformat.NotebookNode, path: Path
    ) -> nbformat.NotebookNode | None:
        """The outputs of the same code under other tags or captions, which jupyter-cache counts: it is told of them."""
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for record in kept.list_cache_records():
            ran = kept.get_cache_bundle(record.pk).nb
            for cell, done in zip(cells, ran.cells, strict=True):
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
            notebook.metadata["language_info"] = ran.metadata["language_info"]
            kept.cache_notebook_bundle(CacheBundleIn(notebook, str(path)), check_validity=False, overwrite=True)
            return kept.merge_match_into_notebook(notebook)[1]
        return None

    def write(self, execution: Execution) -> None:
        """Keep what a notebook came to, in one move."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="unfinished-") as workshop:
            whole = Path(workshop, "cache")
            get_cache(str(whole)).cache_notebook_bundle(
                CacheBundleIn(execution.notebook, str(execution.path), data={"execution_seconds": execution.seconds}),
                check_validity=False,
            )
            shutil.rmtree(self.place(execution.path), ignore_errors=True)
            os.replace(whole, self.place(execution.path))
        times = self._times() | {execution.path.stem: execution.seconds}
        unfinished = self.folder / "unfinished.json"
        unfinished.write_text(json.dumps(times), encoding="utf-8")
        os.replace(unfinished, self.folder / "seconds.json")

    def _times(self) -> dict[str, float]:
        try:
            return json.loads((self.folder / "seconds.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def longest_first(self, paths: list[Path]) -> list[Path]:
        """Order notebooks by the seconds that they took last; new ones come first, by the length of their code."""
        times = self._times()
        return sorted(paths, key=lambda path: (times.get(path.stem, 1e9), len("".join(code_cells(path)))), reverse=True)

    def keep_only(self, paths: list[Path]) -> None:
        """Drop what is not the outputs of any of these notebooks as they are now."""
        used = {self.key(path) for path in paths}
        for folder in self.folder.glob("*/"):
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)


def execute_missing(
    executed: ExecutedNotebooks, paths: list[Path], timeout: int, say: Callable[[str], object]
) -> list[Execution]:
    """Execute what is not in the cache, a line of ``say`` for each notebook; those that failed."""
    missing = []
    for path in paths:
        if executed.read(path) is None:
            missing.append(path)
        else:
            say(f"{'':6}    {path.stem} (from the cache)")

    def report(execution: Execution) -> None:
        if not execution.error:
            executed.write(execution)
        outcome = "FAILED" if execution.error else "executed"
        say(f"{execution.seconds:6.1f} s  {execution.path.stem} ({outcome})")

    missing = executed.longest_first(missing)
    workers = int(os.environ.get("WORKERS", "2"))
    return [one for one in execute_all(missing, workers=workers, timeout=timeout, done=report) if one.error]


def _execute(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Execute what is not in the cache, and name the pages to be read again."""
    pages = {name: Path(env.doc2path(name)) for name in sorted(env.found_docs) if env.doc2path(name).endswith(".ipynb")}
    app.executed_notebooks = executed = ExecutedNotebooks(Path(app.srcdir))
    logger.info("")  # Sphinx has begun a line of its own
    failed = execute_missing(executed, list(pages.values()), app.config.nb_execution_timeout, logger.info)
    for execution in failed:
        logger.error("%s, %s", execution.path.relative_to(app.srcdir), execution.error)
    if failed:
        raise SystemExit(1)  # an exception would bury the cell's traceback under Sphinx's own
    before = getattr(env, "lrlib_fingerprints", {})
    env.lrlib_fingerprints = {name: executed.key(path) for name, path in pages.items()}
    return [name for name, key in env.lrlib_fingerprints.items() if key != before.get(name)]


def _choose_cache(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    folder = app.executed_notebooks.place(path) if path.suffix == ".ipynb" else app.executed_notebooks.folder / "pages"
    app.env.mystnb_config = app.env.mystnb_config.copy(execution_cache_path=str(folder))


def is_whole_book(app: Sphinx) -> bool:
    """Say whether all pages are built, or (``make book CHAPTER=…``) one."""
    return getattr(app.config, "external_toc_path", "_toc.yml") == "_toc.yml"


def _allow_references_to_other_pages(app: Sphinx, config: object) -> None:
    if not is_whole_book(app):
        app.config.suppress_warnings += ["ref", "myst.xref_missing"]


def _drop_unused_caches(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html" and is_whole_book(app):
        paths = [Path(app.env.doc2path(name)) for name in app.env.lrlib_fingerprints]
        app.executed_notebooks.keep_only(paths)


def setup(app: Sphinx) -> dict[str, bool]:
    gc.set_threshold(20_000, 50, 100)  # else a quarter of Sphinx's time goes into looking for garbage in its trees
    app.connect("config-inited", _allow_references_to_other_pages)
    app.connect("env-get-outdated", _execute)
    app.connect("source-read", _choose_cache)
    app.connect("build-finished", _drop_unused_caches)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def main(root: Path) -> int:
    """Execute what is not in the cache of the book's notebooks, without Sphinx; how many failed."""
    names = parse_toc_yaml(root / "_toc.yml")
    paths = [path for name in sorted(names) if (path := root / f"{name}.ipynb").exists()]
    timeout = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["execute"]["timeout"]
    failed = execute_missing(ExecutedNotebooks(root), paths, timeout, partial(print, flush=True))
    for execution in failed:
        sys.stderr.write(f"{execution.path.relative_to(root)}, {execution.error}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1]))
