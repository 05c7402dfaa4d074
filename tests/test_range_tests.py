"""Range tests: what they record, what they put back, and what each rule reads off a curve whose answer is known."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader, RandomSampler, Sampler, TensorDataset, WeightedRandomSampler

from benchmarks.range_tasks import SCORED, TUNED
from benchmarks.range_tests import RECORD, ends
from lrlib import range_tests
from lrlib.models import initial_parameters
from lrlib.range_tests import RULES, RangeTest, Suggestion, on_even_grid, range_test, restored, running_mean
from lrlib.range_tests.batches import one_pass
from lrlib.range_tests.stacked import LOWER, MIDDLE, UPPER, lowest
from lrlib.schedules import constant
from lrlib.tasks import Task, mean_squared_error


def batches(count: int = 7, size: int = 8) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, size, 6, generator=generator)
    return [(part, part[:, :2].sum(1, keepdim=True)) for part in x]


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    return (model(batch[0]) - batch[1]).square().mean()


class Odd(nn.Module):
    """A buffer that is replaced at each call, not written on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return x


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), Odd(), nn.Linear(8, 1))


Make = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True),
    "tensor rate": lambda p: torch.optim.AdamW(p, lr=torch.tensor(1e-3)),
}


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Any]:
    """All that a range test may disturb, tensors as bytes, in an order of its own."""

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            return str(value.dtype), tuple(value.shape), value.detach().numpy().tobytes()
        if isinstance(value, dict):
            return [(str(key), plain(item)) for key, item in value.items()]
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return repr(value)

    parameters = list(model.parameters())
    return [
        plain(dict(model.state_dict())),
        [module.training for module in model.modules()],
        [None if p.grad is None else (id(p.grad), plain(p.grad)) for p in parameters],
        [id(tensor) for tensor in (*parameters, *model.buffers())],
        [(id(p), plain(state)) for p, state in optimizer.state.items()],
        [plain({k: v for k, v in group.items() if k != "params"}) for group in optimizer.param_groups],
        sorted(vars(optimizer)),
        plain(torch.get_rng_state()),
        random.getstate(),
        plain([np.random.get_state()[1].tolist(), np.random.get_state()[2]]),  # noqa: NPY002
    ]


