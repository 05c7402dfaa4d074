"""The ledger page: a small book is built from notebooks that carry findings, and the ledger has them all."""

import sys
from pathlib import Path

import nbformat
import pytest
from sphinx.application import Sphinx

from lrlib.evidence import CLAIMS, Finding, Interval, at_most, limits, supports

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "extensions"))

from evidence_ledger import findings_made  # noqa: E402

CLEAR = Interval(0.8, 0.7, 0.9, 12, "ratio", "validation loss")
CONF = """
extensions = ["myst_nb", "evidence_ledger"]
nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]
nb_mime_priority_overrides = [["html", "text/html", 0]]
root_doc = "index"
exclude_patterns = ["_build"]
"""


def finding(claim: str, bound: float = 0.95) -> Finding:
    checks = [
        supports("arm a ends lower than arm b", CLEAR, at_most(bound), on="digits & noise, 12 seeds"),
        limits("arm a ends lower than arm c", CLEAR, at_most(0.95), on="digits, 12 seeds", when="it <rains>"),
    ]
    return Finding(claim, checks, where="500 steps", instead="b ends lower")


def write_page(path: Path, findings: list[Finding], *, made: int | None = None) -> None:
    cells = [nbformat.v4.new_markdown_cell(f"# Page {path.stem}")]
    for k in range(len(findings) if made is None else made):
        bundle = findings[k]._repr_mimebundle_() if k < len(findings) else {"text/plain": "nothing"}
        output = nbformat.v4.new_output("execute_result", data=bundle, execution_count=1)
        cells.append(nbformat.v4.new_code_cell("Finding().expect('holds')", outputs=[output], execution_count=1))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def build(root: Path) -> tuple[str, str]:
    """Build the book; the ledger's HTML, and the warnings."""
    with (root / "warnings.txt").open("w+", encoding="utf-8") as warnings:
        out = root / "_build"
        Sphinx(root, root, out / "html", out / "trees", "html", status=None, warning=warnings, parallel=1).build()
        warnings.seek(0)
        return (out / "html" / "ledger.html").read_text(encoding="utf-8"), warnings.read()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "conf.py").write_text(CONF, encoding="utf-8")
    (tmp_path / "index.md").write_text("# Book\n\n```{toctree}\nledger\nzebra\nape\n```\n", encoding="utf-8")
    (tmp_path / "ledger.md").write_text("# Ledger\n\n```{evidence-ledger}\n```\n", encoding="utf-8")
    write_page(tmp_path / "zebra.ipynb", [finding("C17"), finding("C18", bound=0.5)])
    write_page(tmp_path / "ape.ipynb", [finding("C17", bound=0.85)])
    return tmp_path


def test_the_ledger_has_what_the_pages_show(book: Path) -> None:
    html, warnings = build(book)
    assert "evidence" not in warnings
    assert "findings" not in warnings
    assert html.count('class="finding"') == 3
    assert html.count("finding-picture") == 3 + 6
    for text in ("Holds when", "it &lt;rains&gt;", "Does not hold as stated", "b ends lower", "Not decided here"):
        assert text in html
    assert html.index("zebra.html#finding-c17") < html.index("ape.html#finding-c17")  # the order of the contents
    assert "digits &amp; noise" in html
    assert 'id="finding-' not in html  # those are on the pages
    assert 'id="finding-c17"' in (book / "_build" / "html" / "ape.html").read_text(encoding="utf-8")
    assert html.count('evidence-untested">Open<') == len(CLAIMS) - 2
    assert "Claims with a verdict: 2 of 31 (" in html


def test_the_ledger_follows_when_a_page_changes(book: Path) -> None:
    before, _ = build(book)
    again, _ = build(book)
    assert again.count('class="finding"') == before.count('class="finding"')
    write_page(book / "ape.ipynb", [finding("C09")])
    after, _ = build(book)
    assert "ape.html#finding-c09" in after
    assert "ape.html#finding-c17" not in after


def test_a_finding_that_is_not_shown_stops_the_build(book: Path) -> None:
    write_page(book / "ape.ipynb", [finding("C09")], made=2)
    assert "2 findings are made here and 1 shown" in build(book)[1]


def test_two_findings_on_one_claim_and_page_are_one_too_many(book: Path) -> None:
    write_page(book / "ape.ipynb", [finding("C09"), finding("C09")])
    assert "more than one finding on C09" in build(book)[1]


def test_findings_are_counted_in_the_code() -> None:
    cells = [nbformat.v4.new_code_cell(code) for code in ("x = Finding(1)", "evidence.Finding(2)", "'Finding('", "y")]
    assert findings_made(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell("Finding(")])) == 2
