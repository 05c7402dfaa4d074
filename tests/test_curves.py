"""Curves: what is kept, what is refused, and the one rule of divergence."""

import tracemalloc
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from lrlib.curves import Curve, read
from lrlib.curves.divergence import THRESHOLD
from lrlib.diagnostics.symptoms import BARS
from lrlib.tasks import digits_mlp
from lrlib.training import sweep, train


def test_a_curve_copies_and_cannot_be_written_to() -> None:
    losses = np.array([2.0, 1.0, 0.5])
    curve = Curve(losses, rates=[0.1, 0.1, 0.1])
    losses[0] = 9.0
    assert curve.loss.tolist() == [2.0, 1.0, 0.5]
    assert curve.steps.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        curve.loss[0] = 1.0
    with pytest.raises(AttributeError):
        curve.loss = losses  # type: ignore[misc]


def test_as_many_validation_losses_share_the_steps() -> None:
    curve = Curve([3, 2, 1], steps=[10, 20, 30], validation_loss=[3, 2, 2], metrics={"validation_accuracy": [0, 1, 1]})
    assert curve.validation_steps is not None
    assert curve.validation_steps.tolist() == [10, 20, 30]
    assert curve.metrics["validation_accuracy"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"loss": []}, "loss must be a 1-D sequence of numbers, at least one"),
        ({"loss": [[1.0], [2.0]]}, "loss must be a 1-D sequence"),
        ({"loss": ["a", "b"]}, "loss must be a 1-D sequence"),
        ({"loss": [1, 2], "steps": [1]}, "steps must be a 1-D sequence of numbers, 2 of them"),
        (
            {"loss": [1, 2], "steps": [1, 1]},
            "steps must be finite numbers, one for each loss, each above the one before",
        ),
        ({"loss": [1, 2], "steps": [1, np.nan]}, "steps must be finite"),
        ({"loss": [1, 2], "rates": [0.1]}, "rates must be a 1-D sequence of numbers, 2 of them, none below 0"),
        ({"loss": [1, 2], "rates": [0.1, -0.1]}, "none below 0"),
        ({"loss": [1, 2], "validation_loss": [1]}, "validation_steps must be given"),
        ({"loss": [1, 2], "validation_steps": [1]}, "validation_steps must be None where there is no validation_loss"),
        ({"loss": [1, 2], "metrics": {"accuracy": [1]}}, "2 of them"),
        ({"loss": [1, 2], "metrics": {"validation_accuracy": [1]}}, "only where there is a validation_loss"),
        ({"loss": [1, 2], "unit": "batch"}, "unit must be one of 'step', 'epoch'"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        Curve(**arguments)  # type: ignore[arg-type]


def test_a_run_and_its_curve_diverge_at_the_same_step() -> None:
    runs = sweep(digits_mlp(), learning_rates=[0.1, 1e4], steps=30, eval_every=10, record_updates=True)
    for run in runs:
        step = run.curve.diverged_at(run.divergence_threshold)
        assert step == run.diverged_at or (step is None and run.diverged_at == run.steps)
    assert runs[1].diverged_at is not None


def test_one_threshold_of_divergence_stands_in_all_places() -> None:
    """Two of them are translated to JavaScript, where a name from another module would not arrive."""
    assert signature(Curve.diverged_at).parameters["threshold"].default == THRESHOLD
    assert BARS["divergence"].value == THRESHOLD


def test_the_curve_of_a_run_holds_what_the_run_recorded() -> None:
    run = train(digits_mlp(), learning_rate=0.1, steps=20, eval_every=5, record_updates=True)
    curve = run.curve
    assert np.array_equal(curve.loss, run.loss)
    assert np.array_equal(curve.rates, run.rates_used)
    assert curve.validation_steps is not None
    assert curve.validation_steps.tolist() == [0, 5, 10, 15, 20]
    assert curve.update_ratio is not None
    assert np.array_equal(curve.update_ratio, np.median(run.update_ratio, axis=-1))
    assert np.array_equal(curve.metrics["validation_accuracy"], run.validation_metrics["accuracy"])
    assert "20 steps from 0 to 19" in repr(curve)


def test_a_table_takes_a_few_times_its_text_of_memory(tmp_path: Path) -> None:
    rows = (f"{k // 1000},{k},{2 / (1 + k):.10f},{1.5 if k % 100 == 0 else ''},0.001000,1.25\n" for k in range(100_000))
    path = tmp_path / "log.csv"
    path.write_text("epoch,step,train_loss,val_loss,lr,grad_norm\n" + "".join(rows))
    tracemalloc.start()
    try:
        curve = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(curve.loss) == 100_000
    assert peak < 3.5 * path.stat().st_size
