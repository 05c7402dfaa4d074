"""The page's random streams against Python's, number by number."""

from pathlib import Path
from typing import Any

import torch

import lrlib
from lrlib import tasks
from lrlib.models import initial_parameters, mlp
from lrlib.streams import SEEDS, USES, stream, stream_key
from lrlib.widgets.trainer.page_data import weight_layout

[SCRIPT] = Path(lrlib.__file__).parent.rglob("random.js")
LOAD = "async ([source, given]) => { const js = await import('data:text/javascript,' + encodeURIComponent(source));"
SEED_VALUES = [*range(100), 12345, 2**31 - 1, 2**31, SEEDS - 1]


def ask(chromium: Any, body: str, given: Any) -> Any:
    """What ``body`` returns, where ``js`` is the script and ``given`` the argument."""
    page = chromium.new_page()
    try:
        return page.evaluate(LOAD + body + "}", [SCRIPT.read_text(encoding="utf-8"), given])
    finally:
        page.close()


def test_keys_of_all_uses_and_seeds(chromium: Any) -> None:
    asked = [(use, seed, *numbers) for use in USES for seed in SEED_VALUES for numbers in ((), (7,), (0, SEEDS - 1))]
    found = ask(chromium, "return given.map((one) => js.streamKey(...one));", asked)
    assert found == [stream_key(*one) for one in asked]


def test_permutations(chromium: Any) -> None:
    body = "return given.map((seed) => [...js.permutation(97, js.makeGenerator(js.streamKey('labels', seed)))]);"
    found = ask(chromium, body, SEED_VALUES)
    assert found == [torch.randperm(97, generator=stream("labels", seed)).tolist() for seed in SEED_VALUES]


def test_the_order_of_minibatches_over_epochs_and_of_full_batches(chromium: Any) -> None:
    asked = [[n, size, steps, seed] for seed in (0, 1, 9) for n, size, steps in ((10, 3, 20), (50, 8, 4), (6, 6, 3))]
    found = ask(chromium, "return given.map((one) => [...js.batchOrder(...one)]);", asked)
    for (examples, size, steps, seed), order in zip(asked, found, strict=True):
        expected = tasks.batch_order(examples, batch_size=size, steps=steps, seed=seed)
        assert order == expected.flatten().tolist()


def test_initial_weights(chromium: Any) -> None:
    task = tasks.digits_mlp(hidden=(5,))
    body = "return given[1].map((seed) => [...js.uniformParameters(given[0], seed)]);"
    found = ask(chromium, body, [weight_layout(task), SEED_VALUES[:20]])
    for seed, weights in zip(SEED_VALUES, found, strict=False):
        model = initial_parameters(lambda: mlp((64, 5, 10)), seed=seed)
        assert weights == torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
