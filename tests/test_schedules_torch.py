"""A torch optimizer driven by a schedule uses exactly the schedule's rates."""

import io

import numpy as np
import pytest
import torch

from lrlib.schedules import (
    as_torch,
    constant,
    cool_down,
    cosine,
    cyclic,
    exponential,
    inverse_square_root,
    linear,
    one_cycle,
    torch_rates,
    warm_restarts,
    with_warmup,
)

pytestmark = pytest.mark.filterwarnings("error")

SCHEDULES = [
    with_warmup(cosine(0.3, total_steps=150), warmup_steps=20),
    one_cycle(0.7, total_steps=180),
    warm_restarts(0.1, T_0=7, T_mult=2),
    cyclic(0.0, max_lr=0.3, step_size_up=11, mode="triangular2"),
    constant(0.0),
]


def parameter() -> torch.Tensor:
    return torch.zeros(1, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_the_rates_used_are_the_schedule(schedule):
    weight = parameter()
    optimizer = torch.optim.SGD([weight], lr=123.0)
    scheduler = as_torch(schedule, optimizer)
    used = []
    for _ in range(200):
        with torch.no_grad():
            weight.zero_()
        weight.grad = -torch.ones_like(weight)  # so that one update moves the weight from 0 by the rate itself
        optimizer.step()
        scheduler.step()
        used.append(weight.item())
    np.testing.assert_array_equal(used, schedule(np.arange(200)))


def test_every_group_and_every_optimizer_follows():
    schedule = exponential(0.5, gamma=0.9)
    groups = [{"params": [parameter()], "lr": 1.0}, {"params": [parameter()], "lr": 7.0}]
    optimizer = torch.optim.AdamW(groups)
    scheduler = as_torch(schedule, optimizer)
    for step in range(50):
        assert scheduler.get_last_lr() == [schedule(step) * (1.0 / 7.0), schedule(step)]
        optimizer.step()
        scheduler.step()


def test_one_schedule_for_each_group():
    each = [constant(0.3), exponential(0.5, gamma=0.9)]
    optimizer = torch.optim.SGD([{"params": [parameter()], "lr": lr} for lr in (1.0, 7.0)])
    scheduler = as_torch(each, optimizer)
    for step in range(5):
        assert [group["lr"] for group in optimizer.param_groups] == [schedule(step) for schedule in each]
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="schedule must be one for each of the 2 parameter groups, but got"):
        as_torch(each[:1], optimizer)
    with pytest.raises(TypeError, match=r"schedule\[1\] must be a Schedule, but got 0.1"):
        as_torch([each[0], 0.1], optimizer)
    optimizer.add_param_group({"params": [parameter()]})
    optimizer.step()
    before = [group["lr"] for group in optimizer.param_groups]
    with pytest.raises(ValueError, match="optimizer must be left with 2 groups, one a schedule"):
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == before


def test_a_group_that_is_added_later_keeps_its_ratio():
    schedule = linear(0.1, total_steps=10)
    optimizer = torch.optim.SGD([parameter()], lr=2.0)
    scheduler = as_torch(schedule, optimizer)
    for step in range(10):
        if step == 3:
            optimizer.add_param_group({"params": [parameter()], "lr": 0.5})
        if step == 5:
            optimizer.add_param_group({"params": [parameter()]})  # at the rate that the optimizer was made with
        optimizer.step()
        scheduler.step()
        ratios = [1.0, 0.25, 1.0][: len(optimizer.param_groups)]
        assert [group["lr"] for group in optimizer.param_groups] == [schedule(step + 1) * ratio for ratio in ratios]
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0, 0.0]


def test_a_group_that_is_added_before_the_scheduler_steps_is_never_used_at_another_rate():
    schedule = linear(0.1, total_steps=10)
    optimizer = torch.optim.SGD([parameter()], lr=2.0)
    scheduler = as_torch(schedule, optimizer)
    for step in range(10):
        assert {group["lr"] for group in optimizer.param_groups} == {schedule(step)}
        optimizer.step()
        if step == 3:
            optimizer.add_param_group({"params": [parameter()], "lr": 2.0})
        scheduler.step()
    assert len(optimizer.param_groups) == 2


