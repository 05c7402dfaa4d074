"""Readers' own models, losses and data: a sweep's numbers are those of the module and ``torch.optim``."""

import copy
import itertools
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrlib import tasks, training, updates
from lrlib.models import drawing, initial_parameters, is_chain, stacked_forward
from lrlib.streams import stream_key
from lrlib.tasks import Task, accuracy, cross_entropy, mean_squared_error
from lrlib.training.settings import checked_plan

STEPS, BATCH = 6, 8
OPTIMIZERS = {
    "sgd": (updates.sgd(momentum=0.9, weight_decay=0.1), torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "adamw": (updates.adamw(weight_decay=0.5), torch.optim.AdamW, {"weight_decay": 0.5}),
}


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def regression(factory, *, inputs, metrics=None, loss=None):
    """A task of 40 examples whose targets have the shape of the model's outputs."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = factory()
        outputs = apply(model, cast(inputs, next(model.parameters()).dtype))
    targets = numbers(*outputs.shape)
    return Task("own", factory, (inputs, targets), (inputs, targets), loss or mean_squared_error, metrics or {})


def cast(tree, dtype):
    return torch.utils._pytree.tree_map(lambda t: t.to(dtype) if t.is_floating_point() else t, tree)


def apply(model, inputs):
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def by_hand(task, optimizer, settings, *, rate, seed=0, steps=STEPS, clip_norm=None):
    """The loop that everybody writes, in float64, dropout drawn from the run's stream."""
    model = initial_parameters(task.model, seed=seed)
    model = copy.deepcopy(model).double()
    rule = optimizer([p for p in model.parameters() if p.requires_grad], lr=rate, **settings)
    x, y = cast(task.train, torch.float64)
    losses, norms = [], []
    for step, rows in enumerate(tasks.batch_order(task.examples, batch_size=BATCH, steps=steps, seed=seed)):
        rule.zero_grad()
        pick = lambda tree, rows=rows: torch.utils._pytree.tree_map(lambda t: t[rows], tree)  # noqa: E731
        with drawing(stream_key("dropout", seed, step), torch.device("cpu")):
            loss = task.loss(apply(model, pick(x)), pick(y))
        loss.backward()
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        rule.step()
        losses.append(loss.item())
    return np.array(losses), np.array(norms), {k: v.detach() for k, v in model.state_dict(keep_vars=True).items()}


def sweep64(task, **settings):
    given = {"learning_rates": [0.01, 0.1], "steps": STEPS, "batch_size": BATCH, "dtype": torch.float64}
    return training.sweep(task, **(given | {"device": "cpu", "engine": "torch"} | settings))


def assert_as_by_hand(task, *, engine="torch", optimizer="sgd", **settings):
    rule, twin, given = OPTIMIZERS[optimizer]
    result = sweep64(task, rule=rule, engine=engine, **settings)
    for run in result:
        losses, norms, state = by_hand(
            task, twin, given, rate=run.learning_rate, seed=run.seed, clip_norm=settings.get("clip_norm")
        )
        np.testing.assert_allclose(run.loss, losses, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(run.grad_norm, norms, rtol=1e-7, atol=1e-12)
        for name, value in run.parameters.items():
            torch.testing.assert_close(value, state[name], rtol=1e-7, atol=1e-10)
    return result


def same_activation():
    act = nn.Tanh()
    return nn.Sequential(nn.Linear(3, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 2), act)


def same_linear():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.ReLU(), nn.Linear(3, 2))


def tied_weights():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


def added():
    model = nn.Sequential()
    model.add_module("body", nn.Linear(3, 4))
    model.add_module("act", nn.GELU())
    model.add_module("head", nn.Linear(4, 2))
    return model


class Ownforward(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def hooked():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    model[1].register_forward_hook(lambda module, args, output: 2 * output)
    return model


IMAGES = numbers(40, 16)
SEQUENTIALS = {
    "same activation twice": (same_activation, numbers(40, 3)),
    "same linear twice": (same_linear, numbers(40, 3)),
    "tied weights": (tied_weights, numbers(40, 3)),
    "ordered dict": (
        lambda: nn.Sequential(OrderedDict(hidden=nn.Linear(3, 8), act=nn.Tanh(), out=nn.Linear(8, 1))),
        numbers(40, 3),
    ),
    "add_module": (added, numbers(40, 3)),
    "nested": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU())), nn.Linear(4, 2)),
        numbers(40, 3),
    ),
    "nested with dropout": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 9), nn.Dropout(0.5)), nn.Linear(9, 2)),
        numbers(40, 3),
    ),
    "sequences": (lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), numbers(40, 5, 3)),
    "four axes": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), numbers(40, 2, 5, 3)),
    "flatten(1, 3)": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(1, 3), nn.Linear(8, 3)),
        IMAGES.view(40, 1, 4, 4),
    ),
    "flatten(1, 2)": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Flatten(1, 2), nn.Linear(4, 3), nn.Flatten()),
        IMAGES.view(40, 2, 2, 4),
    ),
    "flatten(1, -2)": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Flatten(1, -2), nn.Linear(4, 3)),
        IMAGES.view(40, 2, 2, 4),
    ),
    "pooling without channels": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.MaxPool2d(2), nn.Linear(2, 3)),
        IMAGES.view(40, 4, 4),
    ),
    "pooling": (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.Flatten()),
        IMAGES,
    ),
    "in place": (
        lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)),
        numbers(40, 3),
    ),
    "no bias": (lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 2)), numbers(40, 3)),
    "a forward of its own": (lambda: Ownforward(nn.Linear(3, 3), nn.Tanh()), numbers(40, 3)),
    "a hook": (hooked, numbers(40, 3)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), numbers(40, 3)),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2)),
        numbers(40, 3),
    ),
}
TRACED = ["same activation twice", "same linear twice", "tied weights", "ordered dict", "sequences", "flatten(1, 3)"]