def trained(make: Make) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model in the midst of its training: moments, running means, gradients, one of them None, a frozen layer."""
    model = network()
    optimizer = make(model.parameters())
    for batch in batches(3):
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()
    model[0].bias.grad = None
    model[1].eval()
    return model, optimizer


def noisy(model: nn.Module, batch: Any) -> Tensor:
    """A loss that draws from every global generator."""
    return loss_of(model, batch) * (1 + 0.01 * random.random() + 0.01 * np.random.rand())  # noqa: NPY002


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_everything_is_put_back_to_the_bit(name: str, error: type[BaseException] | None) -> None:
    model, optimizer = trained(OPTIMIZERS[name])
    calls = 0

    def loss(model: nn.Module, batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if error is not None and calls == 9:
            raise error
        return noisy(model, batch)

    before = everything(model, optimizer)
    if error is None:
        range_test(model, optimizer, batches(), loss, steps=20)
    else:
        with pytest.raises(error):
            range_test(model, optimizer, batches(), loss, steps=20)
    assert calls > 8
    assert everything(model, optimizer) == before


@pytest.mark.parametrize("part", ["_tensors", "_modules", "_optimizer", "_random_states"])
def test_each_part_of_the_restoration_is_needed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = trained(OPTIMIZERS["adam"])
    before = everything(model, optimizer)
    monkeypatch.setattr(f"lrlib.range_tests.restoring.{part}", lambda *_: lambda: None)
    range_test(model, optimizer, batches(), noisy, steps=5)
    assert everything(model, optimizer) != before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_there_had_been_no_test(name: str) -> None:
    ends = []
    for tested in (False, True):
        model, optimizer = trained(OPTIMIZERS[name])
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        if tested:
            range_test(model, optimizer, batches(), loss_of, steps=30)
        for batch in batches(5):
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
            scheduler.step()
        ends.append([*model.state_dict().values(), *map(torch.as_tensor, scheduler.get_last_lr())])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_scheduler_still_sees_that_no_step_was_made() -> None:
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    range_test(model, optimizer, batches(), loss_of, steps=5)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_a_fresh_optimizer_is_as_fresh_afterwards() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    range_test(model, optimizer, batches(), loss_of, steps=5)
    assert not optimizer.state
    assert all(p.grad is None for p in model.parameters())


def test_the_generator_of_a_loader_is_put_back() -> None:
    model, optimizer = trained(OPTIMIZERS["sgd"])
    own = torch.Generator().manual_seed(3)
    data = TensorDataset(torch.randn(24, 6), torch.randn(24, 1))
    loader = DataLoader(data, batch_size=8, shuffle=True, generator=own)
    before = own.get_state()
    range_test(model, optimizer, loader, loss_of, steps=9)
    assert torch.equal(own.get_state(), before)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    "how",
    [
        {"shuffle": True},
        {"shuffle": True, "drop_last": True},
        {"shuffle": False},
        {"sampler": RandomSampler(range(20), replacement=True, num_samples=37)},
        {"sampler": WeightedRandomSampler([1.0] * 20, 37)},
    ],
)
def test_the_batches_of_a_loader_are_its_own(own: bool, how: dict[str, Any]) -> None:
    """Also where they are taken at once: the same rows in the same order, the same draws from the generators."""
    data = TensorDataset(torch.randn(20, 6), torch.arange(20), torch.randn(20, 2, 2))
    found = []
    for taken in (one_pass, lambda loader: loader):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(3) if own else None
        loader = DataLoader(data, batch_size=8, generator=generator, **how)
        passes = [list(taken(loader)) for _ in range(2)]
        found.append((passes, torch.get_rng_state(), (generator or torch.default_generator).get_state()))
        assert (one_pass(loader) is loader) is False
    for a, b in zip(*map(tree_leaves, found), strict=True):
        assert torch.equal(a, b)
    assert one_pass(plain := DataLoader(data, batch_size=8, collate_fn=list)) is plain


def test_an_optimizer_clears_gradients_in_its_own_way() -> None:
    calls = []

    class Own(torch.optim.SGD):
        def zero_grad(self, set_to_none: bool = True) -> None:
            calls.append(set_to_none)
            super().zero_grad(set_to_none)

    model = network()
    range_test(model, Own(model.parameters(), lr=0.1), batches(), loss_of, steps=4)
    assert len(calls) == 4


def test_gradients_do_not_add_up_from_update_to_update() -> None:
    model, seen = nn.Linear(1, 1, bias=False), []

    class Watching(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            seen.append(float(model.weight.grad))

    range_test(model, Watching(model.parameters(), lr=0.1), [torch.ones(1, 1)], lambda m, x: m(x).sum(), steps=3)
    assert seen == [1.0, 1.0, 1.0]


def test_a_readers_own_sampler_is_asked_for_one_batch_at_a_time() -> None:
    asked = []

    class Endless(Sampler[int]):
        def __iter__(self) -> Iterator[int]:
            while True:
                asked.append(len(asked) % 20)
                assert len(asked) < 100
                yield asked[-1]

    data = TensorDataset(torch.arange(20))
    passed = iter(one_pass(DataLoader(data, batch_size=8, sampler=Endless())))
    assert next(passed)[0].tolist() == asked == list(range(8))


def test_the_record_is_what_the_optimizer_used_and_groups_keep_their_ratio() -> None:
    model = network()
    groups = [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[5].parameters(), "lr": 0.04}]
    optimizer = torch.optim.SGD(groups)
    used: list[list[float]] = []
    optimizer.register_step_pre_hook(lambda own, *_: used.append([g["lr"] for g in own.param_groups]))
    result = range_test(model, optimizer, batches(), loss_of, low=1e-5, high=1e-2, steps=12)
    low, high = np.array(used).T
    np.testing.assert_array_equal(high, result.rates)
    np.testing.assert_allclose(low, high / 4, rtol=1e-15)
    np.testing.assert_allclose(result.rates, np.geomspace(1e-5, 1e-2, 12))
    linear = range_test(model, optimizer, batches(), loss_of, low=1e-5, high=1e-2, steps=12, spacing="linear")
    np.testing.assert_allclose(linear.rates, np.linspace(1e-5, 1e-2, 12))


def test_the_losses_are_those_of_a_plain_loop() -> None:
    model = network()
    twin = copy.deepcopy(model)
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (model, twin))
    torch.manual_seed(5)
    result = range_test(model, optimizer, batches(4), loss_of, high=0.1, steps=10)
    torch.manual_seed(5)
    losses = []
    for step, rate in enumerate(np.geomspace(1e-7, 0.1, 10)):
        plain.param_groups[0]["lr"] = rate
        plain.zero_grad()
        loss = loss_of(twin, batches(4)[step % 4])
        loss.backward()
        plain.step()
        losses.append(loss.item())
    np.testing.assert_array_equal(result.losses, losses)


def test_accumulated_batches_count_as_one() -> None:
    results = []
    small = batches(4)
    large = [(torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])) for a, b in (small[:2], small[2:])]
    for data, count in ((small, 2), (large, 1)):
        torch.manual_seed(0)
        model = nn.Linear(6, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        results.append(range_test(model, optimizer, data, loss_of, high=0.1, steps=8, accumulate=count).losses)
    np.testing.assert_allclose(*results, rtol=1e-5)


def dictionaries() -> Iterator[dict[str, Any]]:
    while True:
        for x, y in batches():
            yield {"x": x, "y": y, "names": ["a"] * len(x)}


def test_batches_may_be_dictionaries_and_a_loader_may_be_endless() -> None:
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(model: nn.Module, batch: dict[str, Any]) -> Tensor:
        return (model(batch["x"]) - batch["y"]).square().mean()

    assert len(range_test(model, optimizer, dictionaries(), loss, high=0.01, steps=20).losses) == 20


def test_a_generator_that_ends_ends_the_test() -> None:
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    result = range_test(model, optimizer, (batch for batch in batches(7)), loss_of, steps=20)
    assert len(result.losses) == 7
    assert result.stopped_because == "the loader has come to its end and cannot be begun anew"
    assert "7 of 20 updates" in repr(result)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_test_and_is_recorded(value: float) -> None:
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    calls: list[int] = []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        calls.append(1)
        return loss_of(model, batch) * (value if len(calls) > 3 else 1)

    result = range_test(model, optimizer, batches(), loss, steps=20)
    assert len(result.losses) == 4
    assert result.stopped_because == f"its loss is {value}"
    assert all(suggestion.rate is None for suggestion in result.suggestions.values())
    calls.extend([1, 1, 1])
    assert np.isnan(range_test(model, optimizer, batches(), lambda m, b: loss(m, b) * torch.nan).losses).all()


def test_bfloat16_and_a_scaler_that_skips() -> None:
    model, optimizer = trained(OPTIMIZERS["adam"])
    context = torch.autocast("cpu", torch.bfloat16)
    before = everything(model, optimizer)
    with_autocast = range_test(model, optimizer, batches(), loss_of, steps=10, high=0.1, autocast=context)
    assert everything(model, optimizer) == before
    plain = range_test(model, optimizer, batches(), loss_of, steps=10, high=0.1)
    assert not np.array_equal(with_autocast.losses, plain.losses)
    np.testing.assert_allclose(with_autocast.losses, plain.losses, rtol=0.1)

    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127 * 1.5)
    state = scaler.state_dict()
    used: list[float] = []
    handle = optimizer.register_step_pre_hook(lambda own, *_: used.append(own.param_groups[0]["lr"]))
    result = range_test(model, optimizer, batches(), lambda m, b: 16 * loss_of(m, b), steps=6, high=0.1, scaler=scaler)
    handle.remove()
    np.testing.assert_array_equal(used, result.rates)
    assert len(used) == 6
    assert scaler.state_dict() == state
    assert scaler._scale is None
    assert everything(model, optimizer) == before


def test_a_validation_loss_is_taken_in_evaluation_mode_and_judged_by() -> None:
    model, optimizer = trained(OPTIMIZERS["sgd"])
    modes: list[tuple[bool, bool]] = []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        modes.append((model.training, torch.is_grad_enabled()))
        return loss_of(model, batch)

    with torch.no_grad():
        result = range_test(model, optimizer, batches(), loss, steps=5, high=0.01, validation=batches(2))
    assert modes == [(True, True), (False, False), (False, False)] * 5
    assert result.judged is result.validation_losses
    assert len(result.validation_losses) == 5


LINEAR = nn.Linear(6, 1)
GOOD: dict[str, Any] = {
    "model": LINEAR,
    "optimizer": torch.optim.SGD(LINEAR.parameters(), lr=0.1),
    "loader": batches(2),
    "loss": loss_of,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": 3}, "model must be a torch.nn.Module"),
        ({"optimizer": 3}, "optimizer must be a torch.optim.Optimizer"),
        ({"optimizer": torch.optim.LBFGS(LINEAR.parameters())}, "optimizer must be one whose step needs no closure"),
        ({"loader": 3}, "loader must be something to iterate over"),
        ({"loader": []}, "loader must be one with at least 1 batch"),
        ({"loss": 3}, "loss must be callable"),
        ({"loss": nn.MSELoss()}, r"loss must be a function of \(model, batch\)"),
        ({"loss": lambda m, b: m(b[0])}, "loss must be a function that returns a scalar tensor"),
        ({"loss": lambda m, b: 1.0}, "loss must be a function that returns a scalar tensor"),
        ({"low": 0}, "low must be a finite number > 0"),
        ({"high": 1e-8}, "high must be a finite number > 1e-07"),
        ({"steps": 1}, "steps must be an integer >= 2"),
        ({"spacing": "log"}, "spacing must be one of 'exponential', 'linear'"),
        ({"accumulate": 0}, "accumulate must be an integer >= 1"),
        ({"validation": iter([])}, "validation must be batches that can be gone through again"),
        ({"validation": []}, "validation must be one with at least one batch"),
        ({"threshold": 1}, "threshold must be a finite number > 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        range_test(**(GOOD | wrong))


def curve(rates: np.ndarray) -> np.ndarray:
    """Falls fastest along log η at 0.01, is least near 0.06, and blows up."""
    return 2 - np.tanh(2 * np.log10(rates / 0.01)) + (rates / 0.3) ** 2


SAMPLINGS = {
    f"{name} {points}": make(1e-4, 2, points)
    for name, make, counts in (("log", np.geomspace, (50, 100, 400)), ("linear", np.linspace, (400, 2000)))
    for points in counts
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_depend_on_spacing(rule: str) -> None:
    """Rates of one curve, however it was sampled, lie within a cell of the grid, that is, 20 % (Lightning's: two)."""
    found = {name: RULES[rule](rates, curve(rates)).rate for name, rates in SAMPLINGS.items() if rule != "lightning"}
    found |= {name: RULES[rule](rates, curve(rates)).rate for name, rates in SAMPLINGS.items() if "log" in name}
    assert None not in found.values(), found
    logs = np.log([rate for rate in found.values() if rate is not None])
    assert np.ptp(logs) < np.log(1.5 if rule == "lightning" else 1.25), found  # along η itself the fall is nearly even


def test_rules_find_what_is_there() -> None:
    """Smoothing lags behind: without it the steepest and the least place are exact to a cell."""
    rates = np.geomspace(1e-7, 10, 100)
    suggestions = range_tests.suggest_all(rates, curve(rates))
    assert all(suggestion.rate is not None for suggestion in suggestions.values())
    blow_up = suggestions["before_blow_up"].rate
    assert blow_up is not None
    assert 0.3 / 2 < blow_up < 1.0
    for name in ("steepest", "steep"):
        rate = suggestions[name].rate
        assert rate is not None
        assert 0.003 < rate < 0.3


def fastai_valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """The published formula by brute force: counted back from the end of the longest decreasing subsequence."""
    longest = [1] * len(losses)
    for i in range(len(losses)):
        longest[i] = max([longest[j] + 1 for j in range(i) if losses[j] > losses[i]], default=1)
    end = longest.index(max(longest))
    third = max(longest) / 3
    return float(rates[end - max(longest) + int(third) + int(third / 2)])


@pytest.mark.parametrize("seed", range(5))
def test_rules_agree_with_what_was_published(seed: int) -> None:
    """On the 100 points that the libraries record by default, trimmed and smoothed as they do."""
    rates = np.geomspace(1e-7, 10, 100)
    losses = curve(rates) + 0.1 * np.random.default_rng(seed).standard_normal(100)
    first = [losses[0]]
    for loss in losses[1:]:
        first.append(0.05 * loss + 0.95 * first[-1])
    lagging, smooth = np.array(first)[10:-5], running_mean(losses, beta=0.98)
    inner, fast = rates[10:-5], smooth[10:-5]
    expected = {
        "steepest": inner[np.gradient(lagging).argmin()],
        "lightning": rates[10:-1][np.gradient(smooth[10:-1], rates[10:-1]).argmin()],
        "steep": inner[(np.diff(fast) / np.diff(np.log(inner))).argmin()],
        "minimum": inner[fast.argmin()] / 10,
        "valley": fastai_valley(inner, fast),
    }
    found = {name: suggestion.rate for name, suggestion in range_tests.suggest_all(rates, losses).items()}
    for name, rate in expected.items():
        if found[name] is None:
            assert rate in (inner[0], inner[-1], inner[-2], rates[10], rates[-2])  # at an edge: no suggestion
        else:
            assert found[name] == pytest.approx(rate, rel=1e-6), name


RATES = np.geomspace(1e-7, 10, 100)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (np.ones(100), "the same at every rate"),
        (np.r_[np.ones(3), np.full(97, np.nan)], "too few points"),
        (np.full(100, np.nan), "too few points"),
        (np.linspace(1, 2, 100), "lower rates"),
    ],
)
def test_no_suggestion_is_an_answer(losses: np.ndarray, reason: str) -> None:
    for name, rule in RULES.items():
        suggestion = rule(RATES, losses)
        if name == "slide" and reason == "lower rates":
            continue  # its slopes hardly differ, which is a reason of its own
        assert suggestion.rate is None, name
        assert reason in suggestion.why, name
        assert str(suggestion).startswith("no suggestion, because ")


