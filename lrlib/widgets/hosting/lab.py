"""What all labs share beside a kernel: ipywidgets' controls, the picture under them, the newest run winning."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import anywidget
import ipywidgets
import traitlets

from lrlib import _check
from lrlib._compiler import UnsupportedOperation
from lrlib.widgets.hosting.controls import Control
from lrlib.widgets.hosting.portable import KernelOnly, Latest, Portable, escape

T = TypeVar("T")


class Picture(anywidget.AnyWidget):
    """The drawn part of a lab: reads ``config``, ``settings``, ``result``; tells where the reader dragged ``start``."""

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    host = traitlets.Unicode("kernel").tag(sync=True)
    config = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    start: traitlets.List[Any] = traitlets.List().tag(sync=True)
    asked = traitlets.Int(0).tag(sync=True)  # counts presses of the lab's button
    backdrop = traitlets.Dict().tag(sync=True)  # what lies under every result: large, and sent only when it changes
    result = traitlets.Dict().tag(sync=True)


class Lab(Portable, ipywidgets.VBox):
    """Controls in a row, the picture under them. A lab tells what to do at each move in ``recompute``.

    Controls whose names are not in ``offer`` stay away; their settings stand as they began.
    """

    def __init__(
        self,
        *,
        hint: str,
        controls: Sequence[Control],
        config: Mapping[str, Any],
        kernel_controls: Sequence[Control] = (),
        kernel_only: str | None = None,
        offer: Sequence[str] | None = None,
    ) -> None:
        names = [control.name for control in controls]
        for name in () if offer is None else offer:
            _check.choice("offer", name, names)
        self.fixed = {} if offer is None else {c.name: c.value for c in controls if c.name not in offer}
        controls = [control for control in controls if control.name not in self.fixed]
        self.kernel_only = kernel_only  # why a static page cannot do what this lab does, for a reader
        self.specs = {control.name: control for control in (*controls, *kernel_controls)}
        self.controls = {name: spec.widget() for name, spec in self.specs.items()}
        described = [spec.spec() for spec in controls]
        self.config = {**config, "hint": hint, "controls": described, "fixed": self.fixed}
        self.picture = Picture(_esm=self.source(), _css=self.style(), config=self.config, settings=self.read())
        self.latest = Latest(self._tell)
        row = ipywidgets.Box(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        super().__init__([ipywidgets.HTML(escape(hint)), row, self.picture])
        self.add_class("lrlab-kernel")  # where the picture's script finds the controls, and keeps their keys
        for control in self.controls.values():
            control.observe(self._moved, names="value")
        self.picture.observe(self._moved, names=["start", "asked"])

    def read(self) -> dict[str, Any]:
        """What the controls stand at, and what is not on offer."""
        return self.fixed | {name: spec.read(self.controls[name].value) for name, spec in self.specs.items()}

    def offered(self, name: str, choices: Mapping[Any, T]) -> dict[Any, T]:
        """Of ``choices`` for the setting ``name``, those that the reader can choose."""
        return {self.fixed[name]: choices[self.fixed[name]]} if name in self.fixed else dict(choices)

    def recompute(self) -> None:
        """Start whatever the present settings ask for."""
        raise NotImplementedError

    def page_config(self) -> dict[str, Any]:
        """What a static page is given besides ``config``: recorded runs and compiled programs."""
        raise NotImplementedError

    def page_state(self) -> dict[str, Any]:
        """What the lab's module reads in a static page.

        Raises:
            KernelOnly: a static page cannot do what this lab does beside a kernel.
        """
        if self.kernel_only is not None:
            raise KernelOnly(self.kernel_only)
        try:
            own = self.page_config()
        except UnsupportedOperation as error:
            raise KernelOnly(f"what it computes cannot be compiled for a page ({error})") from error
        return {
            "config": {**self.config, **own},
            "settings": self.read(),
            "start": self.picture.start,
            "backdrop": self.picture.backdrop,
        }

    def _tell(self, error: Exception) -> None:
        """What went wrong, said under the picture; the last result stays."""
        self.picture.result = {**self.picture.result, "problem": f"{type(error).__name__}: {error}"}

    def _moved(self, change: Any) -> None:
        self.picture.settings = self.read()
        self.recompute()
