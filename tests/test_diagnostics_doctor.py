"""The doctor: its features' known answers, each rule with a curve that has it and one that just has not, real runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import schedules, tasks, training, updates
from lrlib.curves import Curve
from lrlib.diagnostics import Diagnosis, Probe, cough, cough_run, diagnose, features, symptoms
from lrlib.diagnostics.features import Series
from lrlib.diagnostics.findings import HELPED, IDLE, NOTHING, REMEDIES, SCORE

T = np.arange(200.0)
EVALUATED = np.arange(0, 201, 10)


def series(values: list[float] | np.ndarray) -> Series:
    return Series(np.linspace(0, 1, len(values)), np.asarray(values, float))


def names(curve: Curve, probe: Probe | None = None) -> list[str]:
    return [finding.name for finding in diagnose(curve, probe=probe).findings]


def run_like(
    validation: np.ndarray, *, rates: np.ndarray | None = None, loss: np.ndarray | None = None, scale: float = 1.0
) -> Curve:
    """200 steps, validation at 21 of them; the training loss follows it with a little noise if none is given."""
    generator = np.random.default_rng(0)
    followed = np.interp(T, EVALUATED, validation) * (1 + 0.01 * generator.normal(size=len(T)))
    return Curve(
        scale * (followed if loss is None else loss),
        validation_loss=scale * validation,
        validation_steps=EVALUATED,
        rates=np.full(200, 0.1) if rates is None else rates,
    )


s = EVALUATED / 200
ZIGZAG = np.where(np.arange(21) % 2, 1.0, -1.0)
SLOW = 2 - s  # a straight fall
QUICK = 0.5 + 1.5 * np.exp(-8 * s) + 0.004 * ZIGZAG
JUMPY = 0.5 + 1.5 * np.exp(-8 * s) + 0.1 * ZIGZAG
SPENT = np.where(T < 60, 0.1, 1e-5)


# features


def test_each_feature_has_its_known_answer() -> None:
    straight = series(np.linspace(2, 1, 21))
    assert features.noise(straight) == pytest.approx(0, abs=1e-12)
    assert features.share_up(straight) == 0
    assert features.share_up(series([1, 3, 2])) == pytest.approx(2 / 3)
    assert features.slowness(series(np.linspace(2, 1, 2001))) == pytest.approx(0.5, abs=0.03)
    assert features.slowness(series(np.exp(-50 * np.linspace(0, 1, 2001)))) < 0.04
    assert features.fall(straight) == pytest.approx((2 - 1.05) / 2, abs=0.03)
    assert features.rebound(series([3.0] * 3 + [1.0] * 10 + [math.e] * 10)) == pytest.approx(1)
    assert features.best_time(series([3, 3, 1, 1, 1, 3, 3, 3, 3])) == pytest.approx(0.25)
    assert features.growth(series([1, 2, math.e])) == pytest.approx(1)
    assert features.late_jump(series([4, 2, 2, 2, 3, 2]))[0] == pytest.approx(0.5)
    assert features.still_falling(straight) == pytest.approx(0.45, abs=0.03)
    assert features.level(series([5, 1, 2, 3]), 0.5, 1) == 2.5


def test_noise_is_a_standard_deviation() -> None:
    course = np.linspace(3, 1, 5000) + np.random.default_rng(0).normal(0, 0.1, 5000)
    assert features.noise(series(course)) == pytest.approx(0.1, rel=0.05)
    assert features.jitter(series(course)) == pytest.approx(0.1, rel=0.15)  # the end is about 1
    assert features.wobble(series(course)) == pytest.approx(0.1 / 2.3, rel=0.2)


def test_features_of_the_rates() -> None:
    curve = run_like(QUICK, rates=SPENT)
    assert features.spent(curve) == pytest.approx(140 / 200)
    assert features.last_rate(curve) == pytest.approx(1e-4)
    assert len(features.hot(curve).values) == 6
    warm = np.minimum(1, (T + 1) / 50)
    assert features.spent(run_like(QUICK, rates=warm)) == 0  # a warm-up is not spent
    assert math.isnan(features.spent(Curve([1.0] * 10)))


def test_rates_that_end_before_the_run_tell_nothing_of_its_end() -> None:
    course = np.linspace(2, 1, 10)
    curve = Curve(course, rates=np.full(10, 0.1), validation_loss=course, validation_steps=np.arange(10) * 4)
    assert math.isnan(features.last_rate(curve))
    assert diagnose(curve).findings


RELATIVE = [features.share_up, features.slowness, features.fall, features.rebound, features.wobble]


@pytest.mark.parametrize("feature", [*RELATIVE, features.jitter, features.still_falling])
def test_a_relative_feature_does_not_depend_on_the_losses_unit(feature) -> None:  # type: ignore[no-untyped-def]
    values = JUMPY
    assert feature(series(1e-3 * values)) == pytest.approx(feature(series(values)))
    below = values - 3
    assert feature(series(1e6 * below)) == pytest.approx(feature(series(below)))


@pytest.mark.parametrize("course", [SLOW, QUICK])
def test_a_diagnosis_does_not_depend_on_unit_or_axis(course: np.ndarray) -> None:
    plain = run_like(course)
    expected = names(plain)
    assert names(run_like(course, scale=1e-6)) == expected
    stretched = Curve(
        plain.loss,
        steps=1000 + 50 * T,
        validation_loss=plain.validation_loss,
        validation_steps=1000 + 50 * EVALUATED,
        rates=1e-3 * plain.rates,
    )
    assert names(stretched) == expected


def test_a_course_is_thinned_alike_however_often_it_was_logged() -> None:
    often = np.interp(np.arange(2001), 10 * EVALUATED, JUMPY)
    assert len(features.thinned(series(often)).values) == features.POINTS
    assert features.thinned(series(often)).values == pytest.approx(JUMPY)
    means = features.stretches(series(np.arange(2000.0)))
    assert means.values[1] == pytest.approx(49.5, abs=1)
    assert means.values[-1] == pytest.approx(1949.5, abs=1)


# rules


def test_diverging() -> None:
    assert names(Curve([1.0, 2.0, np.nan, 1.0]))[0] == "diverging"
    assert names(Curve([1.0, 2.0, 1e3 + 1]))[0] == "diverging"
    assert names(Curve([1.0, 2.0, 999.0, 1.0, 0.5])) != ["diverging"]
    assert names(Curve([1.0, 1.1, 1.21, 1.4])) == ["diverging"]  # a steady growth, far below a thousandfold
    assert names(Curve([1.0, 1.01, 1.02, 1.03])) == []


def test_at_chance() -> None:
    around = np.log(7) + 0.01 * np.random.default_rng(1).normal(size=300)
    found = diagnose(Curve(around)).findings
    assert [f.name for f in found] == ["at chance"]
    assert "guessing among 7 classes" in found[0].statement
    assert "at chance" not in names(Curve(around * np.linspace(1, 0.9, 300)))
    assert symptoms.guessing(math.log(10)) == 10
    assert symptoms.guessing(0.5 * (math.log(10) + math.log(11))) is None


def test_constant_validation() -> None:
    falling = np.linspace(2, 1.5, 12)
    assert names(Curve(falling, validation_loss=[0.2] * 12)) == ["validation does not move"]
    assert "validation does not move" not in names(Curve(falling, validation_loss=0.2 + 1e-4 * ZIGZAG[:12]))


def test_number_format() -> None:
    assert "at the floor of the number format" in names(Curve(np.r_[np.exp(-np.arange(20.0)), [0.0] * 5]))
    assert "at the floor of the number format" not in names(Curve(np.exp(-np.linspace(0, 12, 40))))
    assert names(Curve([0.0] * 30)) == []


def test_rate_too_high() -> None:
    finding = diagnose(run_like(JUMPY)).findings[0]
    assert (finding.name, finding.remedies[0]) == ("rate too high", "rate ÷3")
    assert "rate too high" not in names(run_like(QUICK))
    nowhere = 2 + 0.1 * ZIGZAG
    assert diagnose(run_like(nowhere, loss=np.interp(T, EVALUATED, nowhere) - 0.5 * T / 200)).remedy == "rate ÷9"


def test_past_its_best() -> None:
    overfit = 0.5 + np.exp(-10 * s) + 0.4 * s
    finding = next(f for f in diagnose(run_like(overfit)).findings if f.name == "past its best validation point")
    assert {"stop", "rate ÷3"} <= set(finding.remedies)
    assert "past its best validation point" not in names(run_like(0.5 + np.exp(-10 * s) + 0.05 * s))
    assert "past its best validation point" not in names(Curve(np.linspace(2, 0, 9) + 1))  # no validation


def test_late_instability() -> None:
    loss = np.where(T < 150, 2 * np.exp(-T / 30) + 0.2, 1.8)
    assert "late instability" in names(Curve(loss))
    assert "late instability" not in names(Curve(np.where(T < 150, loss, 0.8)))


def test_spent_schedule() -> None:
    course = 0.5 + 1.5 * np.exp(-np.minimum(s, 0.3) / 0.3)
    course = course - 0.001 * s
    finding = diagnose(run_like(course, rates=SPENT)).findings[0]
    assert (finding.name, finding.remedies[0]) == ("schedule spent early", "hold")
    later = np.where(T < 120, 0.1, 1e-5)
    assert "schedule spent early" not in names(run_like(course, rates=later))
    without = run_like(course)
    assert "schedule spent early" not in names(
        Curve(without.loss, validation_loss=without.validation_loss, validation_steps=EVALUATED)
    )


def test_rate_too_low() -> None:
    assert diagnose(run_like(SLOW)).remedy == "rate ×3"
    assert diagnose(run_like(2 - 0.1 * s)).remedy == "rate ×9"
    assert "rate too low" not in names(run_like(QUICK))
    settled = 0.5 + 1.5 * np.exp(-12 * s)  # steady, but it has arrived
    assert "rate too low" not in names(run_like(settled))


def test_a_probe_settles_whether_the_rate_is_too_low() -> None:
    better, worse = Probe(1.0, 0.9, 3.0, 10), Probe(1.0, 1.1, 3.0, 10)
    found = diagnose(run_like(SLOW), probe=better)
    assert (found.remedy, found.findings[0].how_sure) == ("rate ×3", "measured")
    assert diagnose(run_like(SLOW)).findings[0].how_sure == "likely"
    assert "rate too low" not in names(run_like(SLOW), worse)
    assert Probe(1.0, math.inf).gain == -math.inf
    assert Probe(2.0, 1.0).gain == pytest.approx(math.log(2))
    assert Probe(-1.0, -1.5).gain == pytest.approx(0.5)


def test_noise_floor() -> None:
    shaking = 0.6 * (1 + 0.5 * np.random.default_rng(0).normal(size=200).clip(-1.5, 1.5))
    course = 0.5 + 1.5 * np.exp(-20 * s) + 0.012 * ZIGZAG
    finding = diagnose(run_like(course, loss=np.maximum(shaking, 1.5 * np.exp(-T / 10)))).findings[0]
    assert (finding.name, finding.how_sure, finding.remedies[0]) == ("noise floor", "a hypothesis", "hold")
    assert "noise floor" not in names(run_like(course))  # a training loss that is nearly still
    lowered = np.linspace(0.1, 0, 200)
    assert "noise floor" not in names(run_like(course, loss=shaking, rates=lowered))


# the diagnosis as a value


def test_nothing_found_is_said_with_what_was_missing() -> None:
    found = diagnose(Curve(0.5 + np.exp(-np.arange(6.0))))
    assert found.findings == ()
    assert found.remedy is None
    assert str(found).startswith(NOTHING)
    assert any("no validation loss" in sentence for sentence in found.missing)
    assert any("no rates" in sentence for sentence in found.missing)
    assert not any("no rates" in sentence for sentence in diagnose(run_like(QUICK)).missing)


def test_a_diagnosis_goes_through_json_and_reads_well() -> None:
    found = diagnose(run_like(JUMPY))
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["findings"][0]["name"] == read["summary"] == "rate too high"
    assert read["findings"][0]["evidence"][0]["threshold"] > 0
    assert REMEDIES["rate ÷3"] in str(found)
    json.dumps(diagnose(Curve([1.0, np.inf, 2.0])).as_dict(), allow_nan=False)


def test_notes_of_the_reading_are_passed_on() -> None:
    assert "Note: steps were guessed" in str(diagnose(Curve([1.0, 0.9], notes=["steps were guessed"])))


@pytest.mark.parametrize("loss", [[1.0], [np.nan], [1.0, 0.5], [0.0] * 40, [-1.0] * 40, [1e300, 1e299, 1e298, 1e297]])
@pytest.mark.filterwarnings("error")
def test_the_shortest_and_flattest_curves_are_diagnosed_without_a_warning(loss: list[float]) -> None:
    assert isinstance(diagnose(Curve(loss, validation_loss=loss, rates=[0.1] * len(loss))), Diagnosis)
    assert isinstance(diagnose(Curve(loss, rates=[0.0] * len(loss))), Diagnosis)


def test_bad_input_is_named() -> None:
    with pytest.raises(TypeError, match="curve must be a Curve"):
        diagnose([1.0, 2.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="probe must be a Probe"):
        diagnose(Curve([1.0]), probe=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="before must be a finite number"):
        Probe(math.nan, 1.0)
    with pytest.raises(TypeError, match="after must be a number"):
        Probe(1.0, "low")  # type: ignore[arg-type]


def test_the_diagnosis_needs_no_torch() -> None:
    code = (
        "import sys\nfrom lrlib.curves import Curve\nfrom lrlib.diagnostics import diagnose\n"
        "diagnose(Curve([1.0] * 9))\nprint('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_bar_says_where_it_comes_from() -> None:
    assert all(bar.source for bar in symptoms.BARS.values())


# curves from the field, with the cause that was accepted there (numbers as posted)


def epochs(loss: list[float], validation: list[float] | None = None) -> Curve:
    return Curve(loss, validation_loss=validation, unit="epoch")


def test_softmax_before_a_cross_entropy() -> None:
    """https://discuss.pytorch.org/t/43814/16"""
    found = diagnose(epochs([2.3086, 2.2973, 2.3083, 2.3027, 2.3045, 2.3057])).findings
    assert [f.name for f in found] == ["at chance"]
    assert "10 classes" in found[0].statement


