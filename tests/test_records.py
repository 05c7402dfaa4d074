"""What a run and a sweep tell: divergence, the best rate, files; without training where that is not needed."""

import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import lrlib
from lrlib import schedules, tasks, training, updates
from lrlib.curves import first_divergence
from lrlib.training import EdgeOfGrid, Sweep, UnfinishedSchedule, range_below

ROOT = Path(__file__).parents[1]
TASK = tasks.digits_mlp(hidden=(16, 16))
RATES = np.array([0.01, 0.1, 1.0])


def made(finals, *, loss=None, rates=RATES, metrics=None, steps=3, evaluated=True):
    """A sweep (rates, seeds) that never was."""
    finals = np.asarray(finals, dtype=float)
    runs = finals.size
    last = finals.T.reshape(runs, 1)[:, : int(evaluated)]
    return Sweep(
        rates_used=np.ones((runs, steps)),
        loss=np.ones((runs, steps)) if loss is None else loss,
        grad_norm=np.ones((runs, steps)),
        update_ratio=np.empty((runs, steps, 0)),
        eval_steps=np.array([steps])[: int(evaluated)],
        train_loss=last,
        validation_loss=2 * last,
        train_metrics={},
        validation_metrics={name: np.asarray(m, float).T.reshape(runs, 1) for name, m in (metrics or {}).items()},
        planned_steps=steps,
        divergence_threshold=1e3,
        tensor_names=("w",),
        provenance={"task": "none"},
        parameters={"w": torch.zeros(runs, 2)},
        learning_rates=np.tile(rates, finals.shape[1]),
        seeds=np.repeat(np.arange(finals.shape[1]), len(rates)),
    )


DIVERGENCE = [
    ([1.0, 2.0, 999.0], -1),
    ([1.0, 1001.0, 1.0], 1),
    ([1e-8, 1e-6, 1.1e-5], 2),  # targets × 1e-4
    ([1e8, 1e10, 1e12], 2),
    ([-2.0, 1.0, 1999.0, 2001.0], 3),
    ([-2.0, -1e30, 1.0], -1),  # falling is no divergence
    ([-2.0, -np.inf], 1),
    ([0.0, 1e-10], -1),
    ([0.0, 1.0], 1),
    ([np.nan, 1.0], 0),
    ([1.0, np.inf], 1),
]


@pytest.mark.parametrize(("losses", "step"), DIVERGENCE)
def test_divergence_is_relative_to_the_first_loss(losses, step):
    losses = np.array(losses)
    assert first_divergence(losses, 1e3) == step
    assert first_divergence(np.stack([losses, np.ones_like(losses)]), 1e3).tolist() == [step, -1]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node; the browser tests compare a page's runs, too")
def test_the_page_says_the_same_of_divergence():
    code = (ROOT / "lrlib/widgets/trainer/wasm_runner.js").read_text(encoding="utf-8")
    twin = re.search(r"function divergedAt\(losses, threshold\) \{.*?\n\}\n", code, re.DOTALL)[0]
    losses = json.dumps([losses for losses, _ in DIVERGENCE])
    script = f"{twin} console.log(JSON.stringify({losses}.map((losses) => divergedAt(losses, 1e3))))"
    told = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == [step for _, step in DIVERGENCE]


def test_a_run_on_small_targets_diverges_like_one_on_large():
    x = torch.linspace(-3, 3, 64).reshape(-1, 1)
    status = []
    for scale in (1e-4, 1.0, 1e4):

        def loss(out, y, scale=scale):  # the same descent in other units
            return ((scale * out - y) ** 2).mean()

        task = tasks.Task("line", lambda: torch.nn.Linear(1, 1), (x, scale * x), (x, scale * x), loss)
        run = training.train(task, learning_rate=1.0 / scale**2, steps=8, batch_size=None, dtype=torch.float64)
        status.append(run.status)
    assert status[0] == status[1] == status[2]
    assert status[0].startswith("diverged at step")


