"""Random streams: each use draws numbers of its own, independent of every other use, seed and step."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from lrlib import data, surfaces, tasks, training
from lrlib.data.dataset import split_order
from lrlib.models import initial_parameters
from lrlib.streams import SEEDS, USES, stream, stream_key

LEVEL = 1e-3  # how often a test may fail by chance, all its comparisons together
NUMBERS = 200
Key = Callable[[str, int], int]


def drawn(key: Key) -> np.ndarray:
    """(uses × 100 seeds, NUMBERS) uniform numbers, a row for each stream."""
    generators = [torch.Generator().manual_seed(key(use, seed)) for use in USES for seed in range(100)]
    return np.stack([torch.rand(NUMBERS, generator=generator).numpy() for generator in generators])


def dependent_pairs(rows: np.ndarray) -> int:
    """How many pairs of rows have a rank correlation that no pair of independent ones should have."""
    correlations = np.corrcoef(rows.argsort(axis=1).argsort(axis=1))[np.triu_indices(len(rows), 1)]
    bound = stats.norm.isf(LEVEL / 2 / len(correlations)) / np.sqrt(NUMBERS - 1)
    return int((np.abs(correlations) > bound).sum())


def test_all_pairs_of_streams_are_independent() -> None:
    assert dependent_pairs(drawn(stream_key)) == 0


@pytest.mark.parametrize(
    ("mutant", "found"),
    [
        (lambda use, seed: stream_key("order", seed), 100 * 36),  # all pairs of the nine uses, for each seed
        (lambda use, seed: stream_key(use, 0), 9 * 4950),  # all pairs of the 100 seeds, for each use
        (lambda use, seed: seed, 100 * 36),
        (lambda use, seed: seed << 32 & 0xFFFFFFFF, 404_550),
    ],
    ids=["no use", "no seed", "the seed itself", "low bits"],
)
def test_streams_that_are_not_would_be_noticed(mutant: Key, found: int) -> None:
    assert dependent_pairs(drawn(mutant)) == found


class Shuffled(nn.Module):
    """Its weights are a permutation, drawn as any weights are."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randperm(NUMBERS).float())

    def forward(self, inputs: Tensor) -> Tensor:
        return self.weight.sum() * inputs


def test_weights_order_augmentation_labels_and_splits_share_no_permutation() -> None:
    """What the library draws for the same seed and for others; of labels, to which of a million each is moved."""
    ones = torch.ones(2, 1)
    task = tasks.Task(
        *("shuffled", Shuffled, (ones, ones), (ones, ones), tasks.mean_squared_error),
        augment=lambda inputs, generator: torch.randperm(NUMBERS, generator=generator),
    )
    labels = torch.zeros(NUMBERS, dtype=torch.int64)
    rows = [
        row.numpy()
        for seed in range(100)
        for row in (
            next(initial_parameters(Shuffled, seed=seed).parameters()).detach(),
            tasks.batch_order(NUMBERS, batch_size=1, steps=NUMBERS, seed=seed).flatten(),
            tasks.augment_batch(task, ones, seed=seed, step=0),
            torch.from_numpy(split_order(NUMBERS, seed=seed)),
            tasks.wrong_labels(labels, share=1.0, classes=10**6, seed=seed),
        )
    ]
    assert dependent_pairs(np.stack(rows)) == 0


def test_no_stream_is_a_later_part_of_another() -> None:
    keys = [(use, seed) for use in USES for seed in range(100)]
    numbers = torch.cat([torch.randint(2**63 - 1, (64,), generator=stream(use, seed)) for use, seed in keys])
    assert len(numbers.unique()) == len(numbers)


def test_steps_are_told_apart() -> None:
    keys = {stream_key(use, seed, step) for use in USES for seed in range(10) for step in range(100)}
    assert len(keys) == len(USES) * 1000
    assert stream_key("dropout", 1, 2) != stream_key("dropout", 2, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stream_key("luck", 0), "use must be one of 'weights', .*, but got 'luck'"),
        (lambda: stream_key("weights", -1), "seed must be an integer >= 0 and <= 4294967295, but got -1"),
        (lambda: stream_key("weights", SEEDS), "seed must be an integer >= 0 and <= 4294967295, but got 4294967296"),
        (lambda: stream_key("weights", 1.0), "seed must be an integer"),
        (lambda: stream_key("dropout", 0, -1), "numbers must be an integer >= 0"),
        (lambda: tasks.batch_order(4, batch_size=2, steps=1, seed=SEEDS), "seed must be"),
        (lambda: data.digits(seed=SEEDS), "seed must be"),
        (lambda: tasks.digits_mlp(label_noise=0.1, seed=-1), "seed must be"),
        (
            lambda: training.sweep(tasks.noisy_quadratic([1.0]), learning_rates=[0.1], seeds=[0, SEEDS], steps=1),
            r"seeds must be less than 2\*\*32, but got 4294967296",
        ),
        (
            lambda: training.train(tasks.noisy_quadratic([1.0]), learning_rate=0.1, seed=SEEDS, steps=1),
            "seed.* must be",
        ),
        (
            lambda: training.descend(surfaces.quadratic([1.0]), learning_rates=[0.1], steps=1, seed=SEEDS),
            "seed must be",
        ),
    ],
)
def test_bad_uses_and_seeds_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()