def test_rate_too_high_seen_in_validation_only() -> None:
    """https://stats.stackexchange.com/questions/478017"""
    seen = [2.27, 1.55, 1.07, 0.87, 0.59, 0.52, 0.38, 0.32, 0.21, 0.34]
    held_out = [3.29, 0.92, 1.43, 1.85, 0.58, 2.30, 0.17, 1.52, 0.14, 2.81]
    assert diagnose(epochs(seen, held_out)).findings[0].name == "rate too high"


def test_a_healthy_run() -> None:
    """https://stats.stackexchange.com/questions/284072"""
    seen = [1041.52, 750.78, 425.88, 320.29, 305.41]
    assert names(epochs(seen, [1045.89, 749.95, 423.35, 319.35, 305.07])) == []


def test_validation_below_training_is_no_fault() -> None:
    """https://forums.fast.ai/t/4581: dropout in training alone."""
    assert names(epochs([0.5972, 0.5927, 0.5325, 0.5416, 0.5292], [0.3264, 0.3138, 0.3742, 0.3526, 0.3817])) == []
    assert names(epochs([0.5069, 0.4951, 0.4664, 0.4775, 0.4629], [0.2572, 0.3179, 0.3260, 0.3465, 0.3090])) == []


def test_diverging_while_finite() -> None:
    assert names(epochs([4.58e74, 5.39e74, 6.34e74])) == ["diverging"]


