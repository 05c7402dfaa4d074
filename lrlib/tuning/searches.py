"""One study over settings, and one study for each of several objectives."""

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrlib import _check
from lrlib.curves import first_divergence
from lrlib.curves.divergence import THRESHOLD
from lrlib.tuning.found import Found
from lrlib.tuning.objectives import Objective
from lrlib.tuning.wiring import distributions_of, pruner_of, sampler_of, storage_of

if TYPE_CHECKING:
    import optuna

Space = Mapping[str, Any]


def search(
    objective: Objective,
    space: Space,
    *,
    trials: int,
    storage: str | Path | None = "study.db",
    name: str = "learning rate",
    sampler: "str | optuna.samplers.BaseSampler" = "tpe",
    pruner: "str | optuna.pruners.BasePruner" = "median",
    seed: int = 0,
    progress: bool = False,
) -> Found:
    """Look for the settings with the least loss until the study has so many trials.

    Run the same call in several processes, or on several machines that see the storage, and they share the work. A
    worker that is killed loses nothing: its trial is made again by whoever comes next. An error in ``objective`` is
    raised; the study stands and can be gone on with.

    Args:
        objective: ``objective(settings, report) -> loss``; it may call ``report(step, loss)`` on its way, which ends
            the trial once its loss is not finite or 1,000 times the size of the first that it reported, and once the
            ``pruner`` finds it hopeless. See :func:`of_task`.
        space: by name: ``(low, high)``, above 0, is searched on a log scale; a list is a choice among its members; any
            distribution of ``optuna.distributions`` is taken as it is.
        trials: how many finished, stopped or diverged trials the study shall have in all; with several workers there
            may be one more for each.
        storage: a file for SQLite (the default, in the working directory), one that ends in ``.log`` for a journal,
            which also network drives bear, any database that SQLAlchemy knows, as an address
            (``"postgresql://…"``), or ``None`` for this process's memory.
        name: of the study within the storage.
        sampler: ``"tpe"``, ``"random"``, ``"grid"`` (``trials`` points, evenly on each axis) or one of Optuna's own.
        pruner: ``"median"``, ``"halving"``, ``"none"`` or one of Optuna's own.
        seed: of the sampler, together with the trial's number. With one worker the same call finds the same.
        progress: show a progress bar.

    Raises:
        ImportError: without Optuna: ``pip install "lrlib[tuning]"``.
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> found = search(lambda chosen, report: (chosen["x"] - 2) ** 2, {"x": (0.1, 10.0)}, trials=30, storage=None)
    >>> found
    Found(30 trials: 30 finished, 0 stopped early, 0 diverged; least loss ...)
    >>> bool(abs(found.best["x"] - 2) < 0.3)
    True
    """
    import optuna

    _check.function("objective", objective)
    wanted = _check.integer("trials", trials, at_least=1)
    seed = _check.integer("seed", seed, at_least=0, at_most=2**31 - 1)
    distributions = distributions_of(space)

    def one(trial: optuna.Trial) -> float:
        if isinstance(sampler, str) and sampler != "grid":  # each trial draws with a seed of its own, whoever makes it
            own = int(np.random.SeedSequence([seed, trial.number]).generate_state(1)[0])
            trial.study.sampler = sampler_of(sampler, distributions, trials=wanted, seed=own)
        return _run(trial, objective, distributions)

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line a trial is too much
    try:
        study = optuna.create_study(
            storage=storage_of(storage),
            study_name=name,
            load_if_exists=True,
            pruner=pruner_of(pruner),
            direction="minimize",
        )
        study.sampler = sampler_of(sampler, distributions, trials=wanted, seed=seed)
        with _bar(wanted, shown=progress) as bar:
            while (done := len(_counted(study))) < wanted:
                bar.update(done - bar.n)
                _make_lost_again(study)
                study.optimize(one, n_trials=1)
            bar.update(min(wanted, done) - bar.n)
        return _found(study)
    finally:
        optuna.logging.set_verbosity(level)


