"""Numbers that describe a training curve, whatever its length, its spacing and the unit of its loss.

Time is the share of the run that is over, 0 to 1. Changes of a loss are relative: to its size where all of it is above
0, else to how far it fell in all, so that multiplying a loss changes nothing. A feature that needs more than is there
is NaN, which passes no threshold.
"""

from typing import Any, NamedTuple

import numpy as np

from lrlib.curves import Curve

Array = np.ndarray[Any, np.dtype[np.float64]]
FEW = 4  # points below which a series has no shape
POINTS = 21  # what a course is thinned to


class Series(NamedTuple):
    """Finite values at times from 0 to 1."""

    time: Array
    values: Array


def training(curve: Curve) -> Series:
    """The training loss, its points that are finite."""
    return _series(curve.steps, curve.loss, curve)


def validation(curve: Curve) -> Series | None:
    """The validation loss, its points that are finite; None where there are fewer than four."""
    if curve.validation_loss is None or curve.validation_steps is None:
        return None
    found = _series(curve.validation_steps, curve.validation_loss, curve)
    return found if len(found.values) >= FEW else None


def judged(curve: Curve) -> Series:
    """What is to be low in the end, at 21 times at most, so that features do not depend on how often it was logged.

    The validation loss, its values nearest to evenly spaced times; or the training loss where there is no validation,
    as the means of stretches, since one minibatch says little.
    """
    held_out = validation(curve)
    return thinned(held_out) if held_out is not None else stretches(training(curve))


def thinned(series: Series) -> Series:
    """The values nearest to ``POINTS`` evenly spaced times; all where there are no more."""
    if len(series.values) <= POINTS:
        return series
    times = np.linspace(series.time[0], series.time[-1], POINTS)
    after = np.searchsorted(series.time, times).clip(1, len(series.time) - 1)
    nearer = np.abs(series.time[after - 1] - times) <= np.abs(series.time[after] - times)
    chosen = np.unique(after - nearer)
    return Series(series.time[chosen], series.values[chosen])


def stretches(series: Series) -> Series:
    """The first value and the means of ``POINTS - 1`` stretches of equal duration; all where there are no more."""
    if len(series.values) <= POINTS:
        return series
    place = np.minimum((series.time * (POINTS - 1)).astype(int), POINTS - 2)
    there = np.unique(place)
    means = [float(series.values[place == k].mean()) for k in there]
    times = [float(series.time[place == k].max()) for k in there]
    few = max(1, len(series.values) // 100)
    return Series(np.array([0.0, *times]), np.array([float(series.values[:few].mean()), *means]))


def _series(steps: Array, values: Array, curve: Curve) -> Series:
    both = [curve.steps] if curve.validation_steps is None else [curve.steps, curve.validation_steps]
    first, last = min(s[0] for s in both), max(s[-1] for s in both)
    keep = np.isfinite(values)
    return Series((steps[keep] - first) / (last - first if last > first else 1.0), values[keep])


def level(series: Series, start: float, end: float) -> float:
    """The median of the values at times from ``start`` to ``end``; of the nearest one where none is there."""
    if not len(series.values):
        return np.nan
    inside = (series.time >= start) & (series.time <= end)
    if not inside.any():
        inside = np.arange(len(series.time)) == np.abs(series.time - (start + end) / 2).argmin()
    return float(np.median(series.values[inside]))


def noise(series: Series, start: float = 0.0, end: float = 1.0) -> float:
    """The standard deviation of one value about the curve's course, in the loss's unit; NaN below four points.

    From second differences, which a straight course leaves at 0; robust, as 1.4826 times the median of their sizes.
    """
    values = series.values[(series.time >= start) & (series.time <= end)]
    if len(values) < FEW:
        return np.nan
    return float(1.4826 * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6))


def size(series: Series) -> float:
    """What changes at the end of a series are relative to: see this module's head."""
    if not len(series.values):
        return np.nan
    end = level(series, 0.9, 1)
    if series.values.min() > 0:
        return end
    return max(level(series, 0, 0.02), end) - float(series.values.min())


def fall(series: Series) -> float:
    """How much lower the last tenth is than the start, as a share of the start's size; below 0 where it is higher."""
    if len(series.values) < FEW:
        return np.nan
    first = level(series, 0, 0.02)
    whole = abs(first) if series.values.min() > 0 else float(np.ptp(series.values))
    return (first - level(series, 0.9, 1)) / whole if whole > 0 else 0.0


def slowness(series: Series) -> float:
    """The mean height over the end, as a share of the start's: ½ for a straight fall, near 0 for an early one.

    NaN where the end is not below the start.
    """
    first, last = level(series, 0, 0.02), level(series, 0.9, 1)
    if len(series.values) < FEW or not first > last:
        return np.nan
    heights = np.clip((series.values - last) / (first - last), -1, 2)
    span = series.time[-1] - series.time[0]
    return float(np.sum(np.diff(series.time) * (heights[1:] + heights[:-1]) / 2) / span) if span > 0 else np.nan


def late_fall(series: Series) -> float:
    """How far the loss still falls over the last quarter, relative: the fall of a line through all its points."""
    slope, _, span = _line(series, 0.75, 1)
    return -slope * span / size(series) if size(series) > 0 else np.nan


def late_fall_in_errors(series: Series) -> float:
    """:func:`late_fall` over its standard error."""
    slope, error, _ = _line(series, 0.75, 1)
    return -slope / error if error > 0 else np.nan


