"""The batched sweep against plain torch, against itself, and against bad input."""

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import schedules, tasks, training, updates
from lrlib.models import initial_parameters
from lrlib.training.settings import checked_plan

STEPS = 25
OPTIMIZERS = {
    "sgd": (updates.sgd(), torch.optim.SGD, {}),
    "momentum": (
        updates.sgd(momentum=0.9, weight_decay=0.01),
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.01},
    ),
    "adamw": (updates.adamw(weight_decay=0.1), torch.optim.AdamW, {"weight_decay": 0.1}),
    "adapter": (updates.from_torch(torch.optim.Adamax), torch.optim.Adamax, {}),
}


class Regularized(nn.Module):
    """A module that needs ``vmap``, buffers and dropout alike."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.3)
        self.last = nn.Linear(16, 10)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.first(x)))))


def task_of(model):
    digits = tasks.digits_mlp()
    return tasks.Task("own", model, digits.train, digits.validation, digits.loss, digits.metrics)


TASKS = {
    "mlp": tasks.digits_mlp(hidden=(16, 16)),
    "tanh": tasks.digits_mlp(hidden=(16,), activation="tanh"),
    "cnn": tasks.digits_cnn(channels=(2, 3)),
    "transformer": tasks.pydoc_transformer(context=8, width=8, heads=2, layers=1),
    "shifted": tasks.digits_mlp(hidden=(8,), shift=True),
    "table": tasks.breast_cancer_mlp(hidden=(8,)),
    "quadratic": tasks.noisy_quadratic([1.0, 3.0]),
}


def plain_torch(task, optimizer, settings, *, rate, seed, batch_size=16, steps=STEPS, schedule=None, clip_norm=None):
    """The loop that everybody writes, in float64."""
    model = initial_parameters(task.model, seed=seed).double()
    x, y = (part.double() if part.is_floating_point() else part for part in task.train)
    rule = optimizer(model.parameters(), lr=rate, **settings)
    losses = []
    for step, rows in enumerate(tasks.batch_order(len(x), batch_size=batch_size, steps=steps, seed=seed)):
        if schedule is not None:
            rule.param_groups[0]["lr"] = rate * schedule(step)
        rule.zero_grad()
        loss = task.loss(model(tasks.augment_batch(task, x[rows], seed=seed, step=step)), y[rows])
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        rule.step()
        losses.append(loss.item())
    return np.array(losses), {name: p.detach() for name, p in model.named_parameters()}


def sweep64(task, **settings):
    return training.sweep(task, **({"steps": STEPS, "batch_size": 16, "dtype": torch.float64} | settings))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_member_of_a_sweep_is_the_plain_torch_run(name, optimizer):
    rule, twin, settings = OPTIMIZERS[optimizer]
    result = sweep64(TASKS[name], rule=rule, learning_rates=[1e-3, 0.05], seeds=[3, 4])
    for run in result:
        losses, parameters = plain_torch(TASKS[name], twin, settings, rate=run.learning_rate, seed=run.seed)
        np.testing.assert_allclose(run.loss, losses, rtol=1e-9, atol=1e-12)
        for key, value in parameters.items():
            torch.testing.assert_close(run.parameters[key], value, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rules_schedules_and_clipping_agree_with_torch(optimizer):
    rule, twin, settings = OPTIMIZERS[optimizer]
    schedule = schedules.cosine(1.0, total_steps=STEPS)
    result = sweep64(TASKS["mlp"], rule=rule, schedule=schedule, clip_norm=0.7, learning_rates=[0.01, 0.1])
    for run in result:
        expected, _ = plain_torch(
            TASKS["mlp"], twin, settings, rate=run.learning_rate, seed=0, schedule=schedule, clip_norm=0.7
        )
        np.testing.assert_allclose(run.loss, expected, rtol=1e-9)


@pytest.mark.parametrize("count", [3, training.run.FULL_STACK])
def test_rates_and_seeds_stack_alike_however_many(count):
    rates = np.geomspace(1e-3, 0.3, count)
    result = sweep64(TASKS["mlp"], learning_rates=rates, seeds=[0, 7])
    assert result.by_rate(result.loss).shape == (count, 2, STEPS)
    for run in (result[1], result[count + 2]):
        alone = training.train(
            TASKS["mlp"],
            learning_rate=run.learning_rate,
            seed=run.seed,
            steps=STEPS,
            batch_size=16,
            dtype=torch.float64,
        )
        np.testing.assert_allclose(run.loss, alone.loss, rtol=1e-11)


def test_a_diverging_member_poisons_nothing():
    alone = sweep64(TASKS["cnn"], learning_rates=[0.01, 0.02])
    beside = sweep64(TASKS["cnn"], learning_rates=[0.01, 1e200, 0.02])
    assert beside[1].status.startswith("diverged at step")
    assert not np.isfinite(beside[1].loss[-1])
    for k, other in ((0, 0), (2, 1)):
        assert beside[k].status == "finished"
        np.testing.assert_allclose(beside[k].loss, alone[other].loss, rtol=1e-12)
        np.testing.assert_allclose(beside[k].validation_loss, alone[other].validation_loss, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_call_gives_the_same_bits(dtype):
    calls = [
        training.sweep(task_of(Regularized), learning_rates=[0.1, 0.2], seeds=[1, 2], steps=10, dtype=dtype)
        for _ in "ab"
    ]
    np.testing.assert_array_equal(calls[0].loss, calls[1].loss)
    np.testing.assert_array_equal(calls[0].validation_loss, calls[1].validation_loss)
    assert calls[0].provenance["dtype"] == str(dtype).removeprefix("torch.")


def test_dropout_and_batch_norm_of_a_member_are_those_of_the_lone_run():
    settings = {"steps": 12, "batch_size": 32, "dtype": torch.float64, "eval_every": 6}
    together = training.sweep(task_of(Regularized), learning_rates=[0.05, 0.1, 0.2], seeds=[1, 2], **settings)
    for k in (1, 5):
        alone = training.train(
            task_of(Regularized), learning_rate=together[k].learning_rate, seed=together[k].seed, **settings
        )
        np.testing.assert_allclose(together[k].loss, alone.loss, rtol=1e-11)
        np.testing.assert_allclose(together[k].validation_loss, alone.validation_loss, rtol=1e-11)


class Fixed(Regularized):
    """Weights that do not depend on the seed."""

    def __init__(self):
        super().__init__()
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.1)
        nn.init.eye_(self.last.weight)


def test_another_seed_has_another_dropout_mask():
    """With the same weights and the same full batch nothing else is left to tell two seeds apart."""
    settings = {"learning_rates": [0.1], "steps": 1, "batch_size": None, "dtype": torch.float64}
    dropped = training.sweep(task_of(Fixed), seeds=[0, 1, 2], **settings)
    assert len(np.unique(dropped.loss[:, 0])) == 3
    assert len(np.unique(training.sweep(task_of(Fixed), seeds=[0], **settings).loss)) == 1
    kept = training.sweep(task_of(lambda: Fixed().eval()), seeds=[0, 1, 2], **settings)
    assert len(np.unique(kept.loss[:, 0])) == 1


def test_evaluation_of_batch_norm_uses_the_running_statistics():
    result = training.train(task_of(Regularized), learning_rate=0.1, steps=5, dtype=torch.float64)
    model = Regularized().double()
    model.load_state_dict(result.parameters)
    model.eval()
    x, y = tasks.digits_mlp().validation
    assert float(tasks.cross_entropy(model(x), y).detach()) == pytest.approx(result.validation_loss[-1], rel=1e-10)


def test_no_global_state_is_touched():
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    training.train(task_of(Regularized), learning_rate=0.1, steps=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_ledger_holds_the_rates_that_were_used():
    schedule = schedules.with_warmup(schedules.cosine(0.2, total_steps=20), warmup_steps=5)
    run = training.train(TASKS["mlp"], learning_rate=schedule, steps=25, dtype=torch.float64)
    np.testing.assert_allclose(run.rates_used, schedule(np.arange(25)), rtol=1e-12)
    weights = initial_parameters(TASKS["mlp"].model, seed=0).double()
    how = {"dtype": torch.float64, "record_updates": True, "unfinished": "ok"}
    one = training.train(TASKS["mlp"], learning_rate=schedule, steps=1, **how)
    move = torch.cat([(one.parameters[n] - p.detach()).flatten() for n, p in weights.named_parameters()]).norm()
    assert float(move) == pytest.approx(
        one.grad_norm[0] * run.rates_used[0], rel=1e-12
    )  # what moved is rate × gradient


def test_feedback_lowers_each_runs_own_rate():
    rule = schedules.reduce_on_plateau(patience=0, factor=0.5)
    result = training.sweep(
        TASKS["mlp"], learning_rates=[0.02, 3.0], feedback=rule, eval_every=5, steps=40, dtype=torch.float64
    )
    for run in result:
        state = rule.init(np.array([run.learning_rate]))
        expected = []
        for loss in run.validation_loss[:-1]:
            state = rule.update(state, np.array([loss]))
            expected += [state.learning_rates[0]] * 5
        np.testing.assert_allclose(run.rates_used, expected, rtol=1e-12)
    assert result[0].rates_used[-1] == 0.02
    assert result[1].rates_used[-1] < 3.0


def test_update_ratio_and_gradient_norm_mean_what_they_say():
    task, rate = TASKS["mlp"], 0.1
    run = training.train(task, learning_rate=rate, steps=1, batch_size=16, dtype=torch.float64, record_updates=True)
    model = initial_parameters(task.model, seed=0).double()
    rows = tasks.batch_order(task.examples, batch_size=16, steps=1, seed=0)[0]
    task.loss(model(task.train[0][rows]), task.train[1][rows]).backward()
    ratios = [float(rate * p.grad.norm() / p.detach().norm()) for p in model.parameters()]
    np.testing.assert_allclose(run.update_ratio[0], ratios, rtol=1e-12)
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    assert run.grad_norm[0] == pytest.approx(float(norm), rel=1e-12)
    assert run.tensor_names == tuple(name for name, _ in model.named_parameters())


def test_evaluations_are_where_they_were_asked_for():
    run = training.train(TASKS["mlp"], learning_rate=0.1, steps=10, eval_every=4)
    np.testing.assert_array_equal(run.eval_steps, [0, 4, 8, 10])
    assert run.validation_metrics["accuracy"].shape == run.train_loss.shape == (4,)
    assert training.train(TASKS["mlp"], learning_rate=0.1, steps=10).eval_steps.tolist() == [10]


def test_a_stack_can_be_streamed_and_dropped():
    stack = training.start(TASKS["mlp"], learning_rates=[0.1, 0.2], steps=20, dtype=torch.float64)
    stack.advance(7)
    part = stack.records()
    assert part[0].status == "stopped after 7 of 20 steps"
    stack.advance(1000)
    assert stack.done
    whole = training.sweep(TASKS["mlp"], learning_rates=[0.1, 0.2], steps=20, dtype=torch.float64)
    np.testing.assert_array_equal(stack.records().loss, whole.loss)
    np.testing.assert_array_equal(part.loss, whole.loss[:, :7])


BAD = {
    "learning_rates": [[], [-0.1], [0.0], [np.nan], [np.inf], "0.1", ["0.1"], [[0.1]], None, 0.1],
    "seeds": [[], [-1], [0.5], [1, 1], "0", None, 3],
    "steps": [0, -1, 1.5, None, True],
    "batch_size": [0, -1, 1.5, 10**6],
    "rule": ["sgd", torch.optim.SGD],
    "schedule": [
        0.1,
        lambda step: 1.0,
        schedules.cosine(1.0, total_steps=4),
        schedules.cosine(0.1, total_steps=5),
        schedules.constant(0.0),
    ],
    "unfinished": [None, True, "loud"],
    "feedback": [0.1, schedules.constant(1.0)],
    "dtype": [torch.float16, "float32", torch.int64],
    "device": ["tpu", "", None],
    "eval_every": [0, 1.5],
    "eval_examples": [0, 1.5],
    "clip_norm": [0.0, -1.0, np.nan],
    "record_updates": [1, "yes"],
    "divergence_threshold": [1.0, np.nan, np.inf],
    "threads": [0, 1.5],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_arguments_of_a_sweep_are_named(name, value):
    with pytest.raises((ValueError, TypeError), match=rf"^{name}(\[\d+\])? must be .*, but got"):
        training.sweep(TASKS["mlp"], **({"learning_rates": [0.1], "steps": 5} | {name: value}))


def test_other_bad_calls_are_named():
    with pytest.raises(TypeError, match="task must be a Task"):
        training.sweep("digits", learning_rates=[0.1], steps=1)
    with pytest.raises(ValueError, match="eval_every must be an integer >= 1 where feedback is given, but got None"):
        training.sweep(TASKS["mlp"], learning_rates=[0.1], steps=5, feedback=schedules.reduce_on_plateau())
    with pytest.raises(ValueError, match="learning_rate must be a schedule of at least 5 steps"):
        training.train(TASKS["mlp"], learning_rate=schedules.linear(0.1, total_steps=4), steps=5)
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0, but got -1"):
        training.train(TASKS["mlp"], learning_rate=-1, steps=5)
    with pytest.raises(TypeError, match=r"train\(\) missing a required argument: 'steps'"):
        training.train(TASKS["mlp"], learning_rate=schedules.constant(0.1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(ValueError, match=r"device must be one that this machine has \('cpu'.*\), but got 'cuda'"):
        training.find_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_the_cpus_numbers():
    settings = {"learning_rates": [0.01, 0.1], "seeds": [0, 1], "steps": 20, "dtype": torch.float64}
    on = {device: training.sweep(TASKS["mlp"], device=device, **settings) for device in ("cpu", "cuda")}
    np.testing.assert_allclose(on["cuda"].loss, on["cpu"].loss, rtol=1e-9)
    assert on["cuda"].provenance["device"] == "cuda"


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_a_runs_dropout_hangs_on_its_own_seed_and_not_on_who_is_beside_it(device: str):
    task = task_of(Regularized)
    settings = {"steps": 5, "batch_size": 64, "dtype": torch.float64, "device": device, "engine": "torch"}
    plan = checked_plan(task, model=task.model(), **settings)

    def losses(*seeds):  # of one stack, which a sweep may cut into several
        stack = training.Stack(plan, learning_rates=np.full(len(seeds), 0.1), seeds=np.array(seeds))
        stack.advance(5)
        return [run.loss for run in stack.records()]

    np.testing.assert_allclose(losses(0, 1)[1], losses(1)[0], rtol=1e-9)