def test_the_last_update_counts():
    run = training.train(TASK, learning_rate=1e30, steps=1, dtype=torch.float64)
    assert run.status == "diverged at step 1"
    assert run.diverged_at == run.steps == 1
    few = training.sweep(TASK, learning_rates=[0.01, 1e3], steps=1)
    assert few.diverged.tolist() == [False, True]
    assert few.diverged_at.tolist() == [-1, 1]
    stack = training.start(TASK, learning_rates=[1e30], steps=2, dtype=torch.float64)
    stack.advance(1)
    assert stack.records()[0].status == "stopped after 1 of 2 steps"  # not evaluated yet, so nobody knows
    stack.advance(0)
    assert training.start(TASK, learning_rates=[0.1], steps=2).records().diverged_at.tolist() == [-1]


def test_a_run_and_its_sweep_say_the_same():
    result = training.sweep(TASK, learning_rates=[0.1, 1e6], seeds=[0, 1], steps=4, eval_every=2)
    for k, run in enumerate(result):
        assert result.diverged_at[k] == (-1 if run.diverged_at is None else run.diverged_at)
        assert result.diverged[k] == run.status.startswith("diverged")
    np.testing.assert_array_equal(result.diverged_share, [0.0, 1.0])


def test_diverged_runs_are_infinite_though_their_losses_are_not():
    loss = np.ones((6, 3))
    loss[2, 1] = 1e4  # rate 1.0, seed 0
    sweep = made([[3, 3], [2, 2], [0.1, 0.1]], loss=loss, metrics={"accuracy": [[0.5] * 2, [0.6] * 2, [0.9] * 2]})
    np.testing.assert_array_equal(sweep.final("train_loss"), [[3, 3], [2, 2], [np.inf, 0.1]])
    np.testing.assert_array_equal(sweep.final("validation_loss"), [[6, 6], [4, 4], [np.inf, 0.2]])
    np.testing.assert_allclose(sweep.final("validation_error"), [[0.5, 0.5], [0.4, 0.4], [np.inf, 0.1]])
    np.testing.assert_array_equal(sweep.final("validation_accuracy"), [[0.5, 0.5], [0.6, 0.6], [np.nan, 0.9]])
    assert sweep.best_rate("train_loss") == sweep.best_rate("validation_error") == 0.1
    np.testing.assert_allclose(sweep.regret("train_loss"), [1.5, 1, np.inf])
    np.testing.assert_array_equal(sweep.tail(2), [[1, 1], [1, 1], [np.inf, 1]])


def test_a_recorded_metric_is_a_measure():
    result = training.sweep(TASK, learning_rates=[0.1, 0.2], seeds=[0, 1], steps=10)
    accuracy = result.final("validation_accuracy")
    np.testing.assert_array_equal(accuracy, result.by_rate(result.validation_metrics["accuracy"][:, -1]))
    np.testing.assert_allclose(result.final("validation_error"), 1 - accuracy)
    with pytest.raises(ValueError, match=r"measure must be one of 'train_loss', 'validation_loss', .* but got 'loss'"):
        result.final("loss")
    with pytest.raises(ValueError, match="measure must be a loss or an error, of which less is better, but got"):
        result.best_rate("validation_accuracy")
    with pytest.raises(TypeError):
        result.final()


def test_a_rate_that_ruins_one_seed_in_seven_is_not_the_best():
    good, risky = np.full(7, 0.5), np.array([0.1] * 6 + [np.nan])
    assert made([np.ones(7), good, risky, np.ones(7)], rates=np.array([1.0, 2, 3, 4])).best_rate("train_loss") == 2
    some = made([[1.0, 4.0], [1.9, 1.9], [9.0, 9.0]])  # geometric means 2, 1.9, 9
    np.testing.assert_allclose(some.typical("train_loss"), [2.0, 1.9, 9.0])
    negative = made([[-1.0, -2.0], [-3.0, 2.0], [np.inf, -9.0]])
    np.testing.assert_allclose(negative.typical("train_loss"), [-1.5, -0.5, np.inf])
    with pytest.raises(ValueError, match="measure must be one whose best value is finite and above 0"):
        negative.regret("train_loss")