def test_back_at_chance_after_one_good_epoch() -> None:
    """https://github.com/rowanz/r2c/issues/43: the cause is open, and the diagnosis claims none."""
    found = diagnose(epochs([1.356284, 1.386393, 1.386381, 1.386379, 1.386330], [1.386] * 5)).findings
    chance = next(f for f in found if f.name == "at chance")
    assert "4 classes" in chance.statement
    assert "do not tell" in chance.statement


def test_a_trivial_solution() -> None:
    """https://github.com/foamliu/FaceNet/issues/3: the validation loss is the margin, exactly."""
    found = diagnose(epochs([0.1927, 0.1902, 0.1872, 0.1844, 0.1820, 0.1794, 0.1777, 0.1775], [0.2] * 8))
    assert found.findings[0].name == "validation does not move"
    assert found.remedy == "check validation"


# real runs

DIGITS = tasks.digits_mlp(hidden=(32,))
SETTINGS = {"steps": 200, "eval_every": 10, "batch_size": 32, "seed": 0}


@pytest.mark.parametrize(
    ("rate", "rule", "schedule", "name"),
    [
        (3e-3, updates.sgd(), None, "rate too low"),
        (1e-4, updates.adam(), None, "rate too low"),
        (0.3, updates.adam(), None, "rate too high"),
        (0.3, updates.heavy_ball(), None, "rate too high"),
        (0.1, updates.sgd(), schedules.multistep(1.0, milestones=[40], gamma=0.05), "schedule spent early"),
    ],
)
def test_real_runs_are_told_apart(rate: float, rule: updates.UpdateRule, schedule, name: str) -> None:  # type: ignore[no-untyped-def]
    path = rate if schedule is None else schedules.scale(schedule, rate)
    run = training.train(DIGITS, learning_rate=path, rule=rule, **SETTINGS)
    assert name in names(run.curve)


