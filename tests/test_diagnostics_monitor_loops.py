"""What the monitor must leave in peace: right loops, and the training itself, bit for bit."""

import copy
import csv
import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from torch.optim import lr_scheduler

from lrlib import schedules, tasks
from lrlib.curves import read
from lrlib.diagnostics import Departure, Monitor
from lrlib.models import initial_parameters
from lrlib.schedules import torch_rates

Make = Callable[[torch.optim.Optimizer], Any]
N = 30

RIGHT: dict[str, Make] = {
    "LambdaLR": lambda opt: lr_scheduler.LambdaLR(opt, lambda step: min(1.0, step / 8)),  # a warm-up from 0
    "MultiplicativeLR": lambda opt: lr_scheduler.MultiplicativeLR(opt, lambda step: 0.9),
    "StepLR": lambda opt: lr_scheduler.StepLR(opt, step_size=7),
    "MultiStepLR": lambda opt: lr_scheduler.MultiStepLR(opt, milestones=[5, 20]),
    "ConstantLR": lr_scheduler.ConstantLR,
    "LinearLR": lambda opt: lr_scheduler.LinearLR(opt, start_factor=1.0, end_factor=0.0, total_iters=N),
    "ExponentialLR": lambda opt: lr_scheduler.ExponentialLR(opt, gamma=0.8),
    "PolynomialLR": lambda opt: lr_scheduler.PolynomialLR(opt, total_iters=N, power=2),
    "CosineAnnealingLR": lambda opt: lr_scheduler.CosineAnnealingLR(opt, T_max=N),
    "CosineAnnealingWarmRestarts": lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=5, T_mult=2),
    "CyclicLR": lambda opt: lr_scheduler.CyclicLR(opt, 0.01, 0.1, step_size_up=4, cycle_momentum=False),
    "CyclicLR, exp_range": lambda opt: lr_scheduler.CyclicLR(
        opt, 0.01, 0.1, step_size_up=3, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "OneCycleLR": lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, total_steps=N, cycle_momentum=False),
    "SequentialLR": lambda opt: lr_scheduler.SequentialLR(
        opt,
        [lr_scheduler.LinearLR(opt, 0.1, total_iters=6), lr_scheduler.CosineAnnealingLR(opt, N - 6)],
        milestones=[6],
    ),
    "ChainedScheduler": lambda opt: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(opt, 0.1, total_iters=6), lr_scheduler.ExponentialLR(opt, 0.9)]
    ),
    "as_torch": lambda opt: schedules.as_torch(
        schedules.with_warmup(schedules.linear(0.1, total_steps=N - 5), warmup_steps=5), opt
    ),
}


def optimizer(*rates: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates])


MODEL = torch.nn.Linear(1, 1)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(RIGHT)),
    rates=st.sampled_from([(0.1,), (0.1, 0.02), (1e-5, 3e-4, 1e-3)]),
    tensor=st.booleans(),
    accumulate=st.integers(1, 3),
    per_epoch=st.booleans(),
    stop=st.integers(0, N - 1),
    plan=st.booleans(),
    before=st.booleans(),
)
@example("CyclicLR", (0.1,), False, 1, False, 0, False, False)  # the end of a cycle is no warm-up that begins anew
def test_no_alarm_in_a_right_loop(
    name: str,
    rates: tuple[float, ...],
    tensor: bool,
    accumulate: int,
    per_epoch: bool,
    stop: int,
    plan: bool,
    before: bool,
) -> None:
    """Any scheduler of torch, used rightly: with a plan or none, accumulated gradients, stopped and resumed."""
    make, seen = RIGHT[name], list[Departure]()

    def fresh() -> torch.optim.Optimizer:
        return optimizer(*(torch.tensor(rate) if tensor else rate for rate in rates))

    planned = None
    if plan:  # torch's own rates; a step an epoch of three updates holds each three times
        planned = np.repeat(torch_rates(make, fresh(), steps=N), 3 if per_epoch else 1, axis=0)

    def loop(begin: int, end: int, states: tuple[dict[str, Any], dict[str, Any]] | None = None) -> tuple[Any, Any]:
        watched = fresh()
        settings: dict[str, Any] = {"planned": planned, "start": begin, "on_departure": seen.append, "every": 4}
        early = Monitor(MODEL, watched, **settings) if before else None
        scheduler = make(watched)
        if states:
            watched.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        with early or Monitor(MODEL, watched, **settings):
            for number in range(begin, end):
                for _ in range(accumulate):
                    watched.param_groups[0]["params"][0].sum().backward()
                watched.step()
                watched.zero_grad()
                if not per_epoch or number % 3 == 2:
                    scheduler.step()
        return copy.deepcopy(watched.state_dict()), copy.deepcopy(scheduler.state_dict())

    loop(stop, N, loop(0, stop) if stop else None)
    assert not seen


