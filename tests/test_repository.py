"""What holds for the repository as a whole: floors, sizes, notebooks, table of contents, citations, no network."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "extensions"))

from execution_cache import Sources, imported_modules  # noqa: E402

FLOORS = {
    "_cache": 0,
    "_check": 0,
    "streams": 0,
    "schedules": 1,
    "updates": 1,
    "surfaces": 1,
    "data": 2,
    "models": 2,
    "curves": 2,
    "tasks": 2,
    "_compiler": 3,
    "training": 4,
    "range_tests": 5,
    "diagnostics": 5,
    "tuning": 5,
    "evidence": 5,
    "style": 6,
    "plots": 6,
    "widgets": 7,
    "checks": 8,
    "grading": 8,
    "__main__": 9,
}
MODULES = sorted((ROOT / "lrlib").rglob("*.py"))
NOTEBOOKS = sorted(p for p in (ROOT / "chapters").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", [p for p in MODULES if dotted(p) != "lrlib"], ids=relative)
def test_a_room_imports_only_its_own_and_lower_floors(path: Path) -> None:
    room = dotted(path).split(".")[1]
    assert room in FLOORS, f"{room} has no floor yet"
    imported = imported_modules(path.read_text(encoding="utf-8"), dotted(path), is_package=path.name == "__init__.py")
    others = {name.split(".")[1] for name in imported if name.startswith("lrlib.")} - {room}
    # rooms on one floor may use each other only from data to models to tasks, and from style to plots
    side_doors = {("streams", "_check"), ("models", "data"), ("tasks", "data"), ("tasks", "models"), ("plots", "style")}
    above = {name for name in others & FLOORS.keys() if FLOORS[name] >= FLOORS[room] and (room, name) not in side_doors}
    assert not above, f"{room} (floor {FLOORS[room]}) imports {sorted(above)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_fits_in_one_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=relative)
def test_no_module_has_the_name_of_a_function_beside_it(path: Path) -> None:
    imports = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    assert not names & {module.stem for module in path.parent.glob("*.py")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_a_notebook_keeps_no_stray_outputs(path: Path) -> None:
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code":
            kept = "keep_output" in cell.metadata.get("tags", [])  # nbval compares such a cell if it has a count
            assert (cell.execution_count is None) != kept, f"cell {number}: an execution count goes with keep_output"
            assert kept or not cell.outputs, f"cell {number} has outputs and is not tagged keep_output"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_a_figure_has_a_caption_and_a_text_in_its_place(path: Path) -> None:
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        settings = cell.metadata.get("mystnb", {})
        if "figure" in settings:
            assert settings["figure"].get("caption"), f"cell {number} has no caption"
            assert settings.get("image", {}).get("alt"), f"cell {number} has no text in place of its figure"


def toc_files() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: object) -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in walk(item)]
        if isinstance(node, dict):
            here = [node[key] for key in ("root", "file") if key in node]
            return here + [name for value in node.values() for name in walk(value)]
        return []

    return walk(toc)


def page(name: str) -> Path | None:
    return next((p for suffix in (".ipynb", ".md") if (p := ROOT / f"{name}{suffix}").is_file()), None)


@pytest.mark.parametrize("name", toc_files())
def test_every_entry_of_the_contents_exists(name: str) -> None:
    assert page(name) is not None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_every_notebook_is_in_the_contents(path: Path) -> None:
    if "assignments" not in path.parts:
        assert relative(path).removesuffix(".ipynb") in toc_files()


def prose(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def bibliography() -> list[str]:
    return re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)


def test_bibliography_keys_are_unique() -> None:
    assert len(bibliography()) == len(set(bibliography()))


@pytest.mark.parametrize("path", [p for name in toc_files() if (p := page(name))], ids=relative)
def test_every_citation_is_in_the_bibliography(path: Path) -> None:
    cited = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose(path))
    keys = {key.strip() for group in cited for key in group.split(",")}
    assert keys <= set(bibliography())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_every_finding_is_shown_so_that_the_ledger_has_it(path: Path) -> None:
    """A cell that makes a finding ends with its ``expect``, which shows it; the ledger collects what is shown."""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "code" and "Finding(" in cell.source:
            last = ast.parse(cell.source).body[-1]
            assert isinstance(last, ast.Expr), f"cell {number} shows nothing"
            assert isinstance(last.value, ast.Call), f"cell {number} ends with no expect()"
            assert getattr(last.value.func, "attr", "") == "expect", f"cell {number} ends with no expect()"
            assert cell.source.count("Finding(") == 1, f"cell {number} makes more than the finding that it shows"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_a_chapter_asks_two_questions_or_more(path: Path) -> None:
    if path.name != "index.ipynb" and "assignments" not in path.parts:
        code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        calls = [node for source in code for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        assert sum(getattr(call.func, "id", "") == "Predict" for call in calls) >= 2


def test_the_ledger_is_made_by_its_directive() -> None:
    ledger = (ROOT / "chapters" / "appendix" / "evidence_ledger.md").read_text(encoding="utf-8")
    assert ledger.count("```{evidence-ledger}") == 1
    assert "{glue}" not in ledger


def test_configuration_needs_no_network() -> None:
    settings = CONFIG["sphinx"]["config"]
    assert "sphinx-mathjax-offline" in CONFIG["sphinx"]["extra_extensions"]
    assert settings["nb_ipywidgets_js"] == {}
    assert "intersphinx_mapping" not in settings
    addresses = [name for name in re.findall(r"https?://\S+", (ROOT / "_config.yml").read_text(encoding="utf-8"))]
    assert addresses == []


def test_constraints_are_exact_and_agree_with_the_requirements() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        exact = re.compile(r"([\w.-]+)==([\w.!]+)(; python_full_version .+)?")
        found = [exact.fullmatch(line) for line in lines if line and line[0] != "#"]
        assert all(found) or "jupyter-book<2" in lines  # as the weekly job leaves them
        return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}

    direct, all_of_them = pins("requirements.txt"), pins("constraints.txt")
    assert direct.items() <= all_of_them.items()
    assert len(all_of_them) > len(direct) or not direct


def test_binder_installs_all_that_the_chapters_import() -> None:
    text = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    script = re.search(r"sed -E '([^']+)' requirements.txt", text)
    assert script
    command = ["sed", "-E", script[1], "requirements.txt"]
    installed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    provided_by = {"myst_nb": "jupyter-book", "sklearn": "scikit-learn", "IPython": "jupyterlab"}
    there = {*sys.stdlib_module_names, "lrlib", "torch"}  # torch comes from environment.yml
    code = [c.source for path in NOTEBOOKS for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    imported = {name.partition(".")[0] for source in code for name in imported_modules(source)} - there
    assert {name for name in imported if f"{provided_by.get(name, name)}==" not in installed} == set()


def test_scripts_and_styles_are_part_of_the_package_and_of_what_a_page_hangs_on() -> None:
    found = {p for pattern in ("*.js", "*.css") for p in (ROOT / "lrlib").rglob(pattern)}
    with (ROOT / "pyproject.toml").open("rb") as file:
        shipped = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    folders = {ROOT.joinpath(*package.split(".")): patterns for package, patterns in shipped.items()}
    assert found <= {p for folder, patterns in folders.items() for pattern in patterns for p in folder.glob(pattern)}
    sources = Sources(ROOT)
    for lab in ("Predict", "TrainingLab"):
        assert found <= set(sources.data_files(sources.closure({f"lrlib.widgets.{lab}"})))
