"""The evidence ledger: a page made of the findings that the other pages show.

A finding (``lrlib.evidence.Finding``) that a notebook shows carries its own data. When Sphinx has read a notebook, its
findings are taken from the executed copy that myst-nb writes; when all pages are read, ``{evidence-ledger}`` becomes
an overview of all claims, and the findings under each. So nothing is pasted by hand, and nothing can be forgotten:
a notebook that makes more findings than it shows is a warning, which stops the build.
"""

import ast
import html
from collections import Counter
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from lrlib.evidence import CLAIMS, Claim, Finding
from lrlib.evidence.cards import VERDICT_MARKS, card, numbers, picture
from lrlib.evidence.findings import MIME

UNTESTED = "Open"
log = logging.getLogger(__name__)


class overview(nodes.General, nodes.Element):
    """Stands for the table of all claims until every page is read."""


class cards(nodes.General, nodes.Element):
    """Stands for the findings on the claim ``claim``."""


class EvidenceLedger(SphinxDirective):
    """``{evidence-ledger}``: the overview, then a section a claim."""

    def run(self) -> list[nodes.Node]:
        self.env.evidence_ledgers.add(self.env.docname)
        parts: list[nodes.Node] = [overview()]
        for claim in CLAIMS.values():
            section = nodes.section(ids=[claim.id.lower()], names=[claim.id.lower()])
            section += [nodes.title("", "", nodes.Text(f"{claim.id}: {claim.name}")), cards(claim=claim.id)]
            self.state.document.note_explicit_target(section)
            parts.append(section)
        return parts


def findings_made(notebook: nbformat.NotebookNode) -> int:
    """Return how many times the code of a notebook calls ``Finding``."""
    made = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and "Finding(" in cell.source:
            calls = [node.func for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
            made += sum(getattr(call, "id", getattr(call, "attr", "")) == "Finding" for call in calls)
    return made


def findings_shown(notebook: nbformat.NotebookNode) -> list[dict]:
    """Return the data of the findings among a notebook's outputs."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.get("outputs", [])]
    return [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]


def _executed(app: Sphinx, docname: str) -> nbformat.NotebookNode | None:
    """Return a notebook with its outputs: from the book's execution cache, else as MyST-NB executed it."""
    if kept := getattr(app, "executed_notebooks", None):
        return kept.read(Path(app.env.doc2path(docname)))
    copy = Path(app.env.mystnb_config.output_folder, f"{docname}.ipynb")
    return nbformat.read(copy, as_version=4) if copy.is_file() else None


def _collect(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    if not app.env.doc2path(docname).endswith(".ipynb") or (notebook := _executed(app, docname)) is None:
        return
    shown, made = findings_shown(notebook), findings_made(notebook)
    if len(shown) != made:
        log.warning(
            "%d findings are made here and %d shown: end the cell with its expect()", made, len(shown), location=docname
        )
    twice = [claim for claim, times in Counter(data["claim"] for data in shown).items() if times > 1]
    if twice:
        log.warning("more than one finding on %s: join their checks", ", ".join(twice), location=docname)
    app.env.evidence_findings[docname] = shown


def _tested(env: BuildEnvironment) -> dict[str, list[tuple[str, Finding]]]:
    """Return the findings on each claim with their pages, in the order of the contents."""
    order = {docname: place for place, docname in enumerate(_in_order(env))}
    found: dict[str, list[tuple[str, Finding]]] = {claim: [] for claim in CLAIMS}
    for docname in sorted(env.evidence_findings, key=lambda name: (order.get(name, len(order)), name)):
        for data in env.evidence_findings[docname]:
            found[data["claim"]].append((docname, Finding.from_json(data)))
    return found


def overview_html(found: dict[str, list[tuple[str, Finding]]], link) -> str:
    """Return the table of all claims; ``link(docname, claim)`` is the link to where a finding is made."""
    rows = "".join(_rows(CLAIMS[claim], findings, link) for claim, findings in found.items())
    tested = sum(bool(findings) for findings in found.values())
    times = Counter(finding.verdict for findings in found.values() for _, finding in findings)
    counts = ", ".join(f"{times[verdict]} {verdict}" for verdict in VERDICT_MARKS if times[verdict])
    verdicts = f" (verdicts, one for each page that tests a claim: {counts})" if counts else ""
    head = "<tr><th>The article says</th><th>Verdict</th><th>The figure that says most</th></tr>"
    summary = f"<p>Claims with a verdict: {tested} of {len(found)}{verdicts}.</p>"
    return f'{summary}<table class="table evidence-overview"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _rows(claim: Claim, findings: list[tuple[str, Finding]], link) -> str:
    span = max(len(findings), 1)
    first = f'<td rowspan="{span}"><a href="#{claim.id.lower()}">{claim.id}</a> {html.escape(claim.text)}</td>'
    if not findings:
        return f'<tr>{first}<td colspan="2" class="evidence-untested">{UNTESTED}</td></tr>'
    rows = ""
    for docname, finding in findings:
        check = next(check for check in finding.checks if check.side == "supports")
        verdict = f"<strong>{VERDICT_MARKS[finding.verdict]} {finding.verdict.capitalize()}</strong>"
        where = f"<small>{html.escape(finding.detail)}</small> <small>({link(docname, claim.id)})</small>"
        figure = f"{picture(check)}<br>{numbers(check.estimate)}<br><small>{html.escape(check.on)}</small>"
        rows += f'<tr data-verdict="{finding.verdict}">{first}<td>{verdict}<br>{where}</td><td>{figure}</td></tr>'
        first = ""
    return rows


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if docname not in app.env.evidence_ledgers:
        return
    found = _tested(app.env)

    def link(page: str, claim: str) -> str:
        address = app.builder.get_relative_uri(docname, page)
        title = html.escape(app.env.titles[page].astext())
        return f'<a href="{address}#finding-{claim.lower()}">{title}</a>'

    for node in list(doctree.findall(overview)):
        node.replace_self(nodes.raw("", overview_html(found, link), format="html"))
    for node in list(doctree.findall(cards)):
        texts = [
            f"<p>From {link(page, node['claim'])}:</p>{card(finding, anchor=False)}"
            for page, finding in found[node["claim"]]
        ]
        if not texts:
            text = html.escape(CLAIMS[node["claim"]].text)
            texts = [f"<blockquote><p>{text}</p></blockquote><p>{UNTESTED}.</p>"]
        node.replace_self(nodes.raw("", "".join(texts), format="html"))


def _start(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    for name, empty in (("evidence_findings", {}), ("evidence_ledgers", set())):
        if not hasattr(env, name):
            setattr(env, name, empty)


def _in_order(env: BuildEnvironment) -> list[str]:
    """Return the pages in the order of the contents."""
    order, open_ = [], [env.config.root_doc]
    while open_:
        docname = open_.pop(0)
        if docname not in order:
            order.append(docname)
            open_ = [*env.toctree_includes.get(docname, []), *open_]
    return order


def _write_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    return sorted(env.evidence_ledgers)


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    if hasattr(env, "evidence_findings"):
        env.evidence_findings.pop(docname, None)
        env.evidence_ledgers.discard(docname)


def _merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    read = docnames & other.evidence_findings.keys()
    env.evidence_findings.update({name: other.evidence_findings[name] for name in read})
    env.evidence_ledgers |= other.evidence_ledgers & docnames


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(overview)
    app.add_node(cards)
    app.add_directive("evidence-ledger", EvidenceLedger)
    app.connect("env-before-read-docs", _start)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
    app.connect("doctree-read", _collect)
    app.connect("env-updated", _write_again)
    app.connect("doctree-resolved", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