@pytest.mark.parametrize("seeds", [[3], [3, 4]], ids=["one seed", "two seeds"])
@pytest.mark.parametrize("name", SEQUENTIALS)
def test_a_sequential_is_run_as_the_module_runs(name, seeds):
    factory, inputs = SEQUENTIALS[name]
    before = inputs.clone()
    task = regression(factory, inputs=inputs)
    assert_as_by_hand(task, seeds=seeds)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("name", TRACED)
def test_a_compiled_sequential_is_run_as_the_module_runs(name):
    factory, inputs = SEQUENTIALS[name]
    assert_as_by_hand(regression(factory, inputs=inputs), engine="compiled", seeds=[3, 4])


@pytest.mark.parametrize("name", SEQUENTIALS)
def test_evaluations_are_the_modules(name):
    factory, inputs = SEQUENTIALS[name]
    task = regression(factory, inputs=inputs)
    run = training.train(task, learning_rate=0.01, steps=3, batch_size=BATCH, dtype=torch.float64)
    model = copy.deepcopy(factory()).double()
    model.load_state_dict(run.parameters, strict=False)  # of tensors that share a name, the first
    model.eval()
    expected = float(task.loss(model(inputs.clone()), task.validation[1]).detach())
    assert run.validation_loss[-1] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["same activation twice", "same linear twice", "nested", "sequences", "flatten(1, 3)"])
def test_these_are_chains_still(name):
    assert is_chain(SEQUENTIALS[name][0]())
    assert regression(SEQUENTIALS[name][0], inputs=SEQUENTIALS[name][1]).stacking == "chain"


def frozen():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


class Spare(nn.Module):
    """A head that is never called, and one parameter that is frozen."""

    def __init__(self):
        super().__init__()
        self.body, self.spare, self.head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.shift = nn.Parameter(torch.ones(4), requires_grad=False)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x) + self.shift))


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("factory", "still"), [(frozen, {"0.weight", "0.bias", "2.bias"}), (Spare, {"spare.weight", "spare.bias", "shift"})]
)
def test_frozen_and_unused_parameters_stay_as_they_were(factory, still, optimizer, engine):
    task = regression(factory, inputs=numbers(40, 3))
    result = assert_as_by_hand(task, optimizer=optimizer, engine=engine, seeds=[0, 1], record_updates=True)
    if engine == "torch":
        assert_as_by_hand(task, optimizer=optimizer, clip_norm=0.1)
    first = {seed: dict(initial_parameters(factory, seed=seed).double().named_parameters()) for seed in (0, 1)}
    assert set(task.trained) == set(first[0]) - still
    assert result.tensor_names == task.trained
    assert result.update_ratio.shape == (4, STEPS, len(task.trained))
    for run in result:
        assert list(run.parameters) == list(first[0])
        for name, value in run.parameters.items():
            assert torch.equal(value, first[run.seed][name]) == (name in still), name