def test_no_alarm_for_a_rule_that_listens() -> None:
    watched, seen = optimizer(0.1), list[Departure]()
    rule = lr_scheduler.ReduceLROnPlateau(watched, patience=2)
    with Monitor(MODEL, watched, on_departure=seen.append) as watch:
        for number in range(40):
            watched.step()
            if number % 4 == 3:
                rule.step(1.0)
    assert not seen
    assert watch.rates[-1, 0] < 0.02


def test_no_alarm_where_groups_join_the_schedule() -> None:
    """By as_torch in the ratio of their own rate; by a recursion from the rate that is due."""
    plan = schedules.cosine(0.1, total_steps=N)
    for make, rate in (
        (lambda opt: schedules.as_torch(plan, opt), 0.002),
        (lambda opt: lr_scheduler.CosineAnnealingLR(opt, N), plan(10)),
        (lambda opt: lr_scheduler.CosineAnnealingLR(opt, N), plan(10) / 100),
    ):
        watched, seen = optimizer(0.1), list[Departure]()
        scheduler = make(watched)
        with Monitor(MODEL, watched, planned=plan, on_departure=seen.append) as watch:
            for number in range(N):
                watched.step()
                scheduler.step()
                if number == 9:
                    watched.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate})
        assert not seen
        assert np.isnan(watch.rates[:10, 1]).all()
        assert watch.planned_rates is not None
        assert np.allclose(watch.rates[11:, 1], watch.planned_rates[11:, 1])


@pytest.mark.parametrize("planned", [schedules.linear(0.1, total_steps=N), lambda step: 0.1 * (1 - step / N)])
def test_a_resumption_explains_what_comes_at_once_and_nothing_later(planned: Any) -> None:
    """Loaded in the middle; the update at once after it is right, and the rate leaves its plan only later."""
    watched, seen = optimizer(0.1), list[Departure]()
    with Monitor(MODEL, watched, planned=planned, on_departure=seen.append) as watch:
        for number in range(N):
            watched.param_groups[0]["lr"] = 0.1 * (1 - number / N) * (1 if number != 12 else 0.7)
            watched.step()
            if number == 7:
                watched.load_state_dict(copy.deepcopy(watched.state_dict()))
    assert [departure.step for departure in seen] == [12]
    assert "resumed" not in seen[0].why
    assert watch.planned_rates is not None
    np.testing.assert_allclose(watch.planned_rates[:, 0], 0.1 * (1 - np.arange(N) / N), rtol=1e-12)


def test_groups_find_their_ratio_where_the_first_rates_are_zero() -> None:
    watched, seen = optimizer(0.0, 0.0), list[Departure]()
    plan = schedules.warmup_linear(0.1, warmup_steps=10)
    with Monitor(MODEL, watched, planned=plan, on_departure=seen.append) as watch:
        for number in range(20):
            for group, share in zip(watched.param_groups, (1.0, 0.2), strict=False):
                group["lr"] = plan(number) * share * (1 if number != 15 else 3)
            watched.step()
            if number == 17:
                watched.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.05})
    assert [(departure.step, departure.group) for departure in seen] == [(15, 0), (15, 1)]
    assert watch.rates.shape == (20, 3)