@pytest.mark.parametrize("rule", ["valley", "slide", "minimum", "before_blow_up"])
def test_a_loss_that_only_falls_has_no_floor(rule: str) -> None:
    suggestion = RULES[rule](RATES, np.linspace(2, 1, 100))
    assert suggestion == Suggestion(None, suggestion.why)
    assert "try higher rates" in suggestion.why


def test_bad_curves_are_named() -> None:
    with pytest.raises(ValueError, match="rates must be in increasing order"):
        RULES["valley"](np.array([1.0, 0.5]), np.ones(2))
    with pytest.raises(ValueError, match="losses must be 2 numbers, one a rate"):
        RULES["valley"](np.array([0.5, 1.0]), np.ones(3))


def test_the_grid_leaves_the_published_sampling_as_it_is() -> None:
    losses = np.random.default_rng(0).standard_normal(100)
    rates, values = on_even_grid(RATES, losses)
    np.testing.assert_allclose(rates, RATES, rtol=1e-9)
    np.testing.assert_allclose(values, losses, atol=1e-9)


def test_restored_stands_alone() -> None:
    model, optimizer = trained(OPTIMIZERS["momentum"])
    before = everything(model, optimizer)
    with restored(model, optimizer):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
        loss_of(model, batches()[0]).backward()
        optimizer.step()
    assert everything(model, optimizer) == before