def search_each(
    objectives: Mapping[str, Objective], space: Space, *, jobs: int | None = None, **options: Any
) -> dict[str, Found]:
    """A study for each of several objectives, side by side through ``joblib``.

    ``joblib.parallel_config(backend="dask")`` around the call spreads it over a Dask cluster, and Ray's backend over
    Ray; then ``storage`` must be one that all machines see.

    Args:
        objectives: by name, which is the study's name, too.
        space: as for :func:`search`.
        jobs: how many at once; what ``joblib.parallel_config`` says if not given.
        options: as for :func:`search`, all but ``name``.

    >>> wells = {f"at {x}": lambda chosen, report, x=x: abs(chosen["x"] - x) for x in (1, 3)}
    >>> found = search_each(wells, {"x": (0.1, 10.0)}, trials=20, storage=None)
    >>> {name: round(each.best["x"]) for name, each in found.items()}
    {'at 1': 1, 'at 3': 3}
    """
    import joblib

    if not isinstance(objectives, Mapping) or not objectives:
        _check.fail("objectives", "a mapping from names to objectives", objectives, error=TypeError)
    calls = [joblib.delayed(search)(each, space, name=name, **options) for name, each in objectives.items()]
    return dict(zip(objectives, joblib.Parallel(n_jobs=jobs)(calls), strict=True))


def _run(trial: "optuna.Trial", objective: Objective, distributions: Mapping[str, Any]) -> float:
    """One trial: the loss, or an exception of Optuna's if it was not gone through with."""
    import optuna

    trial.set_user_attr("worker", [socket.gethostname(), os.getpid()])
    chosen = {name: _suggested(trial, name, distribution) for name, distribution in distributions.items()}
    told: list[float] = []

    def report(step: int, loss: float) -> None:
        told.append(float(loss))
        trial.set_user_attr("step", int(step))
        if first_divergence(np.array(told), THRESHOLD) >= 0:
            trial.set_user_attr("diverged", True)
            raise optuna.TrialPruned
        trial.report(float(loss), int(step))
        if trial.should_prune():
            raise optuna.TrialPruned

    loss = float(objective(chosen, report))
    if not np.isfinite(loss):
        trial.set_user_attr("diverged", True)
        raise optuna.TrialPruned
    return loss


def _suggested(trial: "optuna.Trial", name: str, among: Any) -> Any:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(among, CategoricalDistribution):
        return trial.suggest_categorical(name, among.choices)
    suggest = trial.suggest_int if isinstance(among, IntDistribution) else trial.suggest_float
    return suggest(name, among.low, among.high, step=among.step, log=among.log)


def _counted(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _found(study: "optuna.Study") -> Found:
    trials = _counted(study)
    diverged = [bool(trial.user_attrs.get("diverged")) for trial in trials]
    stopped = [trial.state.name == "PRUNED" for trial in trials]
    kinds = ["diverged" if d else "stopped early" if s else "finished" for d, s in zip(diverged, stopped, strict=True)]
    losses = [np.inf if d or t.value is None else t.value for d, t in zip(diverged, trials, strict=True)]
    steps = [t.user_attrs.get("step", 0) for t in trials]
    return Found(tuple(dict(t.params) for t in trials), np.array(losses), tuple(kinds), np.array(steps, np.int64))


def _make_lost_again(study: "optuna.Study") -> None:
    """Queue the trials of workers on this machine that are no more; Optuna's heartbeat tells of other machines'."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process = trial.user_attrs.get("worker", (None, None))
        if host == socket.gethostname() and process != os.getpid() and not _alive(process):
            with contextlib.suppress(UpdateFinishedTrialError):  # another worker was first
                study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                study.enqueue_trial(trial.params, user_attrs={"instead of": trial.number})


def _alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question itself would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _bar(total: int, *, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, disable=not shown, unit="trial")