LATER = {
    "LambdaLR": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1.0),
    "warm restarts": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=5),
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=5),
}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("loaded", [False, True])
def test_a_scheduler_made_later_starts_at_the_rate_in_use(later, loaded):
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = as_torch(linear(0.1, total_steps=20), optimizer)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    assert set(optimizer.param_groups[0]) == set(torch.optim.SGD([parameter()], lr=1.0).param_groups[0])
    if loaded:
        fresh = torch.optim.SGD([parameter()], lr=1.0)
        fresh.load_state_dict(optimizer.state_dict())
        optimizer = fresh
    assert LATER[later](optimizer).get_last_lr() == [0.05]
    optimizer.step()


def test_what_another_scheduler_left_behind_stays():
    optimizer = torch.optim.SGD([parameter()], lr=0.3)
    torch.optim.lr_scheduler.StepLR(optimizer, step_size=5)
    as_torch(constant(0.1), optimizer)
    assert optimizer.param_groups[0]["initial_lr"] == 0.3


def test_a_rate_held_in_a_tensor_stays_the_same_tensor():
    rate = torch.tensor(1.0, dtype=torch.float64)
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = as_torch(exponential(0.5, gamma=0.9), optimizer)
    for step in range(5):
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == exponential(0.5, gamma=0.9)(step)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("how", [{"fused": True}, {"foreach": False}])
def test_compiled_optimizers_keep_their_rate_in_a_tensor(shape, how):
    rate, plan = torch.full(shape, 1e-3), cosine(1e-3, total_steps=10)
    weight = parameter()
    weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.Adam([weight], lr=rate, **how)
    used = torch_rates(as_torch(plan, optimizer), optimizer, steps=10)[:, 0]
    np.testing.assert_allclose(used, plan(np.arange(10)), rtol=1e-6)
    assert optimizer.param_groups[0]["lr"] is rate