def test_a_model_with_nothing_to_train_is_refused():
    x = numbers(40, 3)

    def still():
        return nn.Linear(3, 3).requires_grad_(False)

    with pytest.raises(ValueError, match="model must be a module with something to train, but got 'one whose param"):
        Task("own", still, (x, x), (x, x), mean_squared_error)
    with pytest.raises(ValueError, match="loss must be a function that depends on parameters"):
        Task("own", lambda: nn.Linear(3, 3), (x, x), (x, x), lambda o, t: t.mean())


def test_one_module_for_all_runs_is_refused_and_left_as_it_was():
    x, mine = numbers(40, 3), nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"model must be a function that makes a new .*deepcopy.* parameter weight"):
        Task("own", lambda: mine, (x, x), (x, x), mean_squared_error)
    body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match=r"share the parameter 0\.0\.weight"):
        Task("own", lambda: nn.Sequential(body, nn.Linear(3, 3)), (x, x), (x, x), mean_squared_error)
    body.requires_grad_(False).eval()
    before = copy.deepcopy(body.state_dict())
    task = Task("own", lambda: nn.Sequential(body, nn.Linear(3, 3)), (x, x), (x, x), mean_squared_error)
    assert_as_by_hand(task, seeds=[0, 1])  # frozen parts may be shared
    assert not body.training
    for name, value in body.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype


def test_layers_that_the_reader_put_into_evaluation_mode_stay_there():
    def factory():
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        model[1].eval()
        return model

    assert_as_by_hand(regression(factory, inputs=numbers(40, 3)), eval_every=2)


class Slip(nn.Module):
    """The classic slip: dropout in evaluation, too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 8)

    def forward(self, x):
        return F.dropout(self.layer(x), 0.5)


def test_evaluation_touches_no_generator_and_gives_the_same_bits():
    task = regression(Slip, inputs=numbers(40, 3))
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = sweep64(task, seeds=[0, 1], eval_every=2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    np.testing.assert_array_equal(sweep64(task, seeds=[0, 1], eval_every=2).validation_loss, first.validation_loss)
    assert not np.array_equal(first.validation_loss[0], first.validation_loss[2])


def test_a_task_leaves_the_random_state_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    regression(Slip, inputs=numbers(40, 3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_another_default_dtype_changes_nothing(engine, float64_by_default):
    task = regression(frozen, inputs=numbers(40, 3))
    for dtype in (torch.float32, torch.float64):
        assert sweep64(task, engine=engine, dtype=dtype).parameters["4.bias"].dtype == dtype
    assert torch.get_default_dtype() == torch.float64
    assert_as_by_hand(task, engine=engine)


def test_every_seed_of_a_stack_draws_its_own_mask():
    def masks():
        return nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.5), nn.Linear(64, 1))

    task = regression(masks, inputs=numbers(40, 3))
    settings = {"steps": STEPS, "batch_size": BATCH, "dtype": torch.float64, "device": "cpu", "engine": "torch"}
    plan = checked_plan(task, model=task.model(), **settings)
    stack = training.Stack(plan, learning_rates=np.array([0.01, 0.1] * 2), seeds=np.array([5, 5, 6, 6]))
    stack.advance(STEPS)
    for run in stack.records():
        losses, _, _ = by_hand(task, torch.optim.SGD, {}, rate=run.learning_rate, seed=run.seed)
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn, self.drop, self.out = kind(3, 4, batch_first=True), nn.Dropout(0.3), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.drop(self.rnn(x)[0][:, -1]))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)

    def forward(self, x):
        x = self.norm(self.layer(x))
        return x if x.sum() > 0 else 2 * x


ONE_AT_A_TIME = {
    "LSTM": (lambda: Recurrent(nn.LSTM), numbers(40, 5, 3), r"'rnn' \(LSTM\) raised"),
    "GRU": (lambda: Recurrent(nn.GRU), numbers(40, 5, 3), r"'rnn' \(GRU\) raised"),
    "branch": (Branching, numbers(40, 3), "Branching raised"),
}


@pytest.mark.parametrize("name", ONE_AT_A_TIME)
def test_what_cannot_be_stacked_is_trained_one_at_a_time(name):
    factory, inputs, reason = ONE_AT_A_TIME[name]
    with pytest.warns(UserWarning, match=f"own: runs are trained one at a time, since {reason}"):
        task = regression(factory, inputs=inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        result = assert_as_by_hand(task, seeds=[0, 1], eval_every=3)
        assert sweep64(task, engine="auto").loss.shape == (2, STEPS)
    assert result.provenance["engine"] == "torch, one run at a time"
    with pytest.raises(ValueError, match="engine must be 'auto' or 'torch' here, since the model"):
        sweep64(task, engine="compiled")


class Needy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4))

    def forward(self, x):
        return self.inner(x)


def test_a_model_that_cannot_be_run_is_refused_by_name():
    x = numbers(40, 3)
    with pytest.raises(ValueError, match=r"model must be one that the train inputs fit, but 'inner.0' \(Linear\) rais"):
        Task("own", Needy, (x, x), (x, x), mean_squared_error)
    with pytest.raises(ValueError, match="model must be one that the validation inputs fit"):
        Task("own", lambda: nn.Linear(3, 3), (x, x), (x[:, :2], x), mean_squared_error)
    with pytest.raises(ValueError, match="model must be a module whose shapes are all known"):
        Task("own", lambda: nn.LazyLinear(3), (x, x), (x, x), mean_squared_error)


@pytest.mark.parametrize(
    "measure",
    [
        lambda o, t: (o - t).square().mean() * max(1.0, (o - t).abs().max().item()),
        lambda o, t: (o - t).square().mean() if (o - t).abs().max() < 1 else (o - t).abs().mean(),
    ],
    ids=["item", "branch"],
)
def test_losses_and_metrics_that_leave_the_tensors_are_refused(measure):
    x = numbers(40, 3)
    with pytest.raises(ValueError, match=r"loss must be made of tensor operations alone, with no .item\(\) and no"):
        Task("own", lambda: nn.Linear(3, 3), (x, x), (x, x), measure)
    with pytest.raises(ValueError, match="size must be made of tensor operations alone"):
        Task("own", lambda: nn.Linear(3, 3), (x, x), (x, x), mean_squared_error, {"size": measure})


class Pair(nn.Module):
    """Two inputs by name or place, two outputs by name."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.kind = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 5)

    def forward(self, x, mask):
        hidden = torch.tanh(self.left(x)) * mask.unsqueeze(-1) + self.right(x[:, :2])
        return {"kind": self.kind(hidden), "size": hidden.sum(-1)}


