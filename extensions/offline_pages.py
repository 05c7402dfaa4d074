"""Pages that need no network: drop scripts that are doubled or never used, and warn of anything loaded from elsewhere.

Jupyter Book writes its inline scripts twice, so every page fails with "THEBE_JS_URL has already been declared".
The book has no Thebe button, so that script and its loader go altogether. The state of ipywidgets, a hundred kilobytes
on a page with a lab, is for a widget manager that the book does not load: its labs carry all that they need themselves.
Sphinx copies no style sheet where no page is out of date, so a change of the look counts as a change of every page.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
LOADED_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|preload|modulepreload|icon))[^>]*?\bhref\s*=\s*["']?(?:https?:)?//[^"'\s>]+""",
    re.IGNORECASE,
)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the tags of a page that make a browser fetch something from another host (links to follow are none)."""
    return LOADED_FROM_ELSEWHERE.findall(html)


def needed_scripts(scripts: list[Any]) -> list[Any]:
    """Return the scripts of a page, each once, without those that nothing on it uses."""
    seen, kept = set(), []
    for script in scripts:
        name = str(getattr(script, "filename", script) or "")
        attributes = getattr(script, "attributes", {})
        body = attributes.get("body") or ""
        thebe = "THEBE_JS_URL" in body or name.split("?")[0].endswith("sphinx-thebe.js")
        if (name, body) not in seen and not thebe and attributes.get("type") != WIDGET_STATE:
            kept.append(script)
        seen.add((name, body))
    return kept


def _drop_scripts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    context["script_files"] = needed_scripts(context.get("script_files", []))


def _warn_of_the_network(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for docname in sorted(app.env.found_docs):
        page = Path(app.outdir, app.builder.get_target_uri(docname))
        if page.is_file():
            for tag in loaded_from_elsewhere(page.read_text(encoding="utf-8")):
                logger.warning("the page loads something from the network: %s", tag, location=docname)


def _all_pages_if_the_look_changed(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    digest = hashlib.sha256()
    for folder, files in (("assets", "*"), ("extensions", "*.py")):
        for path in sorted(path for path in Path(app.srcdir, folder).rglob(files) if path.is_file()):
            digest.update(path.read_bytes())
    before, env.look_of_the_book = getattr(env, "look_of_the_book", None), digest.hexdigest()
    return [] if before == env.look_of_the_book else sorted(env.found_docs)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", _all_pages_if_the_look_changed)
    app.connect("html-page-context", _drop_scripts, priority=900)  # after those that add scripts
    app.connect("build-finished", _warn_of_the_network)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
