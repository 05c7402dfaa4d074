"""Searches: one study, any number of workers; a worker that is killed loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
import pytest

from lrlib import tasks, training, tuning
from lrlib.updates import adamw

SPACE = {"x": (0.1, 10.0)}

WORKER = """
import sys, time
from pathlib import Path
from lrlib import tuning

storage, marks, hang = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "hang"

def objective(chosen, report):
    report(0, 10.0)
    done = len(list(marks.glob("done-*")))
    if hang and done == 3:
        (marks / "hanging").write_text(repr(chosen["x"]))
        time.sleep(600)
    while not hang and done >= 5 and not (marks / "killed").exists():
        time.sleep(0.01)
    (marks / f"done-{time.time_ns()}").touch()
    return abs(chosen["x"] - 2)

print(len(tuning.search(objective, {"x": (0.1, 10.0)}, trials=10, storage=storage, sampler="random").losses))
"""


def well(chosen: Any, report: Any) -> float:
    return (chosen["x"] - 2) ** 2


@pytest.mark.slow
@pytest.mark.parametrize("file", ["study.db", "journal.log"])
def test_a_worker_killed_amid_a_trial_loses_nothing(file: str, tmp_path: Path) -> None:
    storage, marks = str(tmp_path / file), tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-c", WORKER, storage, str(marks)]
    first = subprocess.Popen([*command, "hang"], stdout=subprocess.PIPE)
    while not (marks / "hanging").exists():
        assert first.poll() is None
        time.sleep(0.05)
    second = subprocess.Popen([*command, "go on"], stdout=subprocess.PIPE)  # joins while the first still lives
    while len(list(marks.glob("done-*"))) < 5:
        assert second.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (marks / "killed").touch()  # until then the second waited
    assert second.communicate()[0].strip() == b"10"
    found = tuning.search(well, SPACE, trials=10, storage=storage)  # the study is complete: nothing is made
    lost = float((marks / "hanging").read_text())
    assert [settings["x"] for settings in found.settings].count(lost) == 1
    assert len({settings["x"] for settings in found.settings}) == 10  # the two drew different settings
    assert found.outcomes == ("finished",) * 10


TOGETHER = """
import sys, time
from pathlib import Path
import optuna, sqlalchemy
from lrlib import tuning

Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    time.sleep(0.001)
print(len(tuning.search(lambda chosen, report: chosen["x"], {"x": (0.1, 1.0)}, trials=6, storage=sys.argv[1]).losses))
"""


@pytest.mark.slow
def test_workers_that_begin_at_the_same_moment_share_one_study(tmp_path: Path) -> None:
    go, ready = tmp_path / "go", [tmp_path / f"ready-{k}" for k in range(3)]
    command = [sys.executable, "-c", TOGETHER, str(tmp_path / "study.db")]
    workers = [subprocess.Popen([*command, str(mark), str(go)], stdout=subprocess.PIPE) for mark in ready]
    while not all(mark.exists() for mark in ready):
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.05)
    go.touch()
    counts = [int(worker.communicate()[0]) for worker in workers]
    assert all(6 <= count <= 8 for count in counts)


def test_the_same_call_finds_the_same_and_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = tuning.search(well, SPACE, trials=12, storage=None)
    storage = tmp_path / "study.db"
    assert len(tuning.search(well, SPACE, trials=5, storage=storage).losses) == 5
    resumed = tuning.search(well, SPACE, trials=12, storage=storage)
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    other = tuning.search(well, SPACE, trials=12, storage=None, seed=1)
    assert not np.array_equal(other.losses, whole.losses)


def test_a_grid_is_even_on_a_log_scale_and_made_whole() -> None:
    space = {"x": (0.1, 10.0), "rule": ["plain", "heavy"]}
    found = tuning.search(well, space, trials=6, storage=None, sampler="grid")
    points = sorted({settings["x"] for settings in found.settings})
    np.testing.assert_allclose(points, [0.1, 1.0, 10.0])
    assert len({tuple(settings.values()) for settings in found.settings}) == 6


def test_a_diverging_trial_is_stopped_and_told_and_is_never_the_best() -> None:
    made = []

    def objective(chosen: Any, report: Any) -> float:
        for step in range(5):
            made.append(step)
            report(step, 1.0 if chosen["x"] < 1 else 10.0 ** (2 * step))
        return float(chosen["x"])

    found = tuning.search(objective, SPACE, trials=8, storage=None, sampler="random", pruner="none")
    blown = np.array([settings["x"] >= 1 for settings in found.settings])
    assert 0 < blown.sum() < 8
    assert [outcome == "diverged" for outcome in found.outcomes] == blown.tolist()
    assert np.isinf(found.losses[blown]).all()
    assert set(found.steps[blown]) == {2}  # the first loss that is 1,000 times the first
    assert found.best["x"] == min(settings["x"] for settings in found.settings)
    assert (np.diff(found.best_so_far[np.isfinite(found.best_so_far)]) <= 0).all()


def test_hopeless_trials_are_stopped_early() -> None:
    def objective(chosen: Any, report: Any) -> float:
        for step in range(1, 10):
            report(step, chosen["x"])
        return float(chosen["x"])

    found = tuning.search(objective, SPACE, trials=20, storage=None, sampler="random", pruner="halving")
    assert found.outcomes.count("stopped early") > 5
    finished = [
        settings["x"] for settings, how in zip(found.settings, found.outcomes, strict=True) if how == "finished"
    ]
    assert found.best["x"] == min(finished)
    assert found.steps.sum() < 20 * 9 / 2


def test_a_task_is_trained_as_the_sweep_trains_it() -> None:
    task = tasks.digits_mlp(hidden=[8])
    objective = tuning.of_task(
        task, steps=40, seeds=[3, 4], rule=lambda chosen: adamw(weight_decay=chosen["weight_decay"])
    )
    told: list[tuple[int, float]] = []
    chosen = {"learning_rate": 0.01, "weight_decay": 0.1}
    loss = objective(chosen, lambda step, value: told.append((step, value)))
    swept = training.sweep(task, learning_rates=[0.01], seeds=[3, 4], rule=adamw(weight_decay=0.1), steps=40)
    assert loss == pytest.approx(swept.validation_loss[:, -1].mean(), rel=1e-5)
    assert [step for step, _ in told] == [*range(4, 41, 4)]


def test_an_error_of_the_objective_is_raised_and_the_study_stands(tmp_path: Path) -> None:
    calls = []

    def failing(chosen: Any, report: Any) -> float:
        calls.append(chosen["x"])
        if len(calls) == 3:
            raise RuntimeError("out of memory")
        return float(chosen["x"])

    with pytest.raises(RuntimeError, match="out of memory"):
        tuning.search(failing, SPACE, trials=5, storage=tmp_path / "study.db")
    assert len(tuning.search(failing, SPACE, trials=5, storage=tmp_path / "study.db").losses) == 5
    assert optuna.logging.get_verbosity() == optuna.logging.INFO  # as it was


def test_where_nothing_finishes_the_best_is_an_error_that_says_so() -> None:
    found = tuning.search(lambda chosen, report: float("nan"), SPACE, trials=3, storage=None)
    assert found.best_loss == np.inf
    with pytest.raises(ValueError, match=r"No trial has finished \(3 diverged\)"):
        _ = found.best


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_over_tasks_spreads_over_a_dask_cluster(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    objectives = {f"digits, {width}": tuning.of_task(tasks.digits_mlp(hidden=[width]), steps=10) for width in (4, 8)}
    space = {"learning_rate": (0.01, 1.0)}
    alone = tuning.search_each(objectives, space, trials=3, storage=None, sampler="random")
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        spread = tuning.search_each(objectives, space, trials=3, sampler="random", storage=tmp_path / "all.db")
    for name, found in alone.items():
        assert spread[name].settings == found.settings
        np.testing.assert_allclose(spread[name].losses, found.losses, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": 3}, "objective must be callable"),
        ({"space": {}}, "space must be a mapping"),
        ({"space": {"x": (1.0, 0.1)}}, r"space\['x'\]\[1\] must be a finite number > 1"),
        ({"space": {"x": (0.0, 0.1)}}, r"space\['x'\]\[0\] must be a finite number > 0"),
        ({"space": {"x": 0.1}}, r"space\['x'\] must be \(low, high\), a list of choices, or an Optuna distribution"),
        ({"trials": 0}, "trials must be an integer >= 1"),
        ({"sampler": "divine"}, "sampler must be one of 'tpe', 'random', 'grid'"),
        ({"pruner": "secateurs"}, "pruner must be one of 'none', 'median', 'halving'"),
        ({"storage": "/nowhere/at/all/study.db"}, "storage must be a file in a folder that exists"),
    ],
)
def test_bad_arguments_say_what_they_must_be(changes: Any, message: str) -> None:
    given: dict[str, Any] = {"objective": well, "space": SPACE, "trials": 2, "storage": None}
    objective, space, *_ = (given | changes).values()
    with pytest.raises((TypeError, ValueError), match=message):
        tuning.search(
            objective,
            space,
            **{name: value for name, value in (given | changes).items() if name not in ("objective", "space")},
        )
    with pytest.raises(ValueError, match="space must be one that holds a 'learning_rate'"):
        tuning.search(tuning.of_task(tasks.digits_mlp(hidden=[4]), steps=2), SPACE, trials=1, storage=None)
