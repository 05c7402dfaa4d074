"""Controls described once: ipywidgets' own beside a kernel, native inputs in a static page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ipywidgets

from lrlib import _check
from lrlib.widgets.hosting.rate_field import RateField


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A place on a slider that the theory names, such as 2/λ_max; ``_{...}`` in the label is a subscript."""

    value: float
    label: str


@dataclass(frozen=True, kw_only=True)
class LogSlider:
    """A positive number on a logarithmic slider, with a field to type it in.

    Args:
        name: the key in the lab's settings.
        label: what the reader sees.
        value: where it starts.
        minimum, maximum: its ends, 0 < minimum < maximum.
        per_decade: slider positions in each factor of ten. 73 is the fewest with which 1, 2 and 5 times powers of ten
            are positions, to three digits, where ``minimum`` is a power of ten.
    """

    name: str
    label: str
    value: float
    minimum: float
    maximum: float
    per_decade: int = 73

    def __post_init__(self) -> None:
        _check.real("minimum", self.minimum, above=0)
        _check.real("maximum", self.maximum, above=self.minimum)
        _check.real(self.name, self.value, at_least=self.minimum, at_most=self.maximum)
        _check.integer("per_decade", self.per_decade, at_least=1)

    def spec(self) -> dict[str, Any]:
        """The description that the static page reads."""
        return {"kind": "log", **asdict(self)}

    def widget(self) -> ipywidgets.Widget:
        """The control beside a kernel."""
        return RateField(
            label=self.label,
            value=self.value,
            minimum=self.minimum,
            maximum=self.maximum,
            per_decade=self.per_decade,
        )

    def read(self, value: Any) -> float:
        """A slider's value as the lab uses it: three significant digits, so that what is shown is what is used."""
        return float(f"{value:.3g}")


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A number on a linear slider, in steps; an integer if ``step`` and the ends are."""

    name: str
    label: str
    value: float
    minimum: float
    maximum: float
    step: float

    def __post_init__(self) -> None:
        _check.real("maximum", self.maximum, above=_check.real("minimum", self.minimum))
        _check.real(self.name, self.value, at_least=self.minimum, at_most=self.maximum)
        _check.real("step", self.step, above=0)

    @property
    def integer(self) -> bool:
        """Whether only integers can be set."""
        return all(float(x).is_integer() for x in (self.minimum, self.maximum, self.step))

    def spec(self) -> dict[str, Any]:
        """The description that the static page reads."""
        return {"kind": "linear", **asdict(self)}

    def widget(self) -> ipywidgets.Widget:
        """The control beside a kernel."""
        kind, convert = (ipywidgets.IntSlider, int) if self.integer else (ipywidgets.FloatSlider, float)
        return kind(
            value=convert(self.value),
            min=convert(self.minimum),
            max=convert(self.maximum),
            step=convert(self.step),
            description=self.label,
            style={"description_width": "initial"},
            layout={"width": "260px"},
        )

    def read(self, value: Any) -> float | int:
        """A slider's value as the lab uses it."""
        return int(value) if self.integer else round(float(value), 10)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of a few options, each a pair (value, label)."""

    name: str
    label: str
    value: Any
    options: Sequence[tuple[Any, str]]

    def __post_init__(self) -> None:
        if self.value not in [value for value, _ in self.options]:
            _check.fail(self.name, f"one of {[value for value, _ in self.options]}", self.value)

    def spec(self) -> dict[str, Any]:
        """The description that the static page reads."""
        return {"kind": "choice", **asdict(self)}

    def widget(self) -> ipywidgets.Widget:
        """The control beside a kernel."""
        return ipywidgets.Dropdown(
            options=[(label, value) for value, label in self.options],
            value=self.value,
            description=self.label,
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )

    def read(self, value: Any) -> Any:
        """The chosen value."""
        return value


@dataclass(frozen=True, kw_only=True)
class Toggle:
    """Yes or no, as a check box."""

    name: str
    label: str
    value: bool

    def __post_init__(self) -> None:
        _check.boolean("value", self.value)

    def spec(self) -> dict[str, Any]:
        """The description that the static page reads."""
        return {"kind": "toggle", **asdict(self)}

    def widget(self) -> ipywidgets.Widget:
        """The control beside a kernel."""
        return ipywidgets.Checkbox(value=self.value, description=self.label, indent=False, layout={"width": "auto"})

    def read(self, value: Any) -> bool:
        """Whether it is ticked."""
        return bool(value)


Control = LogSlider | Slider | Choice | Toggle
