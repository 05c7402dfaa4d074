"""Pages that load no more than they use: scripts that are doubled or never used are dropped.

Jupyter Book writes its inline scripts twice, so every page fails with "THEBE_JS_URL has already been declared".
The book has no Thebe button, so that script and its loader go altogether. The state of ipywidgets, a hundred kilobytes
on a page with a lab, is for a widget manager that the book does not load: its labs carry all that they need themselves.
Both belong to Jupyter Book 1. Sphinx copies no style sheet where no page is out of date, so a change of the look counts
as a change of every page. That no page asks for anything elsewhere is what the browser tests see to.
"""

import hashlib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


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
    return {"parallel_read_safe": True, "parallel_write_safe": True}