def test_a_real_run_at_a_good_rate_with_a_decay_shows_no_sign() -> None:
    run = training.train(DIGITS, learning_rate=schedules.linear(0.03, total_steps=200), rule=updates.adam(), **SETTINGS)
    assert names(run.curve) == []


# cough


def test_cough_of_a_run_is_the_run_continued() -> None:
    low = training.train(DIGITS, learning_rate=3e-3, **{**SETTINGS, "eval_every": None})
    probe = cough_run(DIGITS, low, steps=200, batch_size=32)
    assert probe.steps == 10
    assert probe.gain > 0
    assert probe.before == pytest.approx(float(low.validation_loss[-1]), rel=1e-4)
    longer = schedules.join([schedules.constant(3e-3), schedules.constant(9e-3)], boundaries=[200])
    expected = training.train(DIGITS, learning_rate=longer, steps=210, batch_size=32, seed=0)
    assert probe.after == pytest.approx(float(expected.validation_loss[-1]), rel=1e-4)
    with pytest.raises(ValueError, match="settings must be those of the run"):
        cough_run(DIGITS, low, steps=200, batch_size=32, rule=updates.adam())


def a_loop() -> tuple[nn.Module, torch.optim.Optimizer, object, object]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    y = x.sum(1, keepdim=True)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def update() -> None:
        model.train()
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()

    def validate() -> float:
        model.eval()
        with torch.no_grad():
            return float((model(x) - y).square().mean())

    return model, optimizer, update, validate


