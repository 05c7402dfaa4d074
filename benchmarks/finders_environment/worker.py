"""The process in the environment of other range tests; it imports nothing of the repository. Its parent: ``Finders``.

Its first half, what is trained and what is compared, serves the parent, too.
"""

import contextlib
import json
import logging
import os
import random
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STEPS, LOW, HIGH = 100, 1e-7, 0.1


def prepared(plain: bool = True):
    """Model, optimizer and loader: the digits MLP, or one with batch normalization, dropout and moments to put back."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(1437, 64, generator=generator), torch.randint(10, (1437,), generator=generator)
    torch.manual_seed(0)
    extra = [] if plain else [nn.BatchNorm1d(64), nn.Dropout(0.2)]
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), *extra, nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=LOW, momentum=0.0 if plain else 0.9)
    if not plain:
        nn.functional.cross_entropy(model(x[:64]), y[:64]).backward()
        optimizer.step()
        model.eval()
    return model, optimizer, DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)


def snapshot(model, optimizer):
    """Bytes of all that a range test may leave changed, by what a reader would call it."""

    def content(tensors):
        return [None if t is None else t.detach().numpy().tobytes() for t in tensors]

    state = [s.get("momentum_buffer") for s in optimizer.state.values()] if optimizer else []
    return {
        "parameters": content(model.parameters()),
        "buffers": content(model.buffers()),
        "gradients": content(p.grad for p in model.parameters()),
        "modes": [module.training for module in model.modules()],
        "optimizer": (content(state), [group["lr"] for group in optimizer.param_groups]) if optimizer else None,
        "random states": (torch.get_rng_state().numpy().tobytes(), random.getstate(), str(np.random.get_state())),  # noqa: NPY002
    }


def measured(test, model, optimizer):
    """The processor's time for ``test()``, how many losses it recorded, and what it left changed."""
    before = snapshot(model, optimizer)
    begin = time.process_time()
    losses = test()
    seconds = time.process_time() - begin
    after = snapshot(model, optimizer)
    return {"seconds": seconds, "losses": losses, "changed": [name for name in before if after[name] != before[name]]}


def torch_lr_finder(plain):
    from torch_lr_finder import LRFinder

    model, optimizer, loader = prepared(plain)

    def test():
        finder = LRFinder(model, optimizer, nn.CrossEntropyLoss(), device="cpu")
        finder.range_test(loader, start_lr=LOW, end_lr=HIGH, num_iter=STEPS)
        finder.reset()
        return len(finder.history["loss"])

    return measured(test, model, optimizer)


def lightning(plain):
    import lightning
    from lightning.pytorch.tuner import Tuner

    model, _, loader = prepared(plain)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.lr = model, LOW

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.0 if plain else 0.9)

    module = Module()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    folder = tempfile.mkdtemp()
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=10, default_root_dir=folder, **quiet)
    tuner = Tuner(trainer)

    def test():
        found = tuner.lr_find(
            module, train_dataloaders=loader, min_lr=LOW, max_lr=HIGH, num_training=STEPS, update_attr=False
        )
        return len(found.results["loss"])

    return measured(test, model, None)


def fastai(plain):
    from fastai.basics import DataLoaders, Learner, OptimWrapper, nn
    from fastai.callback.schedule import valley

    model, optimizer, loader = prepared(plain)
    data = DataLoaders.from_dsets(loader.dataset, loader.dataset, bs=64, device="cpu", num_workers=0)
    learner = Learner(
        data,
        model,
        loss_func=nn.CrossEntropyLoss(),
        opt_func=lambda _, **__: OptimWrapper(opt=optimizer),
        path=tempfile.mkdtemp(),
    )
    learner.remove_cbs([callback for callback in learner.cbs if callback.name == "progress"])

    def test():
        with learner.no_logging():
            learner.lr_find(start_lr=LOW, end_lr=HIGH, num_it=STEPS, show_plot=False, suggest_funcs=(valley,))
        return len(learner.recorder.losses)

    return measured(test, model, optimizer)


FINDERS = {"torch-lr-finder": torch_lr_finder, "Lightning": lightning, "fastai": fastai}

if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    os.environ["TQDM_DISABLE"] = "1"
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        name, kind = line.split()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            answer = FINDERS[name](kind == "plain")
        print(json.dumps(answer), file=answers, flush=True)