class Masked(nn.Module):
    """Tells the dropout mask by its output; the weights are the same whatever the seed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64))

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.dropout(self.weight.expand(len(inputs), 64), 0.5, self.training)


def _scored(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs * torch.arange(64)).mean()


def dropped(seed: int) -> Tensor:
    """The loss of ten steps, which a full batch and constant weights leave to the mask alone."""
    ones = torch.ones(2, 1)
    task = tasks.Task("masked", Masked, (ones, ones), (ones, ones), _scored)
    return torch.from_numpy(training.train(task, learning_rate=1e-30, seed=seed, steps=10, batch_size=None).loss)


def augmented(seed: int) -> Tensor:
    task = tasks.digits_mlp(shift=True)
    return tasks.augment_batch(task, task.train[0][:32], seed=seed, step=5)


DRAWS: dict[str, Callable[[int], Tensor]] = {
    "weights": lambda seed: next(initial_parameters(lambda: nn.Linear(9, 9), seed=seed).parameters()).detach(),
    "order": lambda seed: tasks.batch_order(100, batch_size=10, steps=15, seed=seed),
    "split of digits": lambda seed: data.digits(seed=seed).validation[0],
    "split of MNIST": lambda seed: data.mnist(seed=seed).validation[0],
    "split of breast cancer": lambda seed: data.breast_cancer(seed=seed).validation[1],
    "split of diabetes": lambda seed: data.diabetes(seed=seed).validation[1],
    "split of the text": lambda seed: data.pydoc_text(seed=seed).validation[0],
    "labels": lambda seed: tasks.wrong_labels(torch.zeros(500, dtype=torch.int64), share=0.3, classes=10, seed=seed),
    "augmentation": augmented,
    "dropout": dropped,
    "data": lambda seed: tasks.noisy_quadratic([1.0, 2.0], seed=seed).train[0],
    "noise": lambda seed: torch.from_numpy(
        training.descend(surfaces.quadratic([1.0]), learning_rates=[0.1], steps=9, gradient_noise=1.0, seed=seed).points
    ),
}


@pytest.mark.parametrize("use", DRAWS)
def test_what_is_drawn_depends_on_the_seed_and_on_nothing_else(use: str) -> None:
    before = torch.get_rng_state()
    first, other = DRAWS[use](0), DRAWS[use](1)
    assert not torch.equal(first, other)
    torch.rand(3)
    assert torch.equal(first, DRAWS[use](0))
    torch.set_rng_state(before)


def test_each_step_shifts_and_drops_otherwise() -> None:
    losses = dropped(3)
    assert len(losses.unique()) == 10
    task = tasks.digits_mlp(shift=True)
    shifted = [tasks.augment_batch(task, task.train[0][:32], seed=0, step=step) for step in range(5)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(shifted, 2))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("own", [True, False], ids=["seed of the run", "seed 0"])
def test_wrong_labels_come_evenly_in_the_first_epoch(seed: int, own: bool) -> None:
    task_seed = seed if own else 0
    clean, noisy = tasks.digits_mlp(seed=task_seed), tasks.digits_mlp(label_noise=0.2, seed=task_seed)
    wrong = (clean.train[1] != noisy.train[1]).numpy()
    order = tasks.batch_order(noisy.examples, batch_size=8, steps=noisy.examples // 8, seed=seed).flatten().numpy()
    for tenth in np.array_split(order, 10):
        count = stats.hypergeom(len(wrong), wrong.sum(), len(tenth))
        low, high = count.ppf(LEVEL / 400), count.isf(LEVEL / 400)  # two sides of 200 tenths
        assert low <= wrong[tenth].sum() <= high


def test_a_window_of_the_order_is_that_part_of_the_whole() -> None:
    whole = tasks.batch_order(10, batch_size=3, steps=20, seed=4)
    for first, steps in itertools.product((0, 1, 3, 5, 11), (1, 2, 3, 7)):
        window = tasks.batch_order(10, batch_size=3, steps=steps, seed=4, first=first)
        assert torch.equal(window, whole[first : first + steps])


def test_a_full_batch_takes_the_memory_of_one_row() -> None:
    order = tasks.batch_order(1000, batch_size=1000, steps=10**4, seed=0)
    assert order.shape == (10**4, 1000)
    taken = order.untyped_storage().nbytes()
    assert taken == 8000


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_a_run_sees_the_order_however_it_is_advanced(batch_size: int | None, engine: str) -> None:
    task = tasks.digits_mlp(hidden=(4,))
    settings = {"steps": 150, "batch_size": batch_size, "engine": engine, "dtype": torch.float64}
    by_ones = training.start(task, learning_rates=[0.1], seed=2, **settings)
    for _ in range(150):
        by_ones.advance(1)
    whole = training.train(task, learning_rate=0.1, seed=2, **settings)
    np.testing.assert_array_equal(by_ones.records()[0].loss, whole.loss)
