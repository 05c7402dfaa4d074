"""One protocol for comparisons: each arm at its own best learning rate, chosen on some seeds, reported on others."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.evidence import intervals
from lrlib.evidence.intervals import Interval
from lrlib.evidence.measures import Measure, TaskOrMaker, checked_task, losses_of, measured, trained, words
from lrlib.evidence.search import as_grid, score, search
from lrlib.evidence.table import Table
from lrlib.training import Sweep

Name = Hashable  # a text, or a number such as a momentum


@dataclass(frozen=True)
class Arm:
    """What is compared with what; make it with :func:`arm`."""

    rates: np.ndarray
    tuned: bool
    choices: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]


def arm(
    rates: float | Sequence[float] | np.ndarray,
    *,
    choices: Sequence[Mapping[str, Any]] = ({},),
    tuned: bool = True,
    **settings: Any,
) -> Arm:
    """One arm of a comparison.

    Args:
        rates: a guess, around which seven rates in half-octaves are tried first; or a geometric grid to begin with.
        choices: further settings to choose among together with the rate, such as
            ``[{"rule": sgd(momentum=b)} for b in (0.5, 0.9)]``; each gets a grid of its own.
        tuned: ``False`` takes ``rates``, one number, as it is, and the comparison says so.
        settings: as for :func:`lrlib.training.sweep`, over those that all arms share: ``rule``, ``schedule``,
            ``batch_size``, ``steps``, …

    >>> arm(0.1).rates.round(3).tolist()
    [0.035, 0.05, 0.071, 0.1, 0.141, 0.2, 0.283]
    """
    if not _check.boolean("tuned", tuned):
        if tuple(choices) != ({},):
            _check.fail("choices", "left out where nothing is tuned", choices)
        return Arm(np.array([_check.real("rates", rates, above=0)]), False, ({},), settings)
    if not choices:
        _check.fail("choices", "one or more sets of settings", choices)
    return Arm(as_grid("rates", rates), True, tuple(choices), settings)


@dataclass(frozen=True)
class Tried:
    """An arm after the comparison.

    Attributes:
        name: the arm's name.
        rates: (n,) the grid of the choice that won, with what it was extended by.
        tuning: (n, tuning seeds) its losses there.
        rate: the learning rate that was chosen; with a schedule, its peak.
        choice: the settings of ``choices`` that won.
        confirmed: (confirmation seeds,) the measure on fresh seeds at that rate; infinite where a run diverged.
        sweeps: the confirmation runs themselves, one sweep, or one a seed where the task depends on the seed.
    """

    name: Name
    rates: np.ndarray
    tuning: np.ndarray
    rate: float
    choice: Mapping[str, Any]
    confirmed: np.ndarray
    sweeps: tuple[Sweep, ...] = field(repr=False)

    def values(self, measure: Measure) -> np.ndarray:
        """(confirmation seeds,) another measure of the same confirmation runs."""
        return np.concatenate([measured(part, measure)[0] for part in self.sweeps])


@dataclass(frozen=True, repr=False)
class Comparison(Mapping[Name, Tried]):
    """Arms at their own best rates, on seeds that had no part in the choice; ``result["linear"]`` is an arm.

    ``protocol`` says in words what was done.
    """

    arms: Mapping[Name, Tried]
    measure: Measure
    protocol: str

    def __getitem__(self, name: Name) -> Tried:
        if name not in self.arms:
            _check.fail("arm", "one of " + ", ".join(map(repr, self.arms)), name)
        return self.arms[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arms

    def __iter__(self) -> Any:
        return iter(self.arms)

    def __len__(self) -> int:
        return len(self.arms)

    def ratio(self, a: Name, b: Name, *, measure: Measure | None = None) -> Interval:
        """How many times as large arm ``a``'s measure is as arm ``b``'s, seed by seed; below 1, ``a`` is better.

        If a confirmation run diverged, nothing is known of the ratio: the interval has no end, and decides nothing.
        """
        (first, second), of = self._pair(a, b, measure)
        if np.isfinite([first, second]).all():
            return intervals.ratio(first, second, of=of)
        ruined = not np.isfinite(first).all(), not np.isfinite(second).all()
        middle = {(True, False): np.inf, (False, True): 0.0, (True, True): np.nan}[ruined]
        return Interval(middle, 0.0, np.inf, len(first), "ratio", of)

    def difference(self, a: Name, b: Name, *, measure: Measure | None = None) -> Interval:
        """Arm ``a``'s measure less arm ``b``'s, seed by seed; for errors, which may be zero."""
        (first, second), of = self._pair(a, b, measure)
        if np.isfinite([first, second]).all():
            return intervals.difference(first, second, of=of)
        return Interval(np.nan, -np.inf, np.inf, len(first), "difference", of)

    def value(self, name: Name, *, measure: Measure | None = None) -> Interval:
        """An arm's own measure: the geometric mean of a loss, the mean of an error."""
        (values, _), of = self._pair(name, name, measure)
        if not np.isfinite(values).all():
            return Interval(np.inf, 0.0, np.inf, len(values), "geometric", of)
        make = intervals.geometric if values.min() > 0 and "error" not in of else intervals.interval
        return make(values, of=of)

    def table(self, reference: Name | None = None) -> Table:
        """A row an arm: the rate chosen, the measure, and its ratio to the arm ``reference`` (the first, if None)."""
        base = next(iter(self.arms)) if reference is None else self[reference].name
        of = words(self.measure)
        rows = [["arm", "rate", f"{of} [95 % interval]", f"ratio to {base}"]]
        for name, tried in self.arms.items():
            against = "1" if name == base else f"{self._against(name, base):.2f}"
            rows.append([str(name), f"{tried.rate:.3g}", f"{self.value(name):.3g}", against])
        return Table(rows, note=self.protocol)

    def _against(self, name: Name, base: Name) -> Interval:
        positive = min(self[name].confirmed.min(), self[base].confirmed.min()) > 0
        return self.ratio(name, base) if positive else self.difference(name, base)

    def _pair(self, a: Name, b: Name, measure: Measure | None) -> tuple[list[np.ndarray], str]:
        if measure is None:
            return [self[a].confirmed, self[b].confirmed], words(self.measure)
        return [self[a].values(measure), self[b].values(measure)], words(measure)

    def __repr__(self) -> str:
        arms = ", ".join(f"{name} at {tried.rate:.3g}" for name, tried in self.arms.items())
        return f"Comparison({arms}; {words(self.measure)} on {len(next(iter(self.values())).confirmed)} seeds)"


