"""Language: the help text of Python itself, which every CPython carries."""

import functools

import torch

from lrlib import _check
from lrlib.data.dataset import Dataset
from lrlib.streams import stream


@functools.lru_cache(maxsize=32)
def pydoc_text(*, context: int = 32, vocabulary: int = 64, seed: int = 0) -> Dataset:
    """CPython's help topics (``pydoc_data.topics``), cut into windows of ``context`` characters.

    Inputs and targets (windows, context) are integers below ``vocabulary``; a target is the next character.
    The ``vocabulary - 1`` most frequent characters keep their identity, in order of falling frequency; all others are
    the last symbol. A tenth of the text in one piece is held out, where ``seed`` says: single windows would be guessed
    from their neighbours. The text differs a little between Python versions.
    """
    from pydoc_data.topics import topics

    _check.integer("context", context, at_least=2)
    _check.integer("vocabulary", vocabulary, at_least=2)
    text = "\n".join(topics[name] for name in sorted(topics))
    characters = sorted(set(text), key=lambda character: (-text.count(character), character))
    code = {character: min(rank, vocabulary - 1) for rank, character in enumerate(characters)}
    tokens = torch.tensor([code[character] for character in text])
    windows = (len(tokens) - 1) // context
    inputs = tokens[: windows * context].view(windows, context)
    targets = tokens[1 : windows * context + 1].view(windows, context)
    held = windows // 10
    begin = int(torch.randint(windows - held + 1, (), generator=stream("split", seed)))
    rows = torch.arange(windows).roll(-begin)
    train, validation = rows[held:].sort().values, rows[:held]
    return Dataset("pydoc text", (inputs[train], targets[train]), (inputs[validation], targets[validation]))