def sine() -> Task:
    x = torch.linspace(-3, 3, 128).reshape(-1, 1)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    return Task("sine", model, (x, x.sin()), (x + 0.01, (x + 0.01).sin()), mean_squared_error)


@pytest.mark.parametrize("spacing", ["exponential", "linear"])
def test_seeds_of_a_task_are_tested_at_once_and_each_as_if_alone(spacing: str) -> None:
    settings: dict[str, Any] = {"steps": 40, "spacing": spacing, "low": 1e-4, "high": 5.0, "dtype": torch.float64}
    together = range_tests.range_tests(sine(), seeds=[0, 1, 2], **settings)
    assert len(together) == 3
    [alone] = range_tests.range_tests(sine(), seeds=[1], **settings)
    np.testing.assert_allclose(alone.losses, together[1].losses, rtol=1e-9)
    rates = (np.geomspace if spacing == "exponential" else np.linspace)(1e-4, 5, 40)
    np.testing.assert_allclose(alone.rates, rates[: len(alone.losses)])


def test_a_task_is_tested_as_a_loop_tests_its_model() -> None:
    task = sine()
    [stacked] = range_tests.range_tests(task, seeds=[3], steps=30, high=1.0, dtype=torch.float64, batch_size=128)
    model = initial_parameters(task.model, seed=3).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = tuple(part.double() for part in task.train)
    looped = range_test(model, optimizer, [batch], loss_of, steps=30, high=1.0)
    np.testing.assert_allclose(stacked.losses, looped.losses, rtol=1e-9)


