"""The package as its users meet it: what an import costs, what the wheel holds, what README says, the command line."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lrlib
from lrlib.__main__ import main

ROOT = Path(__file__).parents[1]
ROOMS = [name for name in dir(lrlib) if (ROOT / "lrlib" / name).is_dir() or (ROOT / "lrlib" / f"{name}.py").is_file()]
ROOMS = [name for name in ROOMS if not name.startswith("_")]
EXTRAS = {
    "matplotlib": "plots",
    "sklearn": "data",
    "mlxtend": "data",
    "ziglang": "compiled",
    "anywidget": "labs",
    "ipywidgets": "labs",
}
NEED = {"style": "matplotlib", "plots": "matplotlib", "widgets": "matplotlib"}


def run(code: str, path: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(path)!r})\n{code}"]
    return subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_rooms_are_loaded_when_they_are_named() -> None:
    assert {"schedules", "updates", "training", "plots", "widgets"} <= set(ROOMS)
    code = "import lrlib\nbefore = 'lrlib.schedules' in sys.modules\nprint(before, lrlib.schedules.cosine.__name__)"
    assert run(code) == "False cosine"
    with pytest.raises(AttributeError, match="no attribute 'shedules'"):
        _ = lrlib.shedules
    with pytest.raises(ImportError):
        exec("from lrlib import shedules")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("lrlib", ["numpy", "torch", "matplotlib"]),
        ("lrlib.schedules", ["torch", "matplotlib"]),
        ("lrlib.__main__, lrlib.curves, lrlib.diagnostics.doctor", ["torch", "scipy", "matplotlib"]),
        ("lrlib.plots", ["torch", "lrlib._compiler"]),
        ("lrlib.tuning", ["torch", "optuna", "matplotlib"]),
    ],
)
def test_an_import_brings_no_more_than_it_needs(module: str, heavy: list[str]) -> None:
    assert run(f"import {module}\nprint([name for name in {heavy} if name in sys.modules])") == "[]"


def test_the_version_stands_in_one_place() -> None:
    assert f"version: {lrlib.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {lrlib.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.M)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    assert "25 rates from 0.0001 to 1 × 5 seeds" in capsys.readouterr().out


def test_the_cache_is_counted_and_cleared_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path / "none"))
    main(["cache"])
    assert capsys.readouterr().out == f"{tmp_path / 'none'}: 0 files, 0.0 MB\n"

    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    for name in (f"{'0a' * 16}.so", f"{'1b' * 16}-{'2c' * 8}.wasm", f"{'3d' * 16}.json", "thesis.json"):
        (tmp_path / name).write_bytes(b"0" * 500_000)
    (tmp_path / "zig").mkdir()
    main(["cache"])
    main(["cache", "--clear"])
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path}: 3 files, 1.5 MB{end}" for end in ("", ", deleted")]
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.json"]
    with pytest.raises(SystemExit):
        main([])


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_works_without_extras(tmp_path: Path) -> None:
    """Built from the tracked files; imported with all that an extra brings out of reach."""
    source, out = tmp_path / "source", tmp_path / "out"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode()
    if not listed:
        pytest.skip("this is no clone: there is no list of the tracked files")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("chapters/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    pip += ["--no-build-isolation", "--wheel-dir", str(out), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    [wheel] = out.glob(f"lrlib-{lrlib.__version__}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out)
        held = set(archive.namelist())
    beside = {str(path.relative_to(source)) for path in (source / "lrlib").rglob("*") if path.is_file()}
    assert beside <= held
    assert {name.partition("/")[0].partition("-")[0] for name in held} == {"lrlib"}
    metadata = next(out.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
    assert "License-Expression: MIT\n" in metadata

    code = f"""
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(EXTRAS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
import lrlib, importlib
assert lrlib.__file__.startswith({str(out)!r})
for room in {ROOMS!r}:
    try:
        getattr(lrlib, room)
    except ModuleNotFoundError as error:
        print(room, error.name.partition(".")[0])
"""
    refused = dict(line.split() for line in run(code, out).splitlines())
    assert set(refused) == set(NEED)
    assert all(refused[room] in EXTRAS for room in refused)
