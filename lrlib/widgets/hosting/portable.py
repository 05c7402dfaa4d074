"""The portable base: one lab, two hosts. Beside a kernel a widget; in a static page the same code, kernel-free."""

import asyncio
import collections
import hashlib
import html
import json
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from lrlib.widgets.drawing.theme import stylesheet
from lrlib.widgets.hosting.bundling import bundle, text_of

_shown: collections.Counter[str] = collections.Counter()


def script_json(value: Any) -> str:
    """JSON that can stand inside ``<script>``: no ``<``, and none of the line ends that only JavaScript knows.

    >>> script_json({"label": "</script>"})
    '{"label": "\\\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class KernelOnly(Exception):
    """Raised by ``page_state`` where a static page cannot do what a kernel can; its message says why, for a reader."""


class Portable:
    """Mixed into a widget: its output then carries, beside the view of the widget, a copy that lives without a kernel.

    A lab names its JavaScript and style files in ``module`` and ``styles``, and gives ``page_state`` (what the module
    reads in a static page), ``still`` (the figure shown where scripts do not run) and ``summary`` (plain text, the same
    at each run).
    """

    module: ClassVar[str]
    styles: ClassVar[tuple[str, ...]] = ("hosting/lab.css",)
    without_scripts: ClassVar[str] = "Recorded. The lab itself needs JavaScript, which is switched off here."

    model_id: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "module" in cls.__dict__:  # under the names by which anywidget looks for them
            cls._esm, cls._css = cls.source(), cls.style()  # type: ignore[attr-defined]
        super().__init_subclass__(**kwargs)

    def page_state(self) -> dict[str, Any]:
        """What the lab's module reads in a static page: plain JSON values.

        Raises:
            KernelOnly: a static page cannot do what this lab does beside a kernel.
        """
        raise NotImplementedError

    def still(self) -> str:
        """HTML or SVG shown until the module has drawn, and instead of it where scripts do not run."""
        raise NotImplementedError

    def summary(self) -> str:
        """The output in plain text, the same at each run."""
        raise NotImplementedError

    @classmethod
    def source(cls) -> str:
        """The lab's module with all that it imports."""
        return bundle(cls.module)

    @classmethod
    def style(cls) -> str:
        """The lab's style sheet: the colours of :mod:`lrlib.style`, then the files named in ``styles``."""
        return "\n".join([stylesheet(), *map(text_of, cls.styles)])

    def to_html(self) -> str:
        """The kernel-free copy: a still figure and a script that brings it to life; needs nothing from any server.

        Where only a kernel can do what the lab does, the still figure and a sentence that says so.
        """
        try:
            state = script_json({**self.page_state(), "host": "page"})
        except KernelOnly as reason:
            return self._standing(str(reason))
        return (
            f'<div class="lrlab-host" id="{_identity(type(self).__name__, state)}"><style>{self.style()}</style>\n'
            f'<div class="lrlab lrlab-still">{self.still()}<noscript><p class="lrlab-status">'
            f"{self.without_scripts}</p></noscript></div>\n"
            f"<script>{text_of('hosting/host.js').strip()}"
            f"(document.currentScript, {state}, {script_json(self.source())})</script></div>"
        )

    def _standing(self, reason: str) -> str:
        return (
            f'<div class="lrlab-host" id="{_identity(type(self).__name__, self.summary())}" data-ready="true">'
            f'<style>{self.style()}</style>\n<div class="lrlab lrlab-standing">{self.still()}'
            f'<p class="lrlab-status"><span class="lrlab-source">Recorded.</span> '
            f"This lab trains only beside a kernel: {escape(reason)}.</p></div></div>"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # a dict; anywidget's own is a pair
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "application/vnd.jupyter.widget-view+json": view,
            "text/html": self.to_html(),
            "text/plain": self.summary(),
        }


def _identity(name: str, state: str) -> str:
    """An id made of the content, with a number from its second showing on: the same in each build."""
    key = f"lrlab-{name.lower()}-{hashlib.sha256(state.encode()).hexdigest()[:8]}"
    _shown[key] += 1
    return key if _shown[key] == 1 else f"{key}-{_shown[key]}"


def escape(text: str) -> str:
    """Text for HTML, inside and outside of attributes; ``_{...}`` becomes a subscript.

    >>> escape("2/λ_{max} < 1")
    '2/λ<sub>max</sub> &lt; 1'
    """
    pieces = html.escape(text).split("_{")
    return pieces[0] + "".join(f"<sub>{piece.replace('}', '</sub>', 1)}" for piece in pieces[1:])


class Latest:
    """Runs coroutines one at a time, the newest always winning: starting one cancels the one before.

    ``told`` hears of an exception that ends one of them; the event loop's own log hears of it, too.
    """

    def __init__(self, told: Callable[[Exception], None]) -> None:
        self._told = told
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Cancel what runs and start ``work``; without an event loop nobody would see it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            work.close()
            return
        if self._task is not None:
            self._task.cancel()
        self._task = loop.create_task(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._told(error)
            task.get_loop().call_exception_handler({"message": "a lab's work failed", "exception": error})