def test_a_rate_comes_with_an_interval_or_a_reason() -> None:
    found = range_tests.suggest_rate(sine(), steps=60, seeds=[0, 1])
    assert found.rate is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.rate < found.high
    assert found.losses.shape == (26, 2)
    assert repr(found).startswith("RateInterval(0.")
    for rates, what in (([1e-7, 1e-6, 1e-5], "higher"), ([1e3, 1e4, 1e5], "lower")):
        none = range_tests.suggest_rate(sine(), steps=20, seeds=[0], learning_rates=rates)
        assert none.rate is none.low is none.high is None
        assert f"try {what} rates" in repr(none)


def test_the_least_loss_of_a_parabola_is_found_exactly() -> None:
    rates = np.array([0.01, 0.02, 0.1, 1.0])
    best, _ = lowest(rates, np.exp((np.log(rates) - np.log(0.05)) ** 2))
    assert best == pytest.approx(0.05)
    assert lowest(rates, np.array([np.inf, np.inf, np.inf, np.inf]))[0] is None
    assert lowest(rates, np.array([3.0, 1.0, np.inf, np.inf]))[0] == 0.02


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rates": [0.1, 0.2]}, "learning_rates must be three or more in increasing order"),
        ({"learning_rates": [0.1, 0.3, 0.2]}, "learning_rates must be three or more in increasing order"),
        ({"measure": "loss"}, "measure must be one of 'validation_loss', 'train_loss'"),
    ],
)
def test_a_wrong_argument_of_suggest_rate_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        range_tests.suggest_rate(sine(), steps=10, **wrong)


