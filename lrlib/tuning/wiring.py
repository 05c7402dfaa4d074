"""What the words of a search stand for in Optuna: spaces, storages, samplers, pruners."""

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrlib import _check

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("none", "median", "halving")
HEARTBEAT = 15  # s between two signs of life of a worker
LOST_AFTER = 60  # s without one, after which its trial is made again
TOGETHER = 8  # tries to open a new database that other workers are making at the same moment


def distributions_of(space: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's distributions, by name."""
    if not isinstance(space, Mapping) or not space:
        _check.fail("space", "a mapping from names to ranges, lists or distributions", space, error=TypeError)
    return {name: _distribution(name, value) for name, value in space.items()}


def _distribution(name: str, value: Any) -> Any:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    if isinstance(value, BaseDistribution):
        return value
    if isinstance(value, list) and value:
        return CategoricalDistribution(value)
    if not isinstance(value, tuple) or len(value) != 2:
        _check.fail(f"space[{name!r}]", "(low, high), a list of choices, or an Optuna distribution", value)
    low = _check.real(f"space[{name!r}][0]", value[0], above=0)
    return FloatDistribution(low, _check.real(f"space[{name!r}][1]", value[1], above=low), log=True)


def storage_of(given: str | Path | None) -> Any:
    """A database, a journal, or ``None`` for this process's memory."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import IntegrityError, OperationalError

    if given is None:
        return None
    text = str(given)
    if "://" not in text:
        folder = Path(text).resolve().parent
        if not folder.is_dir():
            _check.fail("storage", "a file in a folder that exists", text)
        if text.endswith(".log"):
            return JournalStorage(JournalFileBackend(text))
        text = f"sqlite:///{Path(text).resolve().as_posix()}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat is one of Optuna's experiments
        again = RetryHeartbeatStaleTrialCallback()
        signs: dict[str, Any] = {"heartbeat_interval": HEARTBEAT, "grace_period": LOST_AFTER}
        for attempt in range(TOGETHER):
            try:
                return RDBStorage(text, **signs, heartbeat_stale_trial_callback=again)
            except (IntegrityError, OperationalError) as error:  # another worker is making the same tables
                if attempt == TOGETHER - 1 or not any(sign in str(error) for sign in ("already exists", "UNIQUE")):
                    raise
                time.sleep(0.1 * (attempt + 1))
    raise AssertionError("unreachable")


def sampler_of(given: Any, distributions: Mapping[str, Any], *, trials: int, seed: int) -> Any:
    """One of Optuna's samplers."""
    from optuna import samplers

    if isinstance(given, samplers.BaseSampler):
        return given
    name = _check.choice("sampler", given, SAMPLERS)
    if name == "grid":
        return samplers.GridSampler(_grid(distributions, trials), seed=seed)
    return samplers.TPESampler(seed=seed, multivariate=False) if name == "tpe" else samplers.RandomSampler(seed=seed)


def _grid(distributions: Mapping[str, Any], trials: int) -> dict[str, Sequence[Any]]:
    """At least so many points, as many on each axis that is a range."""
    from optuna.distributions import CategoricalDistribution

    lists = {n: list(d.choices) for n, d in distributions.items() if isinstance(d, CategoricalDistribution)}
    ranges = {n: d for n, d in distributions.items() if n not in lists}
    left = trials / np.prod([len(choices) for choices in lists.values()] or [1])
    points = max(1, int(np.ceil(left ** (1 / max(1, len(ranges))) - 1e-9)))
    for name, d in ranges.items():
        lists[name] = (np.geomspace if getattr(d, "log", False) else np.linspace)(d.low, d.high, points).tolist()
    return {name: lists[name] for name in distributions}


def pruner_of(given: Any) -> Any:
    """One of Optuna's pruners."""
    from optuna import pruners

    if isinstance(given, pruners.BasePruner):
        return given
    made = {
        "none": pruners.NopPruner,
        "median": pruners.MedianPruner,
        "halving": pruners.SuccessiveHalvingPruner,
    }
    return made[_check.choice("pruner", given, PRUNERS)]()