def two_losses(outputs, targets):
    return cross_entropy(outputs["kind"], targets["kind"]) + mean_squared_error(outputs["size"], targets["size"])


X, MASK = numbers(40, 3), (torch.arange(40) % 3 > 0)
TARGETS = {"kind": torch.arange(40) % 5, "size": numbers(40)}


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("inputs", [{"x": X, "mask": MASK.double()}, (X, MASK.double())], ids=["dict", "tuple"])
def test_inputs_and_targets_may_be_trees_of_tensors(inputs, engine):
    data, metrics = (inputs, TARGETS), {"accuracy": lambda o, t: accuracy(o["kind"], t["kind"])}
    task = Task("own", Pair, data, data, two_losses, metrics)
    assert task.examples == 40
    assert_as_by_hand(task, seeds=[0, 1], engine=engine, eval_every=3)
    again = pickle.loads(pickle.dumps(Task("own", Pair, data, data, two_losses)))
    assert again.trained == task.trained


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_augmentation_sees_the_tree(engine):
    def flip(inputs, generator):
        sign = 1 - 2 * torch.randint(2, (len(inputs["x"]), 1), generator=generator)
        return {**inputs, "x": inputs["x"] * sign}

    data = ({"x": X, "mask": MASK.double()}, TARGETS)
    results = [
        sweep64(Task("own", Pair, data, data, two_losses, {}, augment), engine=engine, seeds=[0, 1])
        for augment in (flip, None, flip)
    ]
    np.testing.assert_array_equal(results[0].loss, results[2].loss)
    assert not np.allclose(results[0].loss, results[1].loss)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ({"x": X, "mask": MASK.numpy()}, TARGETS, r"train inputs\['mask'\] must be a tensor"),
        (
            {"x": X, "mask": MASK[:3]},
            TARGETS,
            r"train must be a pair .* but got {.*'mask'.*: \(3,\)",
        ),
        ((X, torch.where(MASK, torch.nan, 1.0)), TARGETS, r"train inputs\[1\] must be free of NaN and infinity"),
        ((), TARGETS, "train must be a pair"),
        (X, {**TARGETS, "size": torch.tensor(1.0)}, "train must be a pair"),
    ],
)
def test_every_leaf_is_checked_by_name(inputs, targets, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Task("own", Pair, (inputs, targets), ((X, MASK.double()), TARGETS), two_losses)


def normalized():
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))