@pytest.mark.parametrize("values", [[1.0, torch.tensor(2.0)], [torch.tensor([1.0]), torch.tensor(2.0)]])
def test_losses_of_several_kinds(values: list[Any]) -> None:
    rule = optimizer(0.1)
    with Monitor(MODEL, rule) as watch:
        for value in values:
            watch.loss(value)
            rule.step()
    assert watch.curve().loss.tolist() == [1.0, 2.0]


def test_no_alarm_where_a_careful_loop_waits_for_the_scaler() -> None:
    watched, seen = optimizer(0.1), list[Departure]()
    plan = schedules.warmup_linear(0.1, warmup_steps=6, start_factor=0.1)
    scheduler, scaler = schedules.as_torch(plan, watched), torch.amp.GradScaler("cpu")
    [weight] = watched.param_groups[0]["params"]
    with Monitor(MODEL, watched, planned=plan, on_departure=seen.append, every=1) as watch:
        for slope in [float("inf")] * 3 + [1.0] * 9:
            watched.zero_grad()
            scaler.scale(slope * weight.sum()).backward()
            scale = scaler.get_scale()
            scaler.step(watched)
            scaler.update()
            if scaler.get_scale() >= scale:
                scheduler.step()
    assert not seen
    assert watch.step == 9
    watch.loss(1.0, step=3)
    assert watch.curve().gradient_norm == pytest.approx([2**0.5])  # without the scaler's factor


# --- the training does not feel it


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.Dropout(0.2), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
    )


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "tensor rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), foreach=False),
    "tensor rate, foreach": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), foreach=False, amsgrad=True),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=4, line_search_fn="strong_wolfe"),
}


def trained(make: Callable[[Any], torch.optim.Optimizer], watched: bool, precision: str = "") -> tuple[Any, ...]:
    model = network()
    rule = make(model.parameters())
    scaler = torch.amp.GradScaler("cpu", enabled=bool(precision))
    fall = lr_scheduler.CosineAnnealingLR(rule, T_max=12)
    before = {**vars(rule)}
    plan = schedules.cosine(float(rule.param_groups[0]["lr"]), total_steps=12)
    watch = Monitor(model, rule, every=2, planned=plan, on_departure=lambda _: None) if watched else None
    losses = []
    for number in range(12):
        x, y = torch.randn(16, 5), torch.randint(3, (16,))

        def closure(x: torch.Tensor = x, y: torch.Tensor = y, number: int = number) -> torch.Tensor:
            rule.zero_grad()
            loss = cross_entropy(model(x), y)
            scaler.scale(loss * (float("inf") if precision and number in (0, 5) else 1.0)).backward()
            losses.append(loss.detach())
            return loss

        if isinstance(rule, torch.optim.LBFGS):
            rule.step(closure)
        else:
            closure()
            scaler.step(rule)
            scaler.update()
        if watch:
            watch.loss(losses[-1])
        fall.step()
    if watch:
        watch.close()
        assert watch.step == (10 if precision else 12)
        assert np.isfinite(watch.curve().gradient_norm[[0, 2]]).all()
        assert {name: value for name, value in vars(rule).items() if name not in ("state", "_opt_called")}.keys() <= {
            *before,
            "_opt_called",
        }
    state = [value for entry in rule.state.values() for value in entry.values()]
    return model.state_dict(), state, losses, torch.get_rng_state(), [p.grad for p in model.parameters()]


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("precision", ["", "scaled"])
def test_a_watched_training_is_the_same_to_the_bit(name: str, precision: str) -> None:
    if name == "LBFGS" and precision:
        pytest.skip("a GradScaler takes no closure")
    assert equal(trained(OPTIMIZERS[name], False, precision), trained(OPTIMIZERS[name], True, precision))


