"""A torch optimizer driven by a schedule uses exactly the schedule's rates."""

import io

import numpy as np
import pytest
import torch

from lrlib.schedules import as_torch, constant, cosine, cyclic, exponential, one_cycle, warm_restarts, with_warmup

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
        assert scheduler.get_last_lr() == [schedule(step)] * 2
        optimizer.step()
        scheduler.step()


def test_a_rate_held_in_a_tensor_stays_the_same_tensor():
    rate = torch.tensor(1.0, dtype=torch.float64)
    optimizer = torch.optim.SGD([parameter()], lr=rate)
    scheduler = as_torch(exponential(0.5, gamma=0.9), optimizer)
    for step in range(5):
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == exponential(0.5, gamma=0.9)(step)
        optimizer.step()
        scheduler.step()


def test_a_second_schedule_replaces_the_first():
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    as_torch(constant(0.25), optimizer)
    as_torch(constant(0.5), optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_resuming_from_a_checkpoint():
    schedule = SCHEDULES[0]
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = as_torch(schedule, optimizer)
    for _ in range(37):
        optimizer.step()
        scheduler.step()
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    scheduler = as_torch(schedule, optimizer)
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    for step in range(37, 200):
        assert optimizer.param_groups[0]["lr"] == schedule(step)
        optimizer.step()
        scheduler.step()


def test_bad_input():
    optimizer = torch.optim.SGD([parameter()], lr=1.0)
    with pytest.raises(TypeError, match=r"^schedule must be a Schedule, but got 0.1$"):
        as_torch(0.1, optimizer)
    with pytest.raises(TypeError, match=r"^optimizer must be a torch.optim.Optimizer, but got 'SGD'$"):
        as_torch(constant(0.1), "SGD")
    assert optimizer.param_groups[0]["lr"] == 1.0
    assert "initial_lr" not in optimizer.param_groups[0]
