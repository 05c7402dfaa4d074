"""Figures: they show the data that they were given, on axes with names, and never train."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lrlib import plots, schedules, style, surfaces, tasks, training, updates

SWEEP = training.sweep(
    tasks.digits_mlp(hidden=(8,)),
    learning_rates=[0.01, 0.1, 1e30],
    seeds=[0, 1, 2],
    steps=12,
    eval_every=4,
    record_updates=True,
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_final_loss_is_the_median_over_seeds_and_marks_divergence():
    ax = plots.plot_final_loss(SWEEP, measure="validation_loss")
    np.testing.assert_allclose(ax.lines[0].get_ydata()[:2], np.median(SWEEP.final("validation_loss"), axis=1)[:2])
    assert ax.get_xscale() == "log"
    assert ax.get_ylabel() == "validation loss after 12 steps"
    points, crosses = ax.collections[-2:]
    assert len(points.get_offsets()) == 2
    assert crosses.get_offsets()[:, 0].tolist() == [1e30]


def test_final_errors_are_drawn_as_losses_are_and_an_accuracy_is_not():
    ax = plots.plot_final_loss(SWEEP, measure="validation_error")
    assert ax.get_ylabel() == "validation error after 12 steps"
    with pytest.raises(ValueError, match=r"measure must be a loss or an error, .*, but got 'validation_accuracy'"):
        plots.plot_final_loss(SWEEP, measure="validation_accuracy")


@pytest.mark.parametrize(("measure", "smooth", "points"), [("loss", 1, 12), ("loss", 3, 4), ("train_loss", 1, 4)])
def test_curves_carry_their_rates_and_stop_at_divergence(measure, smooth, points):
    ax = plots.plot_curves(SWEEP, measure=measure, smooth=smooth)
    assert len(ax.lines[0].get_xdata()) == points
    assert {"0.01", "0.1"} <= {text.get_text() for text in ax.texts}
    if smooth == 1:
        expected = np.median(SWEEP.by_rate(getattr(SWEEP, measure))[0], axis=0)
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)


def test_labels_do_not_cover_each_other():
    ax = plots.plot_curves(training.sweep(tasks.digits_mlp(), learning_rates=[1e-6, 2e-6, 3e-6], steps=3))
    heights = sorted(text.get_window_extent().y0 for text in ax.texts)
    assert min(np.diff(heights)) > 8


def test_ledger_shows_planned_and_used():
    schedule = schedules.linear(0.1, total_steps=12)
    run = training.train(tasks.digits_mlp(hidden=(4,)), learning_rate=schedule, steps=12)
    ax = plots.plot_ledger(run, planned=schedule)
    planned, used = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(planned, used, rtol=1e-6)


def test_update_ratios_follow_the_tensors():
    ax = plots.plot_update_ratios(SWEEP, tensors=["0.weight", "2.weight"], step=slice(0, 4))
    expected = np.median(SWEEP.by_rate(SWEEP.update_ratio[:, :4, 0]).mean(-1)[0])
    assert ax.lines[0].get_ydata()[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"tensors must be one of '0\.weight'"):
        plots.plot_update_ratios(SWEEP, tensors=["9.weight"], step=0)
    bare = training.sweep(tasks.digits_mlp(hidden=(4,)), learning_rates=[0.1], steps=2)
    with pytest.raises(ValueError, match="sweep must be one made with record_updates=True"):
        plots.plot_update_ratios(bare, tensors=["0.weight"], step=0)


def test_surfaces_and_trajectories():
    for surface in (surfaces.quadratic([1.0, 4.0]), surfaces.double_well()):
        path = training.descend(surface, learning_rates=[0.01, 0.02], steps=4)
        ax = plots.plot_surface(surface)
        before = len(ax.lines)
        plots.plot_trajectory(path, surface=surface, ax=ax)
        assert len(ax.lines) == before + 2
        np.testing.assert_allclose(ax.lines[-1].get_xdata(), path.points[1, :, 0])
    with pytest.raises(ValueError, match="surface must be one of one or two dimensions, but got 3"):
        plots.plot_surface(surfaces.quadratic([1.0, 2.0, 3.0]))


def test_the_limit_is_marked_and_labelled():
    _, ax = plt.subplots()
    plots.mark_limit(0.5, ax=ax)
    assert ax.lines[0].get_xdata()[0] == 0.5
    assert ax.texts[0].get_text() == r"$2/\lambda_{\max}$"


def test_colour_means_rate():
    norm = style.rate_norm([0.01, 1.0])
    low, high = (sum(style.rate_colour(rate, norm)[:3]) for rate in (0.01, 1.0))
    assert low < high  # dark is low
    assert 0 < style.rate_norm([0.1])(0.1) < 1
    with pytest.raises(ValueError, match="rates must be"):
        style.rate_norm([0.0])
    assert style.tokens()["accent"] == style.ACCENT


@pytest.mark.parametrize("rule", [updates.sgd(), updates.adam()], ids=lambda rule: rule.name)
def test_compiled_descents_are_the_same(rule):
    settings = {"learning_rates": [1e-4, 1e-3, 10.0], "steps": 40, "rule": rule, "gradient_noise": 0.5}
    plain, compiled = (training.descend(surfaces.rosenbrock(), engine=e, **settings) for e in ("torch", "compiled"))
    np.testing.assert_allclose(compiled.points, plain.points, rtol=1e-9)
    np.testing.assert_allclose(compiled.loss, plain.loss, rtol=1e-9)


def test_descend_follows_torch_and_names_bad_input():
    surface = surfaces.beale()
    path = training.descend(surface, learning_rates=[0.01], steps=5)
    again = training.train(tasks.surface_task(surface), learning_rate=0.01, steps=5, batch_size=1)
    np.testing.assert_allclose(path.loss[0, :5], again.loss, rtol=1e-5)
    noisy = [
        training.descend(surface, learning_rates=[0.01], steps=5, gradient_noise=1.0, seed=s).loss for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])
    for name, value in {
        "surface": 3,
        "learning_rates": [],
        "steps": 0,
        "start": [1.0],
        "gradient_noise": -1,
        "engine": "c",
    }.items():
        with pytest.raises((ValueError, TypeError), match=f"^{name} must be"):
            training.descend(**({"surface": surface, "learning_rates": [0.1], "steps": 2} | {name: value}))


def test_plot_best_rates_shows_each_interval_and_refuses_a_place_without_one():
    from lrlib.evidence import Tuning

    tunings = [
        Tuning(np.array([0.1, 0.2, 0.4]), np.array(losses), 2.0, (0, 1))
        for losses in ([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], [[3.0, 3.0], [2.0, 1.0], [1.0, 2.0]])
    ]
    ax = plots.plot_best_rates([16, 128], tunings, label="Adam")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert np.allclose(ax.lines[0].get_ydata(), [0.02**0.5, 0.08**0.5])
    bars = ax.containers[0].lines[2][0].get_segments()
    assert np.allclose([bar[:, 1] for bar in bars], [(t.best.low, t.best.high) for t in tunings])
    assert [text.get_text() for text in ax.texts] == ["Adam"]
    with pytest.raises(ValueError, match="tunings must be one for each of the 1 places x"):
        plots.plot_best_rates([16], tunings)


def test_plot_intervals_is_drawn_on_the_scale_that_it_is_given():
    from lrlib.evidence import at_most, interval, ratio

    gain, loss = ratio([0.8, 0.9, 0.7], [1.0, 1.1, 1.0], of="loss"), ratio([1.2, 1.1, 1.3], [1.0, 1.1, 1.0], of="loss")
    ax = plots.plot_intervals({"linear": gain, "step": loss}, region=at_most(0.95))
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "ratio of loss"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["linear", "step"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is on top
    drawn = [tuple(line.get_xdata()) for line in ax.lines]
    assert (gain.low, gain.high) in drawn
    assert (loss.low, loss.high) in drawn
    both = plots.plot_intervals({"linear": {"validation": gain.percent, "training": loss.percent}})
    assert both.get_xscale() == "linear"
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["validation", "training"]
    with pytest.raises(ValueError, match="rows must be intervals on one scale"):
        plots.plot_intervals({"a": gain, "b": interval([1.0, 2.0])})
    with pytest.raises(TypeError, match="rows must be Intervals by label"):
        plots.plot_intervals({"a": 1.0})