@pytest.mark.parametrize("rule", [updates.schedule_free_sgd(), updates.schedule_free_adamw()], ids=lambda r: r.name)
def test_batch_norm_under_schedule_free_is_evaluated_with_statistics_of_the_average(rule):
    task = regression(normalized, inputs=numbers(40, 3))
    result = sweep64(task, rule=rule, seeds=[0, 1], steps=20, eval_every=10)
    for run in result:
        model = normalized().double()
        model.load_state_dict(run.parameters)
        model[1].reset_running_stats()
        model[1].momentum = None  # a plain mean over batches
        model.train()
        model(task.train[0])
        model.eval()
        torch.testing.assert_close(model[1].running_var, run.parameters["1.running_var"], rtol=1e-10, atol=1e-12)
        loss = float(task.loss(model(task.validation[0]), task.validation[1]).detach())
        assert run.validation_loss[-1] == pytest.approx(loss, rel=1e-10)


def by_tensor(params, grads, state, learning_rate):
    """A rule that needs each tensor's shape: the gradient over its own norm, as one tensor a run."""
    moved = []
    for p, g in zip(params, grads, strict=True):
        norm = torch.linalg.vector_norm(g.flatten(1), dim=1) + 1e-12
        moved.append(p - (learning_rate / norm).reshape(-1, *[1] * (p.dim() - 1)) * g)
    return moved, {"count": [c + 1 for c in state["count"]]}


def test_a_rule_that_needs_the_shapes_runs_compiled():
    rule = updates.UpdateRule(
        "by_tensor", lambda params: {"count": [torch.zeros_like(p) for p in params]}, by_tensor, False, {}, True, 0.1
    )
    task = regression(frozen, inputs=numbers(40, 3))
    settings = {"rule": rule, "seeds": [0, 1], "record_updates": True}
    compiled, plain = (sweep64(task, engine=engine, **settings) for engine in ("compiled", "torch"))
    assert compiled.provenance["engine"] == "compiled"
    for name in ("loss", "grad_norm", "update_ratio"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(plain, name), rtol=1e-9)
    for name, value in plain.parameters.items():
        torch.testing.assert_close(compiled.parameters[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_the_ratio_of_a_tensor_that_starts_at_zero_is_not_a_number(engine):
    def factory():
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        nn.init.zeros_(model[0].bias)
        return model

    ratios = sweep64(regression(factory, inputs=numbers(40, 3)), engine=engine, record_updates=True).update_ratio
    assert np.isnan(ratios[:, 0, 1]).all()
    ratios[:, 0, 1] = 0
    assert np.isfinite(ratios).all()


def test_a_rate_is_recorded_as_it_was_used_and_fetched_from_no_device(monkeypatch):
    task = regression(frozen, inputs=numbers(40, 3))
    stack = training.start(task, learning_rates=[0.1, 0.3], steps=8, batch_size=BATCH, device="cpu", engine="torch")
    calls = []
    for name in ("cpu", "item", "tolist", "numpy"):
        own = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda self, *a, own=own, name=name: calls.append(name) or own(self, *a)
        )
    stack.advance(3)
    few = len(calls)
    stack.advance(4)
    assert few == len(calls) - few  # as many a call, however many steps
    monkeypatch.undo()
    np.testing.assert_array_equal(stack.records().rates_used[:, 0], np.array([0.1, 0.3], dtype=np.float32))


def test_a_layer_that_only_looks_like_a_chain_is_run_by_the_module():
    images = numbers(40, 3, 5, 5)
    factory = lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(18, 2))  # noqa: E731
    assert regression(factory, inputs=images).stacking == "chain"
    model = factory().double()
    stacked = {name: value.detach().unsqueeze(0) for name, value in model.named_parameters()}
    for how, shared in itertools.product(("chain", "vmap", "loop"), (True, False)):
        outputs = stacked_forward(model, how)(stacked, images if shared else images.unsqueeze(0), shared)
        torch.testing.assert_close(outputs[0], model(images).detach())


# Two reports from the field