def compare(
    task: TaskOrMaker,
    arms: Mapping[Name, Arm],
    *,
    tuning_seeds: Sequence[int] = range(5),
    confirmation_seeds: Sequence[int] = range(100, 112),
    measure: Measure = "validation_loss",
    choose_by: Measure | None = None,
    **settings: Any,
) -> Comparison:
    """Compare arms, each at its own best learning rate.

    1. Every arm is trained on its own geometric grid with ``tuning_seeds``; the grid is extended until its best rate
       lies inside.
    2. The rate with the least geometric mean of ``choose_by`` is chosen; a run that diverged counts as infinite, so a
       rate that ruins one seed is not.
    3. Every arm is trained at that rate alone with ``confirmation_seeds``, which had no part in the choice; only these
       numbers are reported, paired seed by seed.

    Args:
        task: a task; or a function ``seed -> Task`` that draws the split or the labels anew for each seed, so that the
            intervals cover them, too.
        arms: what :func:`arm` makes, by name.
        tuning_seeds, confirmation_seeds: disjoint; two confirmation seeds or more.
        measure: ``"validation_loss"``, ``"train_loss"``, ``"minibatch_loss"`` (the mean over the last sixth of the
            updates), ``"validation_error"``, ``"train_error"``, or a function of a
            sweep that returns one value a run, lower being better.
        choose_by: the positive measure that the rate is chosen by, if it is not ``measure``.
        settings: as for :func:`lrlib.training.sweep`; an arm's own come first.

    Raises:
        ValueError: for seeds that overlap, for an arm all of whose runs diverge or whose best rate no grid encloses.

    >>> from lrlib.tasks import noisy_quadratic
    >>> from lrlib.updates import sgd
    >>> bowl = noisy_quadratic([1.0, 10.0], noise=0.1)
    >>> arms = {"plain": arm(0.1), "momentum": arm(0.05, rule=sgd(momentum=0.5))}
    >>> result = compare(bowl, arms, tuning_seeds=[0, 1], confirmation_seeds=[2, 3, 4], steps=20, batch_size=64)
    >>> result
    Comparison(plain at 0.141, momentum at 0.1; validation loss on 3 seeds)
    """
    task = checked_task(task)
    tuning, fresh = (_check.integers(name, value, at_least=0) for name, value in
                     (("tuning_seeds", tuning_seeds), ("confirmation_seeds", confirmation_seeds)))  # fmt: skip
    if set(tuning) & set(fresh) or len(set(fresh)) < max(len(fresh), 2):
        need = "two or more, distinct, and none of the tuning seeds"
        _check.fail("confirmation_seeds", need, f"{list(fresh)} beside {list(tuning)}")
    if not arms or not all(isinstance(one, Arm) for one in arms.values()):
        _check.fail("arms", "one or more made by arm(), by name", arms, error=TypeError)
    by = measure if choose_by is None else choose_by
    tried = {name: _try(name, one, task, tuning, fresh, measure, by, settings) for name, one in arms.items()}
    return Comparison(tried, measure, _protocol(task, arms, tried, tuning, fresh, measure, by, settings))