def test_a_schedule_of_ones_own_is_refused() -> None:
    with pytest.raises(ValueError, match="schedule must be None"):
        range_tests.range_tests(sine(), steps=10, schedule=constant(1.0))


def test_a_figure_names_each_suggestion_and_is_drawn_without_any() -> None:
    plots = pytest.importorskip("lrlib.plots")
    plt = pytest.importorskip("matplotlib.pyplot")
    good = RangeTest(RATES, curve(RATES), None, 100)
    ax = plots.plot_range_test(good, rules=["steepest", "minimum"])
    texts = [text.get_text() for text in ax.texts]
    assert sorted(text.split()[0] for text in texts) == ["minimum", "steepest"]
    assert ax.get_xscale() == "log"
    flat = RangeTest(RATES, np.ones(100), None, 100)
    assert not plots.plot_range_test(flat).texts
    nothing = RangeTest(RATES[:1], np.array([np.nan]), None, 100, "its loss is nan")
    plots.plot_range_test(nothing)
    assert "RangeTest(1 of 100 updates" in repr(nothing)
    assert "no suggestion, because too few points" in nothing.table
    with pytest.raises(ValueError, match="rules must be one of"):
        plots.plot_range_test(good, rules=["best"])
    plt.close("all")


def test_the_interval_in_use_is_that_of_the_committed_record() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))  # nothing is trained here
    assert record.keys() == {name for name, *_ in [*TUNED, *SCORED]}, "run python -m benchmarks range_tests"
    assert all(record[name]["rules"].keys() == RULES.keys() for name, *_ in SCORED)
    assert ends() == pytest.approx((LOWER, MIDDLE, UPPER), abs=0.005)