PATIENTS = torch.tensor([20, 43, 63, 26, 53, 31, 58, 46, 58, 70, 46, 53, 60, 20, 63, 43, 26, 19, 31, 23.0]).double()
PRESSURES = torch.tensor(
    [120, 128, 141, 126, 134, 128, 136, 132, 140, 144, 128, 136, 146, 124, 143, 130, 124, 121, 126, 123.0]
).double()


def from_zero(inputs):
    model = nn.Linear(inputs, 1, bias=inputs == 1)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def line(x):
    data = (x.unsqueeze(1), PRESSURES.unsqueeze(1))
    return Task("line", lambda: from_zero(1), data, data, mean_squared_error)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_raw_data_diverge_while_every_number_is_finite(engine):
    """Posted at https://stats.stackexchange.com/questions/432707: rate 5e-4, a line on age, costs of 1e74."""
    settings = {"learning_rate": 5e-4, "steps": 1000, "batch_size": None, "dtype": torch.float64, "device": "cpu"}
    run = training.train(line(PATIENTS), engine=engine, **settings)
    design = torch.stack([PATIENTS, torch.ones(20, dtype=torch.float64)], dim=1)
    sharpness = float(torch.linalg.eigvalsh(2 * design.T @ design / 20)[-1])
    assert sharpness == pytest.approx(4169.5418, rel=1e-8)
    assert 2 / sharpness < 5e-4
    assert run.status.startswith("diverged at step")
    assert run.diverged_at < 100
    assert np.isfinite(run.loss).all()
    posted = np.array([4.57760985674227e74, 5.386601277550346e74, 6.338564061017721e74])
    np.testing.assert_allclose(run.loss[-2:] / run.loss[-3:-1], (1 - 5e-4 * sharpness) ** 2, rtol=1e-12)
    np.testing.assert_allclose(posted[1:] / posted[:-1], (1 - 5e-4 * sharpness) ** 2, rtol=1e-12)
    np.testing.assert_allclose(run.loss[-3:], posted, rtol=1e-9)


def test_the_same_rate_is_far_too_small_on_standardized_data():
    scaled = (PATIENTS - PATIENTS.mean()) / PATIENTS.std(correction=0)
    run = training.train(line(scaled), learning_rate=5e-4, steps=1000, batch_size=None, dtype=torch.float64)
    assert run.status == "finished"
    assert run.loss[-1] == pytest.approx(run.loss[0] * (1 - 2 * 5e-4) ** (2 * 999), rel=0.01)


A = torch.tensor([[-249.69, -4.1511], [-4.1511, -0.20755]], dtype=torch.float64)
B = torch.tensor([[0.0], [10.0]], dtype=torch.float64)
POSTED = {1e-7: 99.2028, 1e-6: 92.6010, 1e-5: 46.4461, 1.603e-5: 29.0449}  # after a million updates, in float32


def squared_distance(outputs, targets):
    return (outputs - targets).square().sum()


def test_the_edge_of_a_bowl_of_condition_three_million_is_where_it_was_posted():
    """Posted at https://discuss.pytorch.org/t/208572: |Ax - b|² from 0; 1.603e-5 converges, 1.604e-5 does not."""
    eigenvalues, vectors = torch.linalg.eigh(2 * A.T @ A)
    edge = 2 / float(eigenvalues[-1])
    assert edge == pytest.approx(1.603089e-5, rel=1e-6)
    assert float(eigenvalues[-1] / eigenvalues[0]) == pytest.approx(3.25e6, rel=1e-3)
    start = vectors.T @ torch.linalg.solve(A, B)[:, 0]  # the distance to the minimum, whose loss is 0

    def loss(rate, steps):
        return float((0.5 * eigenvalues * ((1 - rate * eigenvalues) ** steps * start) ** 2).sum())

    task = Task("bowl", lambda: from_zero(2), (A, B), (A, B), squared_distance)
    rates, steps = [*POSTED, 1.604e-5, 1.605e-5], 2000
    result = training.sweep(
        task, learning_rates=rates, steps=steps, batch_size=None, dtype=torch.float64, device="cpu", engine="torch"
    )
    for run in result:
        assert run.loss[-1] == pytest.approx(loss(run.learning_rate, steps - 1), rel=1e-6)
    assert (np.diff(result.loss[:4]) < 0).all()
    assert (np.diff(result.loss[4:, 1000:]) > 0).all()
    for rate, posted in POSTED.items():
        assert loss(rate, 1_000_000) == pytest.approx(posted, rel=0.01)
