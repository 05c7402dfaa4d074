"""A browser with no way out: pages over http on loopback or from files, and a record of whatever they should not do."""

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
READY = "[...document.querySelectorAll('.lrlab-host')].every((host) => host.dataset.ready === 'true')"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running Chromium or Chrome: one that is on the path, else Playwright's own."""
    from playwright.sync_api import Error, sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", OFFLINE])
        except Error as error:
            without(f"NO BROWSER: the labs were not tested ({str(error).splitlines()[0]}); install chromium")
        yield browser
        browser.close()


def without(what: str) -> None:
    """Skip the tests that need ``what``; where all must run, in CI, they fail."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass
class Watched:
    """A page, what it asked of other origins, and what it complained of."""

    page: Any
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        assert not self.outside, f"asked for {self.outside}"
        assert not self.errors, f"complained: {self.errors}"


@pytest.fixture(scope="session")
def contexts(chromium: Any) -> Iterator[Callable[[bool], Any]]:
    """``contexts(scripts)`` holds all pages with, or without, JavaScript: one for each page costs half a second."""
    opened: dict[bool, Any] = {}

    def of(scripts: bool) -> Any:
        if scripts not in opened:
            opened[scripts] = chromium.new_context(java_script_enabled=scripts)
        return opened[scripts]

    yield of
    for context in opened.values():
        context.close()


@pytest.fixture
def visit(contexts: Callable[[bool], Any]) -> Iterator[Callable[..., Watched]]:
    """``visit(url, origin, ...)`` opens a page whose requests to other origins are recorded; to other hosts they fail.

    What a page stores is gone with it.
    """
    opened: list[tuple[Any, str]] = []

    def open_page(
        url: str,
        *,
        origin: str,
        width: int = 900,
        scripts: bool = True,
        formulas: bool = True,
        before: str = "",
        wait: bool = True,
    ) -> Watched:
        page = contexts(scripts).new_page()
        opened.append((page, origin))
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(120_000)  # a machine may be busy with other tests
        watched = Watched(page)

        def note(request: Any) -> None:  # to refuse each here would cost the browser its cache of scripts
            if not request.url.startswith((origin, "data:", "blob:")):
                watched.outside.append(request.url)

        page.on("request", note)
        page.on("console", lambda m: watched.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        if not formulas:
            page.route("**/mathjax/**", lambda route: route.fulfill(body="", content_type="text/javascript"))
        if before:
            page.add_init_script(before)
        page.goto(url, wait_until="load")
        # No request shows an icon or a connection that is opened beforehand.
        links = page.evaluate("[...document.querySelectorAll('link:not([rel=canonical])')].map((link) => link.href)")
        watched.outside.extend(link for link in links if not link.startswith((origin, "data:", "blob:")))
        if scripts and wait:
            page.wait_for_function(READY)
        return watched

    yield open_page
    for page, origin in opened:
        if origin.startswith(("http:", "file:")):
            place = {"origin": "file://" if origin.startswith("file:") else origin, "storageTypes": "all"}
            page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", place)
        page.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """``serve(folder)`` gives the address under which a folder is served on loopback."""
    servers: dict[Path, ThreadingHTTPServer] = {}

    def start(folder: Path) -> str:
        if folder not in servers:
            handler = functools.partial(_Quiet, directory=str(folder))
            servers[folder] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=servers[folder].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[folder].server_port}"

    yield start
    for server in servers.values():
        server.shutdown()
        server.server_close()


BARE_PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>A lab</title>
<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width"></head>
<body style="margin: 16px; {colours}">{body}</body></html>"""
BARE_COLOURS = {"light": "background: #ffffff; color: #222222", "dark": "background: #14181e; color: #ced6dd"}


@pytest.fixture
def show_body(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    visit: Callable[..., Watched],
    serve: Callable[[Path], str],
) -> Callable[..., Watched]:
    """``show_body(html)`` opens a page with nothing else on it, over http or, with ``way="file"``, from a file."""
    home = tmp_path_factory.getbasetemp()  # one server for all: each takes half a second to stop

    def show(body: str, *, theme: str = "light", way: str = "http", **options: Any) -> Watched:
        text = BARE_PAGE.format(theme=theme, colours=BARE_COLOURS[theme], body=body)
        page = tmp_path / "page.html"
        page.write_text(text, encoding="utf-8")
        origin = serve(home) if way == "http" else tmp_path.as_uri()
        address = f"{origin}/{page.relative_to(home).as_posix()}" if way == "http" else page.as_uri()
        return visit(address, origin=origin, **options)

    return show