def test_there_is_no_best_rate_where_every_rate_diverged():
    result = training.sweep(TASK, learning_rates=[1e4, 1e6], seeds=[0, 1], steps=20)
    with pytest.raises(ValueError, match="sweep must be one with a rate at which every seed finished; lower rates"):
        result.best_rate("train_loss")
    with pytest.raises(ValueError, match="sweep must be one with a rate at which every seed finished"):
        result.at_own_best("train_loss")


@pytest.mark.parametrize(("order", "end"), [([0, 1, 2], "highest"), ([2, 1, 0], "lowest")])
def test_a_best_rate_at_the_edge_of_the_grid_is_said(order, end):
    finals = np.array([[3.0], [2.0], [1.0]])[order]
    for rates in (RATES, RATES[[1, 0, 2]]):
        inner = np.argsort(np.argsort(rates))
        sweep = made(finals[inner], rates=rates)
        with pytest.warns(EdgeOfGrid, match=f"is the {end} of 3: a better one may lie beyond this end") as caught:
            best = sweep.best_rate("train_loss")
        assert best == {"highest": 1.0, "lowest": 0.01}[end]
        assert caught[0].filename == __file__
        with pytest.raises(ValueError, match=f"is the {end} of 3"):
            sweep.best_rate("train_loss", edge="raise")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert sweep.best_rate("train_loss", edge="ok") == best
            assert made([[1.0, 1.0]], rates=RATES[:1]).best_rate("train_loss") == 0.01  # one rate is no grid
            assert made([[2.0], [1.0], [2.0]]).best_rate("train_loss", edge="raise") == 0.1
    with pytest.raises(ValueError, match="edge must be one of 'warn', 'ok', 'raise', but got 'no'"):
        sweep.best_rate("train_loss", edge="no")


def test_no_seed_chooses_the_rate_that_it_is_judged_at():
    finals = np.array([[4.0, 4.0, 1.0], [2.0, 2.0, 9.0], [3.0, 3.0, 3.0]])
    own = made(finals).at_own_best("train_loss")
    np.testing.assert_array_equal(own.learning_rates, [0.01, 0.01, 0.1])  # by √(4·1), √(4·1) and 2
    np.testing.assert_array_equal(own.values, [4.0, 4.0, 9.0])
    with pytest.raises(ValueError, match="sweep must be one of two seeds or more"):
        made(finals[:, :1]).at_own_best("train_loss")


def test_the_stretch_of_good_rates():
    rates = 10.0 ** np.arange(-3, 2)
    bowl = 10.0 ** np.abs(np.arange(-2, 3.0))  # a V on logarithmic axes
    np.testing.assert_allclose(range_below(rates, bowl, 10**0.5), [10**-1.5, 10**-0.5])
    np.testing.assert_allclose(range_below(rates, bowl, 1e5), rates[[0, -1]])  # cut off by the grid
    assert np.isnan(range_below(rates, bowl, 0.5)).all()
    cliff = np.where(np.arange(5) < 3, bowl, np.inf)
    np.testing.assert_allclose(range_below(rates, cliff, 10.0), [0.01, 0.1])
    two = np.array([1.0, 50.0, 2.0, 50.0, 50.0])  # only the stretch around the best
    assert range_below(rates, two, 10.0)[1] < 1e-2
    for bad in ((rates[::-1], bowl, 1.0), (rates, bowl[1:], 1.0), (rates, -bowl, 1.0), (rates, bowl, 0.0)):
        with pytest.raises(ValueError, match=r"^(learning_rates|losses|limit) must be"):
            range_below(*bad)