def test_a_fused_step_that_overflowed_is_no_update() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    rule = torch.optim.SGD([weight], lr=0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu")
    with Monitor(MODEL, rule, every=1) as watch:
        for slope in (float("inf"), 2.0):
            rule.zero_grad()
            scaler.scale(slope * weight.sum()).backward()
            scaler.step(rule)
            scaler.update()
    assert watch.step == 1
    watch.loss(1.0, step=0)
    assert watch.curve().gradient_norm == pytest.approx([2 * 3**0.5])


def test_nothing_is_left_behind() -> None:
    rule = optimizer(0.1)
    kept = {name: copy.copy(value) for name, value in vars(rule).items()}
    watch = Monitor(MODEL, rule)
    watch.close()
    watch.close()
    assert vars(rule).keys() == kept.keys()
    assert all(not hooks for name, hooks in vars(rule).items() if name.endswith("_hooks"))
    with Monitor(MODEL, rule), pytest.raises(ValueError, match="watched by one monitor at a time"):
        Monitor(MODEL, rule)
    del watch, rule
    gc.collect()


# --- what is recorded


def test_figures_are_those_of_the_definitions() -> None:
    model = torch.nn.Linear(3, 2).double()
    with torch.no_grad():
        model.bias.zero_()
    rule = torch.optim.SGD(model.parameters(), lr=0.5)
    with Monitor(model, rule, every=2) as watch:
        expected = []
        for number in range(5):
            rule.zero_grad()
            loss = (model(torch.ones(4, 3).double() * (1 + number)) - 1).square().mean()
            watch.loss(loss)
            loss.backward()
            norm = torch.linalg.vector_norm(torch.cat([p.grad.reshape(-1) for p in model.parameters()]))
            old = [p.detach().clone() for p in model.parameters()]
            rule.step()
            pairs = zip(map(torch.detach, model.parameters()), old, strict=True)
            moved = [float((p - q).norm() / q.norm()) for p, q in pairs if q.norm() > 0]
            expected.append((loss.item(), float(norm), float(np.median(moved))))
        watch.validation(0.25)
    curve = watch.curve()
    assert curve.loss == pytest.approx([row[0] for row in expected], rel=1e-6)
    for series, column in ((curve.gradient_norm, 1), (curve.update_ratio, 2)):
        assert series is not None
        assert series[::2] == pytest.approx([row[column] for row in expected[::2]], rel=1e-6)
        assert np.isnan(series[1::2]).all()
    assert curve.validation_steps is not None
    assert (curve.validation_steps.tolist(), curve.rates.tolist()) == ([5.0], [0.5] * 5)
    assert set(watch.update_ratios) == {"weight", "bias"}
    assert list(watch.update_ratios["bias"]) == [2, 4]  # a tensor of zeros has no ratio


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_loss_belongs_to_its_update_wherever_it_is_told(first: bool, batches: int) -> None:
    rule = optimizer(0.1)
    with Monitor(MODEL, rule) as watch:
        for number in range(4):
            told = [number + 0.5 * batch for batch in range(batches)]
            for value in told if first else ():
                watch.loss(torch.tensor(value))
            rule.step()
            for value in () if first else told:
                watch.loss(value)
    offset = 0.25 * (batches - 1)
    assert watch.curve().loss.tolist() == [number + offset for number in range(4)]


def test_csv(tmp_path: Path) -> None:
    rule = optimizer(0.1, 0.01)
    plan = schedules.constant(0.1)
    with Monitor(MODEL, rule, planned=plan, every=2, start=7) as watch:
        for value in (1.0, float("nan"), 3.0):
            rule.param_groups[0]["params"][0].grad = torch.ones(2)
            rule.step()
            watch.loss(value)
        watch.validation(0.5)
    watch.to_csv(tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["step", "loss", "rate", "gradient_norm", "update_ratio", "validation_loss"]
    assert [row["step"] for row in rows] == ["7", "8", "9", "10"]
    assert [row["loss"] for row in rows] == ["1.0", "nan", "3.0", ""]
    assert [row["rate_1"] for row in rows] == ["0.01", "0.01", "0.01", ""]
    assert [row["validation_loss"] for row in rows] == ["", "", "", "0.5"]
    assert float(rows[0]["gradient_norm"]) == pytest.approx(2**0.5)
    assert (rows[1]["gradient_norm"], rows[0]["planned_rate"]) == ("", "0.1")


def test_its_csv_is_read_as_the_curve_that_it_was(tmp_path: Path) -> None:
    rule = optimizer(0.1)
    with Monitor(MODEL, rule, planned=schedules.constant(0.1), every=2) as watch:
        for value in (4.0, 3.0, 2.5, 2.0):
            rule.param_groups[0]["params"][0].grad = torch.ones(2)
            watch.loss(value)
            rule.step()
            watch.validation(value + 1)
    watch.to_csv(tmp_path / "run.csv")
    told, found = watch.curve(), read(tmp_path / "run.csv")
    for part in ("steps", "loss", "rates", "gradient_norm", "update_ratio", "validation_steps", "validation_loss"):
        np.testing.assert_allclose(getattr(found, part), getattr(told, part), rtol=1e-12, err_msg=part)


def test_several_optimizers_are_watched_one_by_one() -> None:
    one, two = optimizer(0.1), optimizer(0.2)
    with Monitor(MODEL, one) as first, Monitor(MODEL, two) as second:
        for _ in range(3):
            one.step()
        two.step()
    assert (first.step, second.step) == (3, 1)


def test_a_wrapper_is_opened() -> None:
    class Wrapped:
        def __init__(self, inner: torch.optim.Optimizer) -> None:
            self.optimizer = inner

    inner = optimizer(0.1)
    with Monitor(MODEL, Wrapped(Wrapped(inner))) as watch:  # type: ignore[arg-type]
        inner.step()
    assert watch.step == 1


def test_odd_tensors() -> None:
    """Sparse gradients, half precision, complex weights, a frozen tensor and one without a gradient."""
    table = torch.nn.Embedding(10, 3, sparse=True)
    half = torch.nn.Parameter(torch.full((70_000,), 10.0, dtype=torch.float16))
    whole = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    frozen, unused = torch.nn.Parameter(torch.ones(2), requires_grad=False), torch.nn.Parameter(torch.ones(2))
    rule = torch.optim.SGD([*table.parameters(), half, whole, frozen, unused], lr=0.01)
    with Monitor(table, rule, every=1) as watch:
        loss = table(torch.tensor([1, 1, 4])).sum() + half.float().sum() + whole.abs().sum()
        watch.loss(loss)
        loss.backward()
        rule.step()
    norms = watch.curve().gradient_norm
    assert norms is not None
    assert norms[0] == pytest.approx(np.sqrt(3 * (4 + 1) + 70_000 + 2), rel=1e-3)
    assert np.isfinite(watch.curve().update_ratio).all()


def test_the_update_of_a_large_tensor_is_told_from_a_part_of_its_numbers() -> None:
    task = tasks.digits_mlp(hidden=(512, 512))
    model = initial_parameters(task.model, seed=0)
    named = dict(model.named_parameters())
    rule = torch.optim.Adam(model.parameters(), lr=0.003)
    x, y = task.train[0].float(), task.train[1]
    with Monitor(model, rule, every=1) as watch:
        for number in range(5):
            rule.zero_grad()
            loss = task.loss(model(x[64 * number :][:64]), y[64 * number :][:64])
            watch.loss(loss)
            loss.backward()
            norm = torch.linalg.vector_norm(torch.cat([p.grad.reshape(-1) for p in named.values()]))
            old = {name: p.detach().clone() for name, p in named.items()}
            rule.step()
            assert watch.curve().gradient_norm[-1] == pytest.approx(float(norm), rel=1e-5)  # of all
            for name, before in old.items():
                if float(before.norm()) > 0:
                    ratio = float((named[name].detach() - before).norm() / before.norm())
                    large = before.numel() > 131_072
                    assert watch.update_ratios[name][number] == pytest.approx(ratio, rel=0.02 if large else 1e-4)
    assert sum(p.numel() > 131_072 for p in named.values()) == 1


@pytest.mark.parametrize("shape", [(1024, 256), (768, 768), (4096, 64), (150, 3, 20, 20), (300, 1000)])
def test_the_numbers_told_from_are_spread_over_rows_and_columns(shape: tuple[int, ...]) -> None:
    weight = torch.nn.Parameter(torch.ones(shape))
    for column in range(16):
        rule = torch.optim.SGD([weight], lr=0.5)
        with torch.no_grad():
            weight.fill_(1.0)
        weight.grad = torch.zeros(shape)
        weight.grad[..., column] = 1.0
        held: list[int] = []
        with Monitor(MODEL, rule, every=1) as watch:
            rule.register_step_pre_hook(lambda *_, watch=watch, to=held: to.append(watch._sizes._before[0].numel()))
            rule.step()
        exact = 0.5 / shape[-1] ** 0.5
        assert watch.update_ratios["not of the model"][0] == pytest.approx(exact, rel=0.03)
        assert 20_000 < held[0] < 131_072


def test_a_large_tensor_that_lies_otherwise_in_memory_is_told_from_whole() -> None:
    weight = torch.nn.Parameter(torch.ones(600, 500).T)
    weight.grad = torch.zeros(500, 600)
    weight.grad[3, 7] = 1.0
    rule = torch.optim.SGD([weight], lr=1.0)
    with Monitor(MODEL, rule, every=1) as watch:
        rule.step()
    assert watch.update_ratios["not of the model"][0] == pytest.approx(1 / 300_000**0.5, rel=1e-3)


def test_nothing_to_train() -> None:
    rule = torch.optim.SGD([torch.nn.Parameter(torch.ones(2), requires_grad=False)], lr=0.1)
    with Monitor(MODEL, rule, every=1) as watch:
        rule.step()
        watch.loss(1.0)
    assert np.isnan(watch.curve().update_ratio).all()


def test_a_raise_stops_before_the_wrong_update() -> None:
    rule = optimizer(0.1)
    [weight] = rule.param_groups[0]["params"]

    def stop(departure: Departure) -> None:
        raise RuntimeError(str(departure))

    with Monitor(MODEL, rule, planned=schedules.step_decay(0.1, step_size=2), on_departure=stop) as watch:
        for _ in range(2):
            weight.grad = torch.ones(2)
            rule.step()
        with pytest.raises(RuntimeError, match=r"update 2, group 0: planned 0\.01, used 0\.1: the rate did not move"):
            rule.step()
    assert watch.step == 2
    assert weight.tolist() == pytest.approx([-0.2, -0.2])


def test_it_warns_by_default() -> None:
    rule = optimizer(0.1)
    with Monitor(MODEL, rule, planned=schedules.constant(0.2)), pytest.warns(UserWarning, match=r"0.5 × the plan"):
        rule.step()
    with warnings.catch_warnings(), Monitor(MODEL, rule, planned=schedules.constant(0.1)):
        warnings.simplefilter("error")
        rule.step()


# --- what can be said without a plan


def signs(loop: Callable[[torch.optim.Optimizer, Monitor], None]) -> list[Departure]:
    rule, seen = optimizer(0.1), list[Departure]()
    with Monitor(MODEL, rule, on_departure=seen.append) as watch:
        loop(rule, watch)
    assert all(departure.planned is None for departure in seen)
    return seen


def steps(rule: torch.optim.Optimizer, updates: int, *drivers: Any, times: int = 1) -> None:
    for _ in range(updates):
        rule.step()
        for driver in drivers:
            for _ in range(times):
                driver.step()


def test_signs_without_a_plan() -> None:
    def told(loop: Callable[[torch.optim.Optimizer, Monitor], None]) -> tuple[int, str]:
        [departure] = signs(loop)
        return departure.step, departure.why

    def never(rule: torch.optim.Optimizer, _: Monitor) -> None:
        scheduler = lr_scheduler.StepLR(rule, 3)
        steps(rule, 120)
        del scheduler

    assert told(lambda rule, _: never(rule, _))[1].startswith("StepLR was not stepped in 120 updates")

    def often(rule: torch.optim.Optimizer, _: Monitor) -> None:
        steps(rule, 9, lr_scheduler.ExponentialLR(rule, 0.9), times=4)

    assert told(often) == (2, "the scheduler is stepped 4 times an update: right only if its lengths count so")

    def climbs(rule: torch.optim.Optimizer, _: Monitor) -> None:
        steps(rule, 14, lr_scheduler.CosineAnnealingLR(rule, 10))

    assert told(climbs) == (11, "CosineAnnealingLR(T_max=10) climbs again past its end, at step 11")

    def ascends(rule: torch.optim.Optimizer, _: Monitor) -> None:
        cycle = lr_scheduler.OneCycleLR(rule, 0.1, total_steps=9, anneal_strategy="linear", cycle_momentum=False)
        steps(rule, 9, cycle)
        rule.step()

    assert told(ascends)[0] == 9

    def stops(rule: torch.optim.Optimizer, _: Monitor) -> None:
        steps(rule, 9, lr_scheduler.LinearLR(rule, 1.0, 0.0, total_iters=4))

    assert told(stops) == (5, "the rate has come to 0: nothing is learned from here on")

    def anew(rule: torch.optim.Optimizer, _: Monitor) -> None:
        steps(rule, 8, lr_scheduler.LambdaLR(rule, lambda step: min(1.0, (step + 1) / 5)))
        rule.param_groups[0]["lr"] = rule.param_groups[0]["initial_lr"]
        steps(rule, 8, lr_scheduler.LambdaLR(rule, lambda step: min(1.0, (step + 1) / 5)))

    assert told(anew)[1].startswith("the warm-up begins anew")

    def late(rule: torch.optim.Optimizer, _: Monitor) -> None:
        scheduler = lr_scheduler.ExponentialLR(rule, 0.5)
        steps(rule, 3, scheduler)
        state = copy.deepcopy(rule.state_dict())
        steps(rule, 3, scheduler)
        rule.load_state_dict(state)
        rule.param_groups[0]["lr"] = 0.1
        rule.step()

    assert told(late)[1].startswith("the loaded state brought 0.0125")


def test_a_scheduler_that_disagrees_with_its_optimizer() -> None:
    first = optimizer(0.1)
    scheduler = lr_scheduler.ExponentialLR(first, 0.5)
    steps(first, 3, scheduler)
    rule, seen = optimizer(0.1), list[Departure]()
    other = lr_scheduler.ExponentialLR(rule, 0.5)
    other.load_state_dict(scheduler.state_dict())  # the optimizer's own state is forgotten
    with Monitor(MODEL, rule, on_departure=seen.append, start=3):
        steps(rule, 3, other)
    assert [departure.step for departure in seen] == [3]
    assert "ExponentialLR says 0.0125" in seen[0].why


# --- errors


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"planned": "cosine"}, TypeError, "planned must be a Schedule"),
        ({"planned": 0.1}, TypeError, "planned must be a Schedule"),
        ({"planned": lambda step: "0.1"}, TypeError, "planned must be a Schedule"),
        ({"planned": lr_scheduler.StepLR(optimizer(0.1), 3)}, TypeError, "torch_rates gives"),
        ({"planned": np.full((3, 2, 2), 0.1)}, ValueError, "planned must be a Schedule"),
        ({"planned": [schedules.constant(0.1)] * 3}, ValueError, "one for each of the 1 parameter groups"),
        ({"every": 0}, ValueError, "every must be an integer >= 1"),
        ({"every": 2.0}, TypeError, "every must be an integer"),
        ({"start": -1}, ValueError, "start must be an integer >= 0"),
        ({"tolerance": 0}, ValueError, "tolerance must be"),
        ({"on_departure": 3}, TypeError, "on_departure must be callable"),
        ({"optimizer": MODEL.parameters()}, TypeError, r"optimizer must be a torch\.optim\.Optimizer"),
        ({"model": [1]}, TypeError, r"model must be a torch\.nn\.Module"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    whole = {"model": MODEL, "optimizer": optimizer(0.1), **arguments}
    with pytest.raises(error, match=message):
        Monitor(whole.pop("model"), whole.pop("optimizer"), **whole)


def test_no_curve_without_losses() -> None:
    rule = optimizer(0.1)
    with Monitor(MODEL, rule) as watch:
        rule.step()
    with pytest.raises(ValueError, match=r"hand each update's to loss\(\)"):
        watch.curve()