def states(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments = [value for own in optimizer.state.values() for value in own.values()]
    return [tensor.clone() for tensor in (*model.state_dict().values(), *moments, torch.get_rng_state())]


@pytest.mark.parametrize("fails", [False, True])
def test_cough_leaves_a_torch_loop_as_it_was(fails: bool) -> None:
    model, optimizer, update, validate = a_loop()
    for _ in range(5):
        update()  # type: ignore[operator]
    before = states(model, optimizer)
    seen = []

    def watched() -> None:
        seen.append(optimizer.param_groups[0]["lr"])
        update()  # type: ignore[operator]
        if fails and len(seen) == 3:
            raise RuntimeError("out of data")

    if fails:
        with pytest.raises(RuntimeError, match="out of data"):
            cough(model, optimizer, watched, validate, steps=20, peak=1e-3)  # type: ignore[arg-type]
    else:
        probe = cough(model, optimizer, watched, validate, steps=20, peak=1e-3)  # type: ignore[arg-type]
        assert probe.gain > 0
    assert seen == pytest.approx([3e-3] * len(seen))
    assert all(map(torch.equal, before, states(model, optimizer)))
    assert optimizer.param_groups[0]["lr"] == 1e-4


def test_cough_names_what_does_not_fit() -> None:
    model, optimizer, update, validate = a_loop()
    with pytest.raises(ValueError, match="peak must be one number, or 1"):
        cough(model, optimizer, update, validate, steps=2, peak=[0.1, 0.2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="update must be callable"):
        cough(model, optimizer, 3, validate, steps=2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="validate must be a function that gives a finite number"):
        cough(model, optimizer, update, lambda: math.nan, steps=2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="steps must be an integer >= 1"):
        cough(model, optimizer, update, validate, steps=0)  # type: ignore[arg-type]


def test_the_report_says_how_often_advice_helped_and_was_idle() -> None:
    scored = json.loads((Path(__file__).parents[1] / "benchmarks/doctor/held-out.json").read_text(encoding="utf-8"))
    doctor = scored["policies"]["doctor"]
    assert round(doctor["improves"][0]) == HELPED
    assert round(doctor["false alarm"][0]) == IDLE
    low = Curve(2.3 - 0.003 * np.arange(60), rates=np.full(60, 1e-4))
    assert SCORE in str(diagnose(low))
    assert SCORE not in str(diagnose(Curve([2.3, 2.9, 40.0, 1e5, np.inf])))  # that is measured
