"""The gradient noise scale: known answers, its interval's coverage, and a model that is left as it was."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrlib import tasks, training
from lrlib.diagnostics import NoiseScale, noise_scale, run_noise_scale

SPREADS = torch.tensor([1.0, 2.0, 0.5, 3.0])  # of the examples along each axis


class Point(nn.Module):
    """Weights w and the loss ½|w − x|²: the gradient at an example is w − x, so G = w and Σ is that of the examples."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(weights))

    def forward(self, x: Tensor) -> Tensor:
        return self.w - x


def half_square(outputs: Tensor, _: Any) -> Tensor:
    return 0.5 * outputs.square().sum(1).mean()


def batches(count: int, size: int, generator: torch.Generator) -> list[tuple[Tensor, None]]:
    return [(SPREADS * torch.randn(size, 4, generator=generator), None) for _ in range(count)]


DRAWS = 120
TRACE = float(SPREADS.square().sum())


@pytest.mark.parametrize("weights", [(1.0, 1.0, 0.0, 0.0), (0.1, 0.1, 0.2, 0.0)])
def test_known_answers_without_bias_and_with_the_coverage_stated(weights: tuple[float, ...]) -> None:
    """A clear gradient, and one deep in the noise: 90 % intervals cover at least about as often."""
    generator = torch.Generator().manual_seed(1)
    point = Point(*weights)
    squared = float(point.w.detach().square().sum())
    found = [noise_scale(point, half_square, batches(16, 8, generator), level=0.9) for _ in range(DRAWS)]
    for values, truth in ([f.trace for f in found], TRACE), ([f.gradient_squared for f in found], squared):
        assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / math.sqrt(DRAWS))
    covered = np.mean([f.low <= TRACE / squared <= f.high for f in found])
    assert covered >= 0.87


def test_many_batches_find_it() -> None:
    generator = torch.Generator().manual_seed(5)
    found = noise_scale(Point(1.0, 1.0, 0.0, 0.0), half_square, batches(800, 16, generator))
    assert found.scale == pytest.approx(TRACE / 2, rel=0.1)
    assert found.low < TRACE / 2 < found.high < 1.3 * found.low
    assert (found.batch_size, found.batches, found.level) == (16, 800, 0.95)


def test_batch_sizes_agree() -> None:
    generator = torch.Generator().manual_seed(5)
    small, large = (noise_scale(Point(1.0, 1.0, 0.0, 0.0), half_square, batches(400, n, generator)) for n in (2, 32))
    assert max(small.low, large.low) < min(small.high, large.high)


def test_without_noise_and_without_a_gradient() -> None:
    same = [(torch.ones(3, 4), None)] * 5
    still = noise_scale(Point(3.0, 1.0, 1.0, 1.0), half_square, same)
    assert (still.scale, still.gradient_squared) == (pytest.approx(0, abs=1e-6), pytest.approx(4))
    generator = torch.Generator().manual_seed(0)
    lost = noise_scale(Point(0.0, 0.0, 0.0, 0.0), half_square, batches(16, 8, generator))
    assert lost.high == math.inf
    assert lost.low > 1
    diverged = noise_scale(Point(math.inf, 0.0, 0.0, 0.0), half_square, same)
    assert math.isnan(diverged.scale)


def test_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 1))
    model(torch.randn(8, 4)).sum().backward()
    kept, gradients = copy.deepcopy(model.state_dict()), [p.grad.clone() for p in model.parameters()]
    generator, state = torch.Generator().manual_seed(0), torch.get_rng_state()
    pairs = [(torch.randn(8, 4, generator=generator), torch.randn(8, 1, generator=generator)) for _ in range(6)]
    first, again = (noise_scale(model, nn.functional.mse_loss, pairs) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), kept.values(), strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert all(p.requires_grad for p in model.parameters())


def test_of_a_task() -> None:
    """Against the variance of the examples' own gradients, all of them."""
    task = tasks.digits_mlp(hidden=(4,))
    run = training.train(task, learning_rate=0.1, steps=10)
    found = run_noise_scale(task, run.parameters, batches=64, batch_size=32)
    assert isinstance(found, NoiseScale)
    model = tasks.digits_mlp(hidden=(4,)).model()
    weights = {name: tensor.detach().clone() for name, tensor in run.parameters.items()}

    x, y = task.train
    x = x.to(next(iter(weights.values())).dtype)
    leaves = {name: tensor.requires_grad_() for name, tensor in weights.items()}
    rows = []
    for number in range(len(x)):
        value = task.loss(torch.func.functional_call(model, leaves, (x[number : number + 1],)), y[number : number + 1])
        rows.append(torch.cat([part.reshape(-1) for part in torch.autograd.grad(value, list(leaves.values()))]))
    rows = torch.stack(rows)
    truth = float((rows - rows.mean(0)).square().sum(1).mean() / rows.mean(0).square().sum())
    assert found.low < truth < found.high
    assert str(found).endswith(")")


def pairs(*sizes: int) -> list[Any]:
    return [(torch.ones(n, 4), None) for n in sizes]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batches": pairs(3, 3, 3)}, ValueError, "batches must be at least 4"),
        ({"batches": pairs(3, 3, 3, 2)}, ValueError, "batches must be of one size"),
        ({"model": 3}, TypeError, r"model must be a torch\.nn\.Module"),
        ({"model": nn.Identity()}, ValueError, "model must be a module with parameters"),
        ({"loss": 3}, TypeError, "loss must be callable"),
        ({"loss": lambda outputs, _: outputs}, TypeError, "the mean over the batch"),
        ({"level": 1.0}, ValueError, "level must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    whole = {"model": Point(1.0, 1.0, 1.0, 1.0), "loss": half_square, "batches": pairs(3, 3, 3, 3), **arguments}
    with pytest.raises(error, match=message):
        noise_scale(whole.pop("model"), whole.pop("loss"), whole.pop("batches"), **whole)


def test_bad_arguments_with_a_task() -> None:
    task = tasks.digits_mlp(hidden=(4,))
    with pytest.raises(TypeError, match="task must be a Task"):
        run_noise_scale(3, {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="parameters must be a mapping"):
        run_noise_scale(task, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="parameters must be tensors of one run"):
        run_noise_scale(task, {"w": torch.ones(2)})
    with pytest.raises(ValueError, match="batches must be an integer >= 4"):
        run_noise_scale(task, task.model(), batches=1)