def test_some_of_the_runs():
    sweep = made(np.arange(1.0, 7).reshape(3, 2))
    part = sweep[1:3]
    assert isinstance(part, Sweep)
    assert part.learning_rates.tolist() == [0.1, 1.0]
    assert len(sweep[3:].rate_axis) == 3
    assert sweep.at(0.1, 1).learning_rate == 0.1
    assert sweep.at(0.1, 1).seed == 1
    assert sweep.at(0.1, 1).train_loss[-1] == sweep.final("train_loss")[1, 1]
    assert repr(sweep[:4]) == "Sweep(4 runs, 3 steps, 0 diverged)"
    with pytest.raises(ValueError, match="sweep must be one that has each of its rates with each of its seeds"):
        sweep[:4].final("train_loss")
    with pytest.raises(ValueError, match="k must be a slice that takes some of the 6 runs"):
        sweep[9:]
    with pytest.raises(ValueError, match=r"learning_rate must be one of \[0.01, 0.1, 1.0\], but got 0.2"):
        sweep.at(0.2, 1)
    with pytest.raises(ValueError, match=r"seed must be one of \[0, 1\], but got 7"):
        sweep.at(0.1, 7)


def test_records_compare_and_hash_by_identity():
    one, other = made([[1.0], [2.0], [3.0]]), made([[1.0], [2.0], [3.0]])
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2
    assert one[0] != other[0]
    assert len({one[0], other[0]}) == 2


def test_what_was_not_evaluated_has_no_final_value():
    stack = training.start(TASK, learning_rates=[0.1, 0.2, 0.3], steps=20)
    stack.advance(2)
    for measure in ("train_loss", "validation_accuracy"):
        with pytest.raises(ValueError, match=r"sweep must be evaluated at least once: .* but got Sweep"):
            stack.records().final(measure)
    with pytest.raises(ValueError, match="sweep must be evaluated at least once"):
        stack.records().best_rate("validation_loss")


def test_save_and_load(tmp_path):
    result = training.sweep(TASK, learning_rates=[0.1, 1e6], seeds=[0, 1], steps=8, eval_every=4, record_updates=True)
    result.save(tmp_path / "sweep.npz")
    result[2].save(tmp_path / "run.npz")
    for again, expected in (
        (training.load(tmp_path / "sweep.npz"), result),
        (training.load(tmp_path / "run.npz"), result[2:3]),
    ):
        for name in ("loss", "rates_used", "grad_norm", "update_ratio", "eval_steps", "validation_loss", "seeds"):
            np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
        np.testing.assert_array_equal(again.learning_rates, expected.learning_rates)
        np.testing.assert_array_equal(again.final("validation_accuracy"), expected.final("validation_accuracy"))
        assert again.provenance == result.provenance
        assert again.tensor_names == result.tensor_names
        assert [run.status for run in again] == [run.status for run in expected]
        for name, value in expected.parameters.items():
            assert torch.equal(again.parameters[name].nan_to_num(), value.nan_to_num())


def test_a_file_says_its_format_and_version(tmp_path):
    made([[1.0], [2.0], [3.0]]).save(tmp_path / "sweep.npz")
    with np.load(tmp_path / "sweep.npz") as file:
        header = json.loads(str(file["header"]))
    assert header["format"] == 1
    assert header["lrlib"] == lrlib.__version__


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "sweep.npz"
    made([[1.0], [2.0], [3.0]]).save(path)
    before = path.read_bytes()

    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made([[4.0], [5.0], [6.0]]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["sweep.npz"]


def newer(path):
    np.savez(path, header=np.array(json.dumps({"format": 99, "lrlib": "9.9"})))


def cut_off(path):
    made([[1.0], [2.0], [3.0]]).save(path)
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path):
    made([[1.0], [2.0], [3.0]]).save(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3] ^= 255
    path.write_bytes(whole)


def incomplete(path):
    np.savez(path, header=np.array(json.dumps({"format": 1, "lrlib": "0"})), loss=np.zeros((1, 1)))