def _line(series: Series, start: float, end: float) -> tuple[float, float, float]:
    """Slope, its standard error, and the time spanned."""
    inside = (series.time >= start - 1e-9) & (series.time <= end)
    t, y = series.time[inside], series.values[inside]
    if len(t) < FEW:
        return np.nan, np.nan, np.nan
    centred = t - t.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    rest = y - y.mean() - slope * centred
    error = float(np.sqrt(rest @ rest / (len(t) - 2) / (centred @ centred)))
    return slope, error, float(t[-1] - t[0])


def smooth(series: Series) -> Series:
    """Medians of three neighbours: one value alone makes no minimum."""
    v = series.values
    if len(v) < 3:
        return series
    middle = np.median(np.stack([v[:-2], v[1:-1], v[2:]]), axis=0)
    return Series(series.time, np.concatenate([v[:1], middle, [np.median(v[-3:])]]))


def rebound(series: Series) -> float:
    """How much higher the last tenth is than the least of the smoothed course, as a natural logarithm.

    Where losses are not all above 0: as a share of the whole fall.
    """
    if len(series.values) < FEW:
        return np.nan
    least, end = float(smooth(series).values.min()), level(series, 0.9, 1)
    if series.values.min() > 0:
        return float(np.log(end / least))
    whole = level(series, 0, 0.02) - least
    return (end - least) / whole if whole > 0 else np.nan


def best_time(series: Series) -> float:
    """When the smoothed course was least, 0 to 1."""
    return float(series.time[smooth(series).values.argmin()])


def jitter(series: Series, start: float = 0.5) -> float:
    """The noise from ``start`` on, relative to the loss's size."""
    return noise(series, start, 1) / size(series) if size(series) > 0 else np.nan


def gap(curve: Curve) -> float:
    """Validation loss over training loss at the end, as a natural logarithm; NaN where either is not above 0."""
    held_out, seen = validation(curve), training(curve)
    if held_out is None or not len(seen.values):
        return np.nan
    a, b = level(held_out, 0.9, 1), level(seen, 0.9, 1)
    return float(np.log(a / b)) if a > 0 and b > 0 else np.nan


def spent(curve: Curve, share: float = 0.12) -> float:
    """The part of the run, 0 to 1, after the peak rate in which the rate is below ``share`` of it."""
    rates = _rates(curve)
    if rates is None:
        return np.nan
    values = rates.values
    low = (values < share * values.max()) & (np.arange(len(values)) > values.argmax())
    return float(low.mean())


def last_rate(curve: Curve) -> float:
    """The mean rate of the last fiftieth over the peak rate; NaN where none is known of it."""
    rates = _rates(curve)
    if rates is None:
        return np.nan
    last = rates.values[rates.time >= 0.98]
    return float(last.mean() / rates.values.max()) if len(last) else np.nan


def _rates(curve: Curve) -> Series | None:
    if curve.rates is None:
        return None
    found = _series(curve.steps, curve.rates, curve)
    return found if len(found.values) >= FEW and found.values.max() > 0 else None


def hot(curve: Curve, share: float = 0.12) -> Series:
    """The judged loss while the rate is at least ``share`` of its peak; all of it where rates are not known."""
    series, rates = judged(curve), _rates(curve)
    if rates is None:
        return series
    at = np.searchsorted(rates.time, series.time - 1e-9).clip(max=len(rates.time) - 1)
    keep = rates.values[at] >= share * rates.values.max()
    return Series(series.time[keep], series.values[keep]) if keep.sum() >= FEW else series


def share_up(series: Series) -> float:
    """Of all the way that the loss went up and down, the share that it went up: 0 for a steady fall, ½ where none."""
    moves = np.diff(series.values)
    way = float(np.abs(moves).sum())
    return float(moves[moves > 0].sum()) / way if way > 0 and len(moves) >= 2 else np.nan


def wobble(series: Series) -> float:
    """The noise of a value over the fall from the start to the least."""
    whole = level(series, 0, 0.02) - float(series.values.min()) if len(series.values) >= FEW else 0.0
    return noise(series) / whole if whole > 0 else np.nan


def growth(series: Series) -> float:
    """The last value over the first, as a natural logarithm; NaN where either is not above 0."""
    first, last = series.values[[0, -1]] if len(series.values) else (np.nan, np.nan)
    return float(np.log(last / first)) if first > 0 and last > 0 else np.nan


def late_jump(series: Series) -> tuple[float, float]:
    """How much of the fall so far was lost again after the first third, 0 to above 1, and when (0 to 1)."""
    if len(series.values) < FEW:
        return np.nan, np.nan
    least = np.minimum.accumulate(series.values)
    fell = series.values[0] - least
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(
            (fell > 0.3 * np.abs(series.values[0])) & (series.time > 1 / 3), (series.values - least) / fell, 0
        )
    return float(lost.max()), float(series.time[lost.argmax()])


def still_falling(series: Series) -> float:
    """How much the loss fell from the middle of a series to its end, relative to the end's size."""
    if len(series.values) < FEW:
        return np.nan
    start, span = series.time[0], series.time[-1] - series.time[0]
    middle, end = level(series, start + 0.45 * span, start + 0.6 * span), float(series.values[-2:].mean())
    whole = abs(end) if series.values.min() > 0 else float(np.ptp(series.values))
    return (middle - end) / whole if whole > 0 else np.nan