def _try(
    name: Name,
    one: Arm,
    task: TaskOrMaker,
    tuning: Sequence[int],
    fresh: Sequence[int],
    measure: Measure,
    by: Measure,
    shared: dict[str, Any],
) -> Tried:
    grid, losses, choice = one.rates, np.empty((1, 0)), one.choices[0]
    if one.tuned:
        least = np.inf
        for option in one.choices:
            settings = {**shared, **one.settings, **option}
            title = f"arm {name!r}" + (f" with {dict(option)}" if option else "")
            rates, values = search(losses_of(task, tuning, by, settings), one.rates, name=title)
            if score(values).min() < least:
                least, grid, losses, choice = score(values).min(), rates, values, option
    rate = float(grid[score(losses).argmin()]) if one.tuned else float(grid[0])
    runs = trained(task, np.array([rate]), fresh, {**shared, **one.settings, **choice})
    confirmed = np.concatenate([measured(part, measure)[0] for part in runs])
    return Tried(name, grid, losses, rate, choice, confirmed, runs)


def _protocol(
    task: TaskOrMaker,
    arms: Mapping[Name, Arm],
    tried: Mapping[Name, Tried],
    tuning: Sequence[int],
    fresh: Sequence[int],
    measure: Measure,
    by: Measure,
    shared: dict[str, Any],
) -> str:
    drawn = "; split and labels drawn by the seed, too" if callable(task) else ""
    text = ""
    if any(one.tuned for one in arms.values()):
        text = (
            f"Each rate was chosen on seeds {_span(tuning)} by the least geometric mean of the {words(by)} (a diverged "
            "run counts as infinite), on a geometric grid of its own that was extended until the best rate lay inside. "
        )
    text += f"The numbers are the {words(measure)} on seeds {_span(fresh)}, at one rate an arm{drawn}."
    for name, arm_ in tried.items():
        settings = {**shared, **arms[name].settings, **arm_.choice}
        if not arms[name].tuned:
            how = f"rate fixed at {arm_.rate:.3g}, not tuned"
        else:
            how = f"{len(arm_.rates)} rates from {arm_.rates[0]:.3g} to {arm_.rates[-1]:.3g}, chosen {arm_.rate:.3g}"
            if len(arms[name].choices) > 1:
                how += f", the best of {len(arms[name].choices)} settings: {dict(arm_.choice)}"
        batch = settings.get("batch_size", 64)
        size = "all examples" if batch is None else f"{batch} examples"
        lost = int(np.isinf(arm_.confirmed).sum())
        text += f" {name}: {how}; {settings.get('steps')} steps of {size}"
        text += f"; {lost} of {len(fresh)} confirmation runs diverged." if lost else "."
    return text


def _span(seeds: Sequence[int]) -> str:
    run = list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 2 and list(seeds) == run else ", ".join(map(str, seeds))
