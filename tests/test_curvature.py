"""Sharpness against known spectra, whole Hessians, and what it must leave alone."""

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrlib import models, tasks, training, updates
from lrlib.diagnostics import curvature, hessian_eigenvalues, preconditioner, run_sharpness, sharpness
from lrlib.models import initial_parameters

NOTHING = torch.zeros(1)


class Bowl(nn.Module):
    """Its output is ½ Σ λ_i w_i² in a rotated basis, so its Hessian has the eigenvalues λ."""

    def __init__(self, eigenvalues: Any) -> None:
        super().__init__()
        count = len(eigenvalues)
        noise = torch.randn(count, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        self.register_buffer("basis", torch.linalg.qr(noise)[0])
        self.register_buffer("spectrum", torch.as_tensor(np.asarray(eigenvalues), dtype=torch.float64))
        self.weight = nn.Parameter(torch.ones(count, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return 0.5 * (self.spectrum * (self.basis @ self.weight).square()).sum()  # type: ignore[operator]


def output(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs


def of_bowl(eigenvalues: Any, **settings: Any) -> np.ndarray:
    return hessian_eigenvalues(Bowl(eigenvalues), output, NOTHING, NOTHING, **{"tolerance": 1e-8} | settings)


MIXED = np.linspace(-3.0, 2.0, 120)
SPECTRA = {
    "few": [3.0, 2.0, 1.0],
    "convex": np.linspace(0.1, 10, 150),
    "saddle": MIXED,
    "tilted saddle": [-9.0, *MIXED, 4.0],
    "concave": -np.linspace(1.0, 5.0, 100),
    "all the same": [2.0] * 90,
    "triple": [5.0, 5.0, 5.0, 4.0, *np.linspace(0.1, 3.0, 100)],
    "flat but for two": [7.0, *[0.0] * 100, -1.0],
}


@pytest.mark.parametrize("which", ["LA", "SA", "LM"])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_extreme_eigenvalues_of_a_known_spectrum(name: str, which: str) -> None:
    values = np.asarray(SPECTRA[name])
    expected = values[np.argsort({"LA": -values, "SA": values, "LM": -abs(values)}[which], kind="stable")]
    count = min(5, len(values))
    found = of_bowl(values, which=which, count=count)
    order = np.abs if which == "LM" and name == "saddle" else np.asarray  # ties between signs
    np.testing.assert_allclose(order(found), order(expected[:count]), rtol=1e-6, atol=1e-8)
    assert of_bowl(values, which=which)[0] == pytest.approx(found[0], rel=1e-6, abs=1e-8)


def test_all_copies_of_a_multiple_eigenvalue_are_found() -> None:
    """Asked for all at once, scipy's routine returns 4 for a 5 in most of these."""
    for seed in range(20):
        g = np.random.default_rng(seed)
        copies = int(g.integers(2, 5))
        values = np.concatenate([[5.0] * copies, [4.0], g.uniform(0, 3, g.integers(80, 300))])
        np.testing.assert_allclose(of_bowl(values, count=copies + 1, tolerance=1e-3), [*[5.0] * copies, 4.0], rtol=1e-3)


@pytest.mark.parametrize("count", [12, 120])  # the whole Hessian, and Lanczos' method
def test_the_preconditioned_sharpness_is_that_of_the_scaled_hessian(count: int) -> None:
    bowl = Bowl(np.linspace(-1.0, 4.0, count))
    scale = torch.linspace(0.01, 3.0, count, dtype=torch.float64)[torch.randperm(count)]
    whole = bowl.basis.T @ torch.diag(bowl.spectrum) @ bowl.basis  # type: ignore[operator, arg-type]
    expected = torch.linalg.eigvalsh(whole / torch.sqrt(torch.outer(scale, scale))).max()
    found = sharpness(bowl, output, NOTHING, NOTHING, preconditioner={"weight": scale}, tolerance=1e-8)
    assert found == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("side", [0.98, 1.02])
def test_a_rule_that_divides_by_it_is_stable_below_two_over_the_rate(side: float) -> None:
    bowl = Bowl(np.linspace(0.1, 4.0, 60))
    scale = torch.linspace(0.05, 3.0, 60, dtype=torch.float64)
    rate = side * 2 / sharpness(bowl, output, NOTHING, NOTHING, preconditioner={"weight": scale}, tolerance=1e-8)
    for _ in range(2000):
        [gradient] = torch.autograd.grad(bowl(NOTHING), [bowl.weight])
        bowl.weight.data -= rate * gradient / scale
    assert (bowl(NOTHING).item() < 1e-3) == (side < 1)


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (partial(torch.optim.Adam, lr=0.01), updates.adam()),
        (partial(torch.optim.Adam, lr=0.01, amsgrad=True), updates.amsgrad()),
        (partial(torch.optim.RMSprop, lr=0.01), updates.rmsprop()),
        (partial(torch.optim.Adagrad, lr=0.01), updates.adagrad()),
    ],
)
def test_the_preconditioner_of_a_torch_optimizer_is_what_the_rule_divides_by(optimizer: Any, rule: Any) -> None:
    task = tasks.digits_mlp(hidden=(8,))
    settings = {"learning_rates": [0.01], "rule": rule, "steps": 7, "batch_size": 64, "dtype": torch.float64}
    stack = training.start(task, **settings)
    stack.advance(7)
    model = initial_parameters(task.model, seed=0).double()
    made = optimizer(model.parameters())
    x, y = task.train
    for rows in tasks.batch_order(len(x), batch_size=64, steps=7, seed=0):
        made.zero_grad()
        task.loss(model(x[rows].double()), y[rows]).backward()
        made.step()
    flat = torch.cat([p.flatten() for p in preconditioner(model, made).values()])
    effective = stack.effective_rates()[0]
    known = ~effective.isnan()
    torch.testing.assert_close(0.01 / effective[known], flat[known], rtol=1e-6, atol=0)


def test_what_cannot_precondition_is_named() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"optimizer must be torch\.optim's Adam"):
        preconditioner(model, torch.optim.SGD(model.parameters()))
    with pytest.raises(ValueError, match="one that has made a step with 'weight'"):
        preconditioner(model, torch.optim.Adam(model.parameters()))
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        preconditioner(3, torch.optim.Adam(model.parameters()))  # type: ignore[arg-type]
    bowl = Bowl([1.0, 2.0])
    with pytest.raises(ValueError, match="preconditioner must be tensors by name"):
        sharpness(bowl, output, NOTHING, NOTHING, preconditioner={"weight": torch.ones(3)})
    with pytest.raises(ValueError, match="preconditioner must be finite numbers above 0"):
        sharpness(bowl, output, NOTHING, NOTHING, preconditioner={"weight": torch.zeros(2)})


def test_all_eigenvalues_of_a_bowl() -> None:
    np.testing.assert_allclose(of_bowl(MIXED, count=120), MIXED[::-1], atol=1e-9)


class Odd(nn.Module):
    """Batch normalization, dropout, a frozen layer, one that the loss does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.norm, self.drop = nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.last, self.unused = nn.Linear(8, 10), nn.Linear(3, 2)
        self.frozen.requires_grad_(False)
        self.always = 0.1  # dropped out in either mode

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.drop(torch.tanh(self.norm(self.frozen(x)))), self.always))


def nets() -> dict[str, tasks.Task]:
    digits = tasks.digits_mlp()
    few = tuple(part[:60] for part in digits.train)

    return {
        "relu": tasks.digits_mlp(hidden=(4,)),
        "tanh": tasks.digits_mlp(hidden=(4,), activation="tanh"),
        "cnn": tasks.digits_cnn(channels=(2, 2)),
        "fused attention": tasks.Task("fused", Fused, few, few, digits.loss),  # type: ignore[arg-type]
    }


class Fused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.last = nn.Linear(8, 12), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.inside(x.unflatten(1, (8, 8))).chunk(3, -1)
        return self.last(F.scaled_dot_product_attention(q, k, v).flatten(1))


@pytest.mark.parametrize("name", nets())
def test_a_network_against_its_whole_hessian(name: str) -> None:
    task = nets()[name]
    model = initial_parameters(task.model, seed=3).double()
    x, y = task.train[0][:40], task.train[1][:40]
    names, shapes = zip(*((n, p.shape) for n, p in model.named_parameters()), strict=True)

    def flat_loss(flat: Tensor) -> Tensor:
        pieces = [part.view(s) for part, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
        given = x.double() if x.is_floating_point() else x
        outputs = torch.func.functional_call(model, dict(zip(names, pieces, strict=True)), (given,))
        return task.loss(outputs, y)

    flat = nn.utils.parameters_to_vector(model.parameters()).detach()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        slope = torch.func.grad(flat_loss)
        whole = torch.stack([torch.func.jvp(slope, (flat,), (e,))[1] for e in torch.eye(len(flat)).double()])
    values = np.linalg.eigvalsh(whole.numpy())
    for which, expected in (("LA", values[::-1][:3]), ("SA", values[:3])):
        found = hessian_eigenvalues(model, task.loss, x, y, count=3, which=which, tolerance=1e-7)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    single = model.float()
    assert sharpness(single, task.loss, x, y) == pytest.approx(values[-1], rel=1e-3)


def test_frozen_parameters_dropout_and_batch_statistics_are_left_out() -> None:
    model = initial_parameters(Odd, seed=0).double()
    model.norm.running_var.fill_(4.0)  # type: ignore[union-attr,operator]
    x, y = (part[:50] for part in tasks.digits_mlp().train)
    model.always = 0.0  # type: ignore[assignment]
    plain = copy.deepcopy(model).eval()
    trained = [*plain.norm.parameters(), *plain.last.parameters()]  # type: ignore[operator,union-attr]
    slopes = torch.autograd.grad(tasks.cross_entropy(plain(x), y), trained, create_graph=True)
    slope = torch.cat([s.flatten() for s in slopes])
    rows = [torch.autograd.grad(entry, trained, retain_graph=True) for entry in slope]
    whole = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
    expected = float(torch.linalg.eigvalsh(whole)[-1])
    assert sharpness(model, tasks.cross_entropy, x, y, tolerance=1e-8) == pytest.approx(expected, rel=1e-7)


def test_what_draws_in_evaluation_too_draws_the_same() -> None:
    model = initial_parameters(Odd, seed=0)
    x, y = (part[:50] for part in tasks.digits_mlp().train)
    first = sharpness(model, tasks.cross_entropy, x, y)
    torch.rand(1)
    assert sharpness(model, tasks.cross_entropy, x, y) == first


def test_model_gradients_modes_and_random_state_are_left_as_they_were() -> None:
    model = Odd()
    model.drop.eval()
    x, y = (part[:50] for part in tasks.digits_mlp().train)
    tasks.cross_entropy(model(x.float()), y).backward()
    before = copy.deepcopy(model.state_dict())
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    hessian_eigenvalues(model, tasks.cross_entropy, x, y, count=2)
    assert torch.equal(state, torch.get_rng_state())
    assert dtype == torch.get_default_dtype()
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for name, parameter in model.named_parameters():
        was = gradients[name]
        assert (parameter.grad is None) if was is None else torch.equal(parameter.grad, was)  # type: ignore[arg-type]


def test_the_mode_is_put_back_after_a_failure() -> None:
    model = Odd()
    with pytest.raises(RuntimeError):
        sharpness(model, tasks.cross_entropy, torch.ones(2, 3), torch.zeros(2, dtype=torch.int64))
    assert model.training


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30])
@pytest.mark.parametrize("hidden", [(2,), (16,)])
def test_a_run_that_diverged_has_no_curvature(value: float, hidden: tuple[int, ...]) -> None:
    model = models.mlp((64, *hidden, 10))
    nn.init.constant_(next(model.parameters()), value)
    x, y = (part[:20] for part in tasks.digits_mlp().train)
    square = hessian_eigenvalues(model, lambda o, t: o.square().square().mean(), x, y, count=2)
    np.testing.assert_array_equal(square, [np.nan, np.nan])


@pytest.mark.parametrize("width", [2, 200])
def test_a_linear_loss_is_flat(width: int) -> None:
    line = nn.Linear(width, 1)
    assert sharpness(line, lambda o, t: o.mean(), torch.ones(3, width), NOTHING) == 0
    assert sharpness(line, lambda o, t: t.mean(), torch.ones(3, width), NOTHING) == 0  # does not depend on the model


def test_inputs_may_be_a_tuple_or_a_dictionary() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.weight * (left + right)

    one = torch.ones(4, 1)
    for inputs in ((one, 2 * one), {"left": one, "right": 2 * one}):
        assert sharpness(Sum(), F.mse_loss, inputs, one) == pytest.approx(18)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_run_of_a_sweep_has_the_sharpness_of_its_model(dtype: torch.dtype) -> None:
    task = tasks.digits_mlp(hidden=(8,))
    run = training.sweep(task, learning_rates=[0.01, 0.3], seeds=[2], steps=40, dtype=dtype)[1]
    model = initial_parameters(task.model, seed=0).to(dtype)
    model.load_state_dict(run.parameters)
    expected = sharpness(model, task.loss, *task.train)
    assert run_sharpness(task, run.parameters) == expected
    assert run_sharpness(task, model) == expected
    few = run_sharpness(task, run.parameters, examples=100)
    assert few == sharpness(model, task.loss, task.train[0][:100], task.train[1][:100])
    assert few != expected


def test_the_noisy_quadratic_has_its_spectrum_whatever_the_point() -> None:
    spectrum = np.geomspace(0.1, 30, 80)
    task = tasks.noisy_quadratic(spectrum, noise=3.0)
    run = training.train(task, learning_rate=0.01, steps=3, dtype=torch.float64)
    assert run_sharpness(task, run.parameters, tolerance=1e-8) == pytest.approx(30, rel=1e-6)


def test_a_module_that_a_task_shares_is_left_as_it_was() -> None:
    shared = models.mlp((64, 4, 10))
    digits = tasks.digits_mlp()
    task = tasks.Task("shared", lambda: copy.deepcopy(shared), digits.train, digits.validation, digits.loss)
    before = copy.deepcopy(shared.state_dict())
    other = {name: value + 1 for name, value in before.items()}
    again = tasks.Task.__new__(tasks.Task)
    again.__dict__.update(task.__dict__ | {"model": lambda: shared})
    run_sharpness(again, other, examples=20)
    assert all(torch.equal(value, before[name]) for name, value in shared.state_dict().items())


BATCH = (torch.ones(2, 3), torch.ones(2, 1))
DIGITS = tasks.digits_mlp(hidden=(4,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sharpness(3, F.mse_loss, *BATCH), "model must be a torch.nn.Module, but got 3"),  # type: ignore[arg-type]
        (lambda: sharpness(nn.ReLU(), F.mse_loss, *BATCH), "model must be a module with parameters that require grad"),
        (lambda: sharpness(nn.Linear(3, 1), "mse", *BATCH), "loss must be callable"),  # type: ignore[arg-type]
        (lambda: sharpness(nn.Linear(3, 1), lambda o, t: o, *BATCH), "loss must be a function that returns a scalar"),
        (lambda: sharpness(nn.Linear(3, 1), F.mse_loss, *BATCH, which="BE"), "which must be one of 'LA', 'SA', 'LM'"),
        (lambda: sharpness(nn.Linear(3, 1), F.mse_loss, *BATCH, tolerance=0), "tolerance must be a finite number > 0"),
        (
            lambda: hessian_eigenvalues(nn.Linear(3, 1), F.mse_loss, *BATCH, count=5),
            "count must be an integer >= 1 and <= 4, but got 5",
        ),
        (lambda: run_sharpness(nn.Linear(3, 1), {}), "task must be a Task"),  # type: ignore[arg-type]
        (lambda: run_sharpness(DIGITS, 3), "parameters must be a mapping of names to tensors"),  # type: ignore[arg-type]
        (
            lambda: run_sharpness(DIGITS, {"a": NOTHING}),
            "parameters must be tensors of one run, by name, of the shapes",
        ),
        (lambda: run_sharpness(DIGITS, DIGITS.model(), examples=0), "examples must be an integer >= 1 and <= 1437"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_lanczos_is_what_large_models_go_through(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of_bowl(SPECTRA["few"])
    called = []
    real = curvature.eigsh
    monkeypatch.setattr(curvature, "eigsh", lambda *a, **k: called.append(1) or real(*a, **k))
    of_bowl(SPECTRA["convex"])
    assert called
    monkeypatch.setattr(curvature, "DENSE", 0)
    np.testing.assert_allclose(of_bowl(SPECTRA["few"]), whole)