def numbers(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def pickled(path):
    with path.open("wb") as file:
        np.save(file, np.array([{}]), allow_pickle=True)


OTHER_FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": cut_off,
    "damaged": damaged,
    "foreign": lambda path: np.savez(path, x=np.zeros(1)),
    "foreign header": lambda path: np.savez(path, header=np.array("[1]")),
    "npy": numbers,
    "pickled": pickled,
    "text": lambda path: path.write_text("loss 0.1\n", encoding="utf-8"),
    "large file pointer": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", encoding="utf-8"
    ),
    "folder": lambda path: path.mkdir(),
    "newer": newer,
    "incomplete": incomplete,
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_what_is_no_saved_sweep_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "file.npz"
    OTHER_FILES[kind](path)
    with pytest.raises(ValueError, match=r"^path must be a file written by Sweep\.save.*, but got .*file\.npz") as told:
        training.load(path)
    assert "pickle" not in str(told.value)  # numpy's advice to load whatever it is


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        training.load(tmp_path / "none.npz")


def test_a_schedule_that_the_run_does_not_finish_is_mentioned():
    plan = schedules.with_warmup(schedules.cosine(1.0, total_steps=100), warmup_steps=10)
    settings = {"learning_rates": [0.1], "steps": 100, "schedule": plan}
    note = r"used 100 of 110 steps of its schedule \(last rate 0\.0296 of the highest, at the end 0\)"
    with pytest.warns(UnfinishedSchedule, match=note) as caught:
        result = training.sweep(TASK, **settings)
    assert caught[0].filename == __file__
    assert re.search(note, result.provenance["unfinished"])
    assert re.search(note, repr(result))
    assert re.search(note, repr(result[0]))
    with pytest.warns(UnfinishedSchedule, match=note) as caught:
        run = training.train(TASK, learning_rate=schedules.scale(plan, 0.1), steps=100)
    assert caught[0].filename == __file__
    assert len(caught) == 1
    assert re.search(note, repr(run))
    with pytest.raises(ValueError, match=f"schedule must be a schedule of 100 steps, .*{note}"):
        training.sweep(TASK, **settings, unfinished="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training.sweep(TASK, **settings, unfinished="ok")
        training.start(TASK, **settings, unfinished="ok")
        assert "unfinished" not in training.sweep(TASK, **{**settings, "steps": 110}).provenance


def test_a_sweep_multiplies_its_rates_by_a_shape_of_peak_one():
    twice = schedules.cosine(0.1, total_steps=20)
    with pytest.raises(ValueError, match=r"schedule must be .* is 1, not 0\.1: .*scale\(schedule, 10\) is; train"):
        training.sweep(TASK, learning_rates=[0.1], steps=20, schedule=twice)
    used = training.train(TASK, learning_rate=twice, steps=20, dtype=torch.float64).rates_used
    np.testing.assert_allclose(used, twice(np.arange(20)), rtol=1e-12)
    between = schedules.one_cycle(1.0, total_steps=55)  # its peak falls between two updates
    training.sweep(TASK, learning_rates=[0.1], steps=55, schedule=between)


def test_an_average_is_what_is_evaluated_and_kept():
    settings = {"learning_rates": [0.3], "steps": 12, "dtype": torch.float64, "device": "cpu"}
    stack = training.start(TASK, rule=updates.sgd(), **settings)
    average = None
    while not stack.done:
        stack.advance(1)
        weights = stack.records().parameters
        average = weights if average is None else {k: 0.9 * average[k] + 0.1 * w for k, w in weights.items()}
    result = training.sweep(TASK, rule=updates.averaged(updates.sgd(), decay=0.9), **settings)
    np.testing.assert_allclose(result.loss, stack.records().loss, rtol=1e-9)  # the trajectory is the same
    for name, value in average.items():
        torch.testing.assert_close(result.parameters[name], value, rtol=1e-9, atol=1e-12)
    model, (x, y) = TASK.model().double(), TASK.train
    outputs = torch.func.functional_call(model, {k: v[0] for k, v in average.items()}, (x.double(),))
    assert result.final("train_loss")[0, 0] == pytest.approx(float(TASK.loss(outputs, y)), rel=1e-9)
