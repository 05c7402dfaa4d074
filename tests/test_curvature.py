"""Sharpness against Hessians that are known, or formed whole."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import tasks, training
from lrlib.diagnostics import curvature as module
from lrlib.diagnostics import hessian_eigenvalues, run_sharpness, sharpness


class Quadratic(nn.Module):
    def __init__(self, spectrum):
        super().__init__()
        turn = np.linalg.qr(np.random.default_rng(0).standard_normal((len(spectrum),) * 2))[0]
        self.register_buffer("hessian", torch.from_numpy(turn @ np.diag(spectrum) @ turn.T))
        self.point = nn.Parameter(torch.ones(len(spectrum), dtype=torch.float64))

    def forward(self, inputs):
        return 0.5 * self.point @ self.hessian @ self.point + 0 * inputs.sum()


def first(outputs, targets):
    return outputs


NOTHING = torch.zeros(1, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_quadratics_spectrum_is_found(size):
    spectrum = np.linspace(-3, 2, size) if size > 1 else np.array([2.0])
    model = Quadratic(spectrum)
    assert sharpness(model, first, NOTHING, NOTHING) == pytest.approx(2, rel=1e-4)
    found = {w: hessian_eigenvalues(model, first, NOTHING, NOTHING, which=w)[0] for w in ("SA", "LM")}
    assert found == pytest.approx({"SA": spectrum.min(), "LM": spectrum[np.abs(spectrum).argmax()]}, rel=1e-4)


def test_all_copies_of_a_multiple_eigenvalue_are_found():
    model = Quadratic(np.concatenate([np.full(3, 5.0), np.linspace(0, 1, 97)]))
    found = hessian_eigenvalues(model, first, NOTHING, NOTHING, count=4)
    assert found == pytest.approx([5, 5, 5, 1], rel=1e-3)


@pytest.mark.parametrize("dense_up_to", [0, 10_000])
def test_a_network_against_its_whole_hessian(dense_up_to, monkeypatch):
    monkeypatch.setattr(module, "DENSE_UP_TO", dense_up_to)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 3)).double()
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randint(3, (20,))
    names = [name for name, _ in model.named_parameters()]
    point = torch.cat([p.detach().flatten() for p in model.parameters()])

    def flat_loss(flat):
        pieces = flat.split([p.numel() for p in model.parameters()])
        shaped = {n: f.view_as(p) for n, f, p in zip(names, pieces, model.parameters(), strict=True)}
        return tasks.cross_entropy(torch.func.functional_call(copy.deepcopy(model).eval(), shaped, (x,)), y)

    expected = np.linalg.eigvalsh(torch.autograd.functional.hessian(flat_loss, point).numpy())
    assert sharpness(model, tasks.cross_entropy, x, y) == pytest.approx(expected[-1], rel=1e-4)
    lowest = hessian_eigenvalues(model, tasks.cross_entropy, x, y, count=2, which="SA")
    assert lowest == pytest.approx(expected[:2], rel=1e-3)


def test_the_model_and_the_random_state_are_left_as_they_were():
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 10))
    model[0].bias.requires_grad_(False)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    x, y = tasks.digits_mlp().train
    sharpness(model, tasks.cross_entropy, x, y)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_a_diverged_point_has_no_curvature():
    task = tasks.digits_mlp(hidden=(8,))
    run = training.train(task, learning_rate=1e6, steps=5)
    parameters = {name: torch.full_like(value, torch.nan) for name, value in run.parameters.items()}
    assert np.isnan(run_sharpness(task, parameters))


def test_a_linear_loss_is_flat():
    model = nn.Linear(100, 1)
    assert sharpness(model, lambda outputs, _: outputs.sum(), torch.ones(3, 100), torch.ones(3)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "net"}, r"model must be a torch.nn.Module, but got 'net'"),
        ({"which": "BE"}, "which must be one of 'LA', 'SA', 'LM'"),
        ({"count": 0}, "count must be an integer >= 1"),
        ({"count": 31}, "count must be an integer >= 1 and <= 30"),
        ({"tolerance": 0}, "tolerance must be a finite number > 0"),
        ({"model": nn.Linear(2, 10).requires_grad_(False)}, "parameters that require a gradient"),
    ],
)
def test_what_is_refused(change, message):
    arguments = {"model": nn.Linear(2, 10), "loss": tasks.cross_entropy} | change
    arguments |= {"inputs": torch.ones(3, 2), "targets": torch.zeros(3, dtype=torch.int64)}
    with pytest.raises((ValueError, TypeError), match=message):
        hessian_eigenvalues(**arguments)
