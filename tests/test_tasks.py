"""Tasks, data and models: what they promise, and how they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrlib import data, models, surfaces, tasks, updates

X = torch.linspace(-1, 1, 6).reshape(6, 1)
GOOD = {
    "model": lambda: nn.Linear(1, 1),
    "train": (X, 2 * X),
    "validation": (X, 2 * X),
    "loss": tasks.mean_squared_error,
}


def task(**changes):
    return tasks.Task("own", **(GOOD | changes))


def test_a_readers_own_model_data_and_loss_make_a_task():
    assert task().examples == 6


NAN = torch.full((6, 1), torch.nan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": nn.Linear(1, 1).weight}, "model must be callable"),
        ({"model": lambda: 3}, "model must be a function that returns a torch.nn.Module, but got 3"),
        ({"model": nn.ReLU}, "model must be a function that returns a module with parameters"),
        ({"loss": "mse"}, "loss must be callable, but got 'mse'"),
        (
            {"loss": lambda o, t: o - t},
            r"loss must be a function that returns a scalar tensor, but got 'one of shape \(2, 1\)'",
        ),
        ({"loss": lambda o, t: 1.0}, "loss must be a function that returns a scalar tensor, but got 1.0"),
        ({"metrics": {"error": 3}}, r"metrics\['error'\] must be callable"),
        ({"metrics": {"error": lambda o, t: o}}, "error must be a function that returns a scalar tensor"),
        ({"augment": 3}, "augment must be callable"),
        ({"train": (X, X[:2])}, r"train must be a pair .* as many examples, but got {'train inputs': \(6, 1\)"),
        ({"train": X}, "train must be a pair"),
        ({"train": (X[:0], X[:0])}, "train must be a pair"),
        ({"validation": (X.numpy(), X)}, "validation inputs must be a tensor, but got array"),
        ({"train": (NAN, X)}, "train inputs must be free of NaN and infinity, but got '6 such entries'"),
        ({"validation": (X, NAN)}, "validation targets must be free of NaN"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        task(**changes)


def test_infinity_is_found_among_others_and_large_numbers_are_no_fault():
    large = torch.tensor([3e38, 3e38, -1.0, 0.0, 2.0, 1.0]).unsqueeze(1)  # their sum has no place in float32
    assert torch.isinf(large.sum())
    task(train=(large, X))
    large[2:4, 0] = torch.tensor([torch.inf, -torch.inf])
    with pytest.raises(ValueError, match="free of NaN and infinity, but got '2 such entries'"):
        task(train=(large, X))


def test_losses_agree_with_torch():
    generator = torch.Generator().manual_seed(0)
    logits, classes = torch.randn(7, 4, 5, generator=generator, dtype=torch.float64), torch.arange(28).view(7, 4) % 5
    twin = F.cross_entropy(logits.flatten(0, 1), classes.flatten())
    assert float(tasks.cross_entropy(logits, classes)) == pytest.approx(float(twin), rel=1e-14)
    assert float(tasks.accuracy(F.one_hot(classes, 5).double(), classes)) == 1.0
    a, b = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    assert float(tasks.mean_squared_error(a, b)) == pytest.approx(float(F.mse_loss(a, b)), rel=1e-14)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize(("dtype", "rel"), [(torch.float64, 1e-14), (torch.float32, 1e-5)])
def test_cross_entropy_is_torchs_with_gradients_and_without(spread, dtype, rel, gradients):
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(6, 40, 10, generator=generator, dtype=dtype) + 1000  # what a softmax does not see
    sure = logits.argmax(-1)  # where losses are small, down to 0
    for classes in (torch.randint(0, 10, (6, 40), generator=generator), sure):
        twin = F.cross_entropy(logits.flatten(0, 1), classes.flatten())
        with torch.set_grad_enabled(gradients):
            ours = tasks.cross_entropy(logits, classes)
        assert float(ours) == pytest.approx(float(twin), rel=rel, abs=1e-40)
        assert ours.dtype == dtype


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_cross_entropy_without_gradients_what_is_not_finite_stays_so(bad):
    logits = torch.zeros(3, 4)
    logits[1, 2] = bad
    for column in (0, 2):
        classes = torch.full((3,), column)
        with torch.no_grad():
            twin, ours = F.cross_entropy(logits, classes), tasks.cross_entropy(logits, classes)
        torch.testing.assert_close(ours, twin, equal_nan=True)


def test_batch_order_is_a_permutation_each_epoch_and_depends_on_the_seed_alone():
    order = tasks.batch_order(10, batch_size=3, steps=6, seed=1)
    assert order.shape == (6, 3)
    for epoch in (order[:3], order[3:]):
        assert len(set(epoch.flatten().tolist())) == 9
    assert torch.equal(order[:4], tasks.batch_order(10, batch_size=3, steps=4, seed=1))
    assert not torch.equal(order, tasks.batch_order(10, batch_size=3, steps=6, seed=2))
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1 and <= 10, but got 11"):
        tasks.batch_order(10, batch_size=11, steps=1, seed=0)


def test_shifting_moves_each_image_by_at_most_one_pixel():
    images = tasks.digits_mlp().train[0][:40]
    moved = tasks.shift_images(images, torch.Generator().manual_seed(0))
    padded = F.pad(images.view(-1, 8, 8), (1, 1, 1, 1))
    seen = set()
    for image, frame in zip(moved.view(-1, 8, 8), padded, strict=True):
        offsets = [(i, j) for i in range(3) for j in range(3) if torch.equal(image, frame[i : i + 8, j : j + 8])]
        assert offsets
        seen.add(offsets[0])
    assert len(seen) > 5


def test_noisy_quadratic_has_the_chosen_spectrum_and_its_minimum_at_zero():
    problem = tasks.noisy_quadratic([1.0, 5.0], noise=2.0, examples=50, start=3.0)
    inputs, targets = problem.train

    def loss(point):
        return problem.loss(point - inputs, targets)

    zero = torch.zeros(2, dtype=torch.float64)
    assert abs(float(loss(zero))) < 1e-12
    torch.testing.assert_close(torch.func.grad(loss)(zero), zero)
    torch.testing.assert_close(
        torch.func.hessian(loss)(zero), torch.diag(torch.tensor([1.0, 5.0], dtype=torch.float64))
    )
    assert float(loss(torch.tensor([3.0, 3.0], dtype=torch.float64))) == pytest.approx(0.5 * 6 * 9)


def test_surface_task_is_the_surface():
    surface = surfaces.rosenbrock()
    problem = tasks.surface_task(surface, start=[0.5, 2.0])
    step = tasks.training_step(problem, updates.sgd())
    params, state = step.init(0, torch.float64)
    rate = torch.tensor([0.01], dtype=torch.float64)
    loss, after, _, norm = step.step(params, state, rate, *problem.train)
    point = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    value = surface.function(point)
    value.backward()
    torch.testing.assert_close(loss[0], value.detach())
    torch.testing.assert_close(after[0][0], (point - 0.01 * point.grad).detach())
    torch.testing.assert_close(norm[0], point.grad.norm())
    with pytest.raises(ValueError, match="start must be 2 numbers"):
        tasks.surface_task(surface, start=[1.0])
    with pytest.raises(TypeError, match="surface must be a Surface"):
        tasks.surface_task("rosenbrock")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.mlp([64]), "widths must be at least two"),
        (lambda: models.mlp([64, 0]), r"widths\[1\] must be an integer >= 1"),
        (
            lambda: models.mlp([4, 2], activation="swish"),
            "activation must be one of 'relu', 'tanh', 'gelu', but got 'swish'",
        ),
        (lambda: models.cnn(channels=(2, 2, 2, 2)), "side must be divisible by 16"),
        (lambda: models.CharTransformer(width=10, heads=4), "heads must be a divisor of width = 10, but got 4"),
        (lambda: data.pydoc_text(context=1), "context must be an integer >= 2, but got 1"),
        (lambda: tasks.digits_mlp(shift=1), "shift must be True or False, but got 1"),
        (lambda: tasks.noisy_quadratic([]), "eigenvalues must be a non-empty"),
        (lambda: tasks.noisy_quadratic([1.0], noise=-1), "noise must be a finite number >= 0, but got -1"),
    ],
)
def test_bad_models_and_data_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_data_have_the_documented_shapes_and_scale():
    digits = data.digits()
    assert [len(digits.train[0]), len(digits.validation[0])] == [1437, 360]
    assert float(digits.train[0].mean()) == pytest.approx(0, abs=1e-12)
    assert float(digits.train[0].std(correction=0)) == pytest.approx(1)
    table = data.breast_cancer()
    np.testing.assert_allclose(table.train[0].std(0, correction=0), 1)
    assert data.diabetes().train[1].shape[1] == 1
    text = data.pydoc_text(context=16, vocabulary=20)
    inputs, targets = text.train
    assert torch.equal(inputs[0, 1:], targets[0, :-1])
    assert int((inputs[1:, 0] != targets[:-1, -1]).sum()) <= 1  # where the end of the text meets its beginning
    assert int(inputs.max()) == 19


@pytest.mark.parametrize("load", [data.fashion_mnist, data.cifar10])
def test_larger_sets_say_what_to_do_without_a_network(monkeypatch, load):
    import sklearn.datasets

    def offline(**settings):
        raise OSError("no route")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    with pytest.raises(
        ConnectionError, match=r"not in the cache .*\(no route\).*lrlib.data.digits\(\), which needs no network"
    ):
        load()


def test_larger_sets_are_standardized_and_split(monkeypatch):
    import sklearn.datasets

    def fetch(**settings):
        pixels = np.random.default_rng(0).integers(0, 256, (60_010, 4))
        return pixels, (np.arange(60_010) % 10).astype(str)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    images = data.fashion_mnist()
    assert images.train[0].shape == (60_000, 4)
    assert images.validation[1].tolist() == [*range(10)]
    assert float(images.train[0].std(correction=0)) == pytest.approx(1)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x):
        return x + self.layer(x)


@pytest.mark.parametrize("factory", [lambda: models.mlp((64, 8, 10)), models.cnn, Residual])
@pytest.mark.parametrize("shared", [True, False])
def test_stacked_forward_is_each_copys_own_forward(factory, shared):
    copies = [models.initial_parameters(factory, seed=seed).double() for seed in range(3)]
    names = [name for name, _ in copies[0].named_parameters()]
    stacked = {name: torch.stack([dict(m.named_parameters())[name].detach() for m in copies]) for name in names}
    inputs = torch.randn(3, 5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = models.stacked_forward(copies[0])(stacked, inputs[0] if shared else inputs, shared)
    for k, model in enumerate(copies):
        torch.testing.assert_close(outputs[k], model(inputs[0 if shared else k]).detach(), rtol=1e-12, atol=1e-12)


def test_chains_are_recognized():
    assert models.is_chain(models.cnn())
    assert not models.is_chain(Residual())
    assert not models.is_chain(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    assert not models.is_chain(nn.Sequential(nn.Linear(2, 2, bias=False)))
    assert not models.is_chain(nn.Sequential(Doubled(2, 2)))


def test_a_layer_of_the_readers_own_is_run_as_it_is_written() -> None:
    model = nn.Sequential(Doubled(2, 2))
    x = torch.ones(3, 2)
    stacked = {name: value.unsqueeze(0) for name, value in model.named_parameters()}
    torch.testing.assert_close(models.stacked_forward(model)(stacked, x, True)[0], model(x))


def test_label_noise_moves_the_share_asked_for_and_no_validation_label() -> None:
    clean, noisy = tasks.digits_mlp(), tasks.digits_mlp(label_noise=0.2)
    moved = clean.train[1] != noisy.train[1]
    assert int(moved.sum()) == round(0.2 * clean.examples)
    assert torch.equal(clean.train[0], noisy.train[0])
    assert torch.equal(clean.validation[1], noisy.validation[1])
    assert torch.equal(noisy.train[1], tasks.digits_mlp(label_noise=0.2).train[1])
    assert noisy.name.endswith("20% wrong labels")


def test_some_of_the_digits_are_the_first_of_all_and_are_cut_before_labels_are_drawn() -> None:
    whole, some = tasks.digits_mlp(seed=3), tasks.digits_mlp(examples=256, seed=3)
    for part, cut in zip(whole.train, some.train, strict=True):
        assert torch.equal(part[:256], cut)
    assert torch.equal(whole.validation[0], some.validation[0])
    noisy = tasks.digits_mlp(examples=256, label_noise=0.4, seed=3)
    expected = tasks.wrong_labels(some.train[1], share=0.4, classes=10, seed=3)
    assert torch.equal(noisy.train[1], expected)
    assert some.name == "256 digits MLP 64-64-64-10"
    for wrong in (0, 1438):
        with pytest.raises(ValueError, match="examples must be an integer"):
            tasks.digits_mlp(examples=wrong)


def test_label_noise_is_a_share() -> None:
    with pytest.raises(ValueError, match="label_noise must be"):
        tasks.digits_cnn(label_noise=1.5)