def test_a_second_schedule_replaces_the_first():
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    as_torch(constant(0.25), optimizer)
    as_torch(constant(0.5), optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5


ORDERS = ["make, optimizer, scheduler", "make, scheduler, optimizer", "optimizer, make, scheduler"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tensor", [False, True])
def test_resuming_in_any_order_makes_no_update_at_another_rate(order, tensor):
    schedule = SCHEDULES[0]

    def make():
        rates = [torch.tensor(lr, dtype=torch.float64) if tensor else lr for lr in (1.0, 0.125)]
        return torch.optim.SGD([{"params": [parameter()], "lr": rate} for rate in rates])

    optimizer = make()
    scheduler = as_torch(schedule, optimizer)
    for _ in range(37):
        optimizer.step()
        scheduler.step()
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    optimizer = make()
    for part in order.split(", "):
        if part == "make":
            scheduler = as_torch(schedule, optimizer)
        else:
            {"optimizer": optimizer, "scheduler": scheduler}[part].load_state_dict(saved[part])
    used = torch_rates(scheduler, optimizer, steps=160)
    np.testing.assert_array_equal(used, np.outer(schedule(np.arange(37, 197)), [1.0, 0.125]))


def test_ratios_outlive_a_rate_of_zero():
    schedule, longer = linear(0.1, total_steps=4), constant(0.1)
    optimizer = torch.optim.SGD([{"params": [parameter()], "lr": lr} for lr in (1.0, 0.5)])
    torch_rates(scheduler := as_torch(schedule, optimizer), optimizer, steps=5)
    state = optimizer.state_dict()
    assert [group["lr"] for group in state["param_groups"]] == [0.0, 0.0]
    fresh = torch.optim.SGD([{"params": [parameter()], "lr": lr} for lr in (1.0, 0.5)])
    fresh.load_state_dict(state)
    resumed = as_torch(longer, fresh)
    resumed.load_state_dict(scheduler.state_dict())
    assert resumed.last_epoch == 4
    assert [group["lr"] for group in fresh.param_groups] == [0.1, 0.05]


def test_a_branch_goes_on_from_the_trunks_checkpoint():
    trunk = inverse_square_root(0.1, warmup_steps=10)
    branch = cool_down(trunk, from_step=30, steps=10, shape="1-sqrt")
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = as_torch(trunk, optimizer)
    for _ in range(30):
        optimizer.step()
        scheduler.step()
    state = scheduler.state_dict()
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = as_torch(branch, optimizer)
    scheduler.load_state_dict(state)
    np.testing.assert_array_equal(torch_rates(scheduler, optimizer, steps=12)[:, 0], branch(np.arange(30, 42)))


def test_the_ledger_of_a_torch_scheduler():
    def recorded(tensor, make, steps):
        rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
        weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
        weight.grad = torch.ones_like(weight)
        optimizer = torch.optim.SGD(
            [{"params": [weight]}, {"params": [parameter()], "lr": 0.01}], lr=rate, momentum=0.9
        )
        used = torch_rates(make(optimizer) if tensor else make, optimizer, steps=steps)
        assert weight.item() == weight.grad.item() == 1.0
        return used

    for tensor in (False, True):
        used = recorded(tensor, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.5), 5)
        np.testing.assert_allclose(used, np.outer(0.5 ** np.arange(5), [0.1, 0.01]), rtol=1e-12)
    one = recorded(
        False, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20), 20
    )  # not one call more
    np.testing.assert_allclose(one[:, 0], one_cycle(0.1, total_steps=20)(np.arange(20)), rtol=1e-12)
    optimizer = torch.optim.SGD([parameter()], lr=0.1, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
    assert torch_rates(cycle, optimizer, steps=20, key="momentum").min() == pytest.approx(0.85)
    third = torch_rates(torch.optim.lr_scheduler.LinearLR, torch.optim.SGD([parameter()], lr=0.3), steps=2)
    assert third[0, 0] == pytest.approx(0.1)


def test_the_ledger_of_a_group_that_came_later():
    class Unfreezing:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def step(self):
            self.optimizer.add_param_group({"params": [parameter()], "lr": 0.5})

    used = torch_rates(Unfreezing, torch.optim.SGD([parameter()], lr=0.1), steps=3)
    np.testing.assert_array_equal(used, [[0.1, np.nan, np.nan], [0.1, 0.5, np.nan], [0.1, 0.5, 0.5]])


def test_bad_input():
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    with pytest.raises(TypeError, match=r"^schedule must be a Schedule, but got 0.1$"):
        as_torch(0.1, optimizer)
    with pytest.raises(TypeError, match=r"^optimizer must be a torch.optim.Optimizer, but got 'SGD'$"):
        as_torch(constant(0.1), "SGD")
    assert optimizer.param_groups[0]["lr"] == 1.0
    with pytest.raises(TypeError, match=r"optimizer must be a torch\.optim\.Optimizer"):
        torch_rates(constant(0.1), "SGD", steps=3)
    with pytest.raises(TypeError, match=r"scheduler must be callable, but got 0\.1"):
        torch_rates(0.1, optimizer, steps=3)
    with pytest.raises(ValueError, match="steps must be an integer >= 1, but got 0"):
        torch_rates(LATER["step"], torch.optim.SGD([parameter()], lr=1.0), steps=0)
    with pytest.raises(ValueError, match=r"key must be a setting of the optimizer's groups, .* but got 'beta'"):
        torch_rates(LATER["step"], torch.optim.SGD([parameter()], lr=1.0), steps=2, key="beta")
    other = torch.optim.SGD([parameter()], lr=1.0)
    with pytest.raises(ValueError, match="scheduler must be one that drives this optimizer"):
        torch_rates(LATER["step"](other), optimizer, steps=2)
    assert "initial_lr" not in optimizer.param_groups[0]
