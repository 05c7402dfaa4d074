"""Random streams: each use of randomness in a run draws its own numbers, independent of every other, from the seed.

A generator that two uses share ties them: the first shuffle of an epoch and the choice of the examples whose labels are
wrong would be one permutation. So no generator is ever seeded with a run's seed itself. Its key is made by numpy's
``SeedSequence`` from the seed, the name of the use, and whatever else sets one draw apart, such as the step.

The page's twin is ``lrlib/widgets/trainer/random.js``.
Source: M. E. O'Neill (2015), Developing a seed_seq Alternative; NumPy documentation, Parallel random number generation.
"""

from functools import lru_cache

import numpy as np
import torch

from lrlib import _check

USES = ("weights", "order", "split", "labels", "augmentation", "dropout", "evaluation", "data", "noise")
SEEDS = 2**32  # seeds are 0 … SEEDS - 1


@lru_cache(maxsize=2**14, typed=True)  # every arm of a comparison asks for the keys of the same epochs
def stream_key(use: str, seed: int, *numbers: int) -> int:
    """A 32-bit key for one use of randomness.

    Args:
        use: one of :data:`USES`.
        seed: the run's seed, 0 to 2³² − 1.
        numbers: what tells this draw from others of the same use, such as the step; each 0 to 2³² − 1.

    32 bits, since torch's CPU generator keeps no more of a seed.

    >>> stream_key("weights", 0), stream_key("order", 0)
    (2123076751, 1903558110)
    """
    name = _check.choice("use", use, USES)
    words = [_check.integer("numbers", number, at_least=0, at_most=SEEDS - 1) for number in numbers]
    entropy = _check.integer("seed", seed, at_least=0, at_most=SEEDS - 1)
    return int(np.random.SeedSequence(entropy, spawn_key=(*name.encode(), *words)).generate_state(1)[0])


def stream(use: str, seed: int, *numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one use of randomness; arguments as for :func:`stream_key`.

    >>> import torch
    >>> order = torch.randperm(6, generator=stream("order", 0))
    >>> torch.equal(order, torch.randperm(6, generator=stream("order", 0)))
    True
    """
    return torch.Generator(device).manual_seed(stream_key(use, seed, *numbers))
