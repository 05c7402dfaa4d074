"""A learning rate beside a kernel: a logarithmic slider, and a field that shows its value and takes a typed one.

ipywidgets' own read-out shows a rate of 1e-6 as a row of zeros and takes a bad entry back without a word.
``controls.js`` says the same in a static page.
"""

import html
import math

import ipywidgets
import traitlets


class RateField(ipywidgets.VBox):
    """A slider whose ``value`` is a rate from ``minimum`` to ``maximum``, and a field to type it in."""

    value = traitlets.Float()

    def __init__(self, *, label: str, value: float, minimum: float, maximum: float, per_decade: int) -> None:
        self._ends = minimum, maximum
        self.slider = ipywidgets.FloatLogSlider(
            value=value,
            base=10,
            min=math.log10(minimum),
            max=math.log10(maximum),
            step=1 / per_decade,
            description=label,
            readout=False,
            style={"description_width": "initial"},
            layout={"width": "310px"},
        )
        self.field = ipywidgets.Text(
            value=typed_rate(value), continuous_update=False, tooltip=f"{label}, typed", layout={"width": "84px"}
        )
        self.problem = ipywidgets.HTML()
        super().__init__([ipywidgets.HBox([self.slider, self.field]), self.problem], value=value)
        self.add_class("lrlab-rate")
        self.problem.add_class("lrlab-problem")
        traitlets.link((self.slider, "value"), (self, "value"))
        self.observe(self._show, names="value")
        self.field.observe(self._typed, names="value")

    def _show(self, change: object) -> None:
        self.field.value = typed_rate(self.value)
        self.problem.value = ""

    def _typed(self, change: object) -> None:
        if self.field.value == typed_rate(self.value):
            self.problem.value = ""
            return
        try:
            self.value = parse_rate(self.field.value, *self._ends)
        except ValueError as error:
            self.problem.value = f'<span role="alert">{html.escape(str(error))}</span>'
        else:
            self._show(change)


def typed_rate(value: float) -> str:
    """A rate to three digits as it would be typed, with an exponent where zeros would have to be counted.

    >>> [typed_rate(rate) for rate in (0.05, 1.0, 0.00025, 1e-6)]
    ['0.05', '1', '2.5e-4', '1e-6']
    """
    short = float(f"{value:.3g}")
    if 1e-3 <= short < 1e5:
        return f"{short:g}"
    mantissa, exponent = f"{short:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def parse_rate(text: str, minimum: float, maximum: float) -> float:
    """The rate that was typed.

    Raises:
        ValueError: for what is no rate from ``minimum`` to ``maximum``, in words for a reader.

    >>> parse_rate("5e-2", 0.001, 10)
    0.05
    """
    typed = text.strip().replace("−", "-").replace(",", ".")
    if not typed:
        raise ValueError(f"The field is empty: type a rate, such as {math.sqrt(minimum * maximum):.1g}.")
    try:
        value = float(typed)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ValueError(f"“{text.strip()}” is not a number: type a rate such as 0.05 or 5e-2.")
    if value == 0:
        raise ValueError("A rate of 0 would never move: it must be above 0.")
    if value < 0:
        raise ValueError(f"A rate of {typed.replace('-', '−')} would climb the loss: it must be above 0.")
    if not minimum <= value <= maximum:
        raise ValueError(f"This lab takes rates from {typed_rate(minimum)} to {typed_rate(maximum)}.")
    return value
