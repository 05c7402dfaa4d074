"""The monitor as a callback, each with its real framework, where that is installed.

The frameworks are no part of requirements.txt. To run these tests, put them into an environment of their own::

    pip install torch==2.13.0 -e ".[lightning,transformers,keras]" pytest hypothesis
    KERAS_BACKEND=torch python -m pytest tests/test_diagnostics_trainers.py
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from lrlib import schedules
from lrlib.diagnostics import Departure, Monitor, keras_monitor, lightning_monitor, transformers_monitor

os.environ.setdefault("KERAS_BACKEND", "torch")
STEPS = 12
PLAN = schedules.cosine(0.1, total_steps=STEPS)


def needs(module: str) -> Any:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


def scheduler(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: PLAN(step) / 0.1)


class Examples(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        x = torch.sin(torch.arange(4.0) + index)
        return {"x": x, "labels": x.sum()}


class Line(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.line(x).squeeze(-1)
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


def line() -> Line:
    torch.manual_seed(0)
    return Line()


@needs("lightning")
@pytest.mark.filterwarnings("ignore")
class TestLightning:
    def fit(self, tmp_path: Path, callback: Any, *, interval: str = "step", resume: Any = None, **settings: Any) -> Any:
        import lightning

        class Module(lightning.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.inner = line()

            def training_step(self, batch: Any, _: int) -> Any:
                return self.inner(**batch)["loss"]

            def validation_step(self, batch: Any, _: int) -> None:
                self.log("val_loss", self.inner(**batch)["loss"])

            def configure_optimizers(self) -> Any:
                rule = torch.optim.SGD(self.parameters(), lr=0.1)
                return {"optimizer": rule, "lr_scheduler": {"scheduler": scheduler(rule), "interval": interval}}

        loader = torch.utils.data.DataLoader(Examples(), batch_size=4)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        callbacks = [*([callback] if callback else []), *settings.pop("callbacks", [])]
        trainer = lightning.Trainer(default_root_dir=tmp_path, callbacks=callbacks, **quiet, **settings)
        module = Module()
        trainer.fit(module, loader, loader, ckpt_path=resume)
        return trainer, module

    def test_it_watches_and_changes_nothing(self, tmp_path: Path) -> None:
        seen: list[Departure] = []
        callback = lightning_monitor(planned=PLAN, every=5, on_departure=seen.append)
        _, plain = self.fit(tmp_path, None, max_epochs=2, enable_checkpointing=False)
        _, module = self.fit(tmp_path, callback, max_epochs=2, enable_checkpointing=False)
        assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), module.parameters(), strict=True))
        assert not seen
        curve = callback.watch.curve()
        assert np.allclose(curve.rates, PLAN(np.arange(STEPS)))
        assert curve.validation_steps.tolist() == [6, 12]
        assert np.isfinite(curve.gradient_norm[[0, 5, 10]]).all()
        assert curve.loss[-1] < curve.loss[0]

    def test_a_scheduler_once_an_epoch(self, tmp_path: Path) -> None:
        seen: list[Departure] = []
        callback = lightning_monitor(planned=PLAN, on_departure=seen.append)
        self.fit(tmp_path, callback, interval="epoch", max_epochs=2, enable_checkpointing=False)
        assert (seen[0].step, "never, or once an epoch" in seen[0].why) == (1, True)

    def test_accumulation_and_a_resumed_fit(self, tmp_path: Path) -> None:
        from lightning.pytorch.callbacks import ModelCheckpoint

        seen: list[Departure] = []
        keep = ModelCheckpoint(dirpath=tmp_path, filename="half")
        first = lightning_monitor(planned=PLAN, on_departure=seen.append)
        self.fit(tmp_path, first, max_epochs=2, accumulate_grad_batches=2, callbacks=[keep])
        assert first.watch.step == 6
        assert len(first.watch.curve().loss) == 6
        second = lightning_monitor(planned=PLAN, on_departure=seen.append)
        self.fit(tmp_path, second, max_epochs=4, accumulate_grad_batches=2, resume=str(tmp_path / "half.ckpt"))
        assert not seen
        assert second.watch.curve().steps.tolist() == list(range(6, 12))


@needs("transformers")
@needs("accelerate")
@pytest.mark.filterwarnings("ignore")
class TestTransformers:
    def train(self, tmp_path: Path, callback: Any, *, resume: Any = None, **settings: Any) -> Any:
        from transformers import Trainer, TrainingArguments

        rule = torch.optim.SGD((model := line()).parameters(), lr=0.1)
        quiet: dict[str, Any] = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "logging_steps": 1}
        quiet |= {"per_device_train_batch_size": 4, "remove_unused_columns": False, "max_grad_norm": 0.0, "seed": 1}
        arguments = TrainingArguments(output_dir=str(tmp_path), **quiet, **settings)
        own = [callback] if callback else []
        trainer = Trainer(
            model,
            arguments,
            train_dataset=Examples(),
            eval_dataset=Examples(),
            optimizers=(rule, scheduler(rule)),
            callbacks=own,
        )
        trainer.train(resume_from_checkpoint=resume)
        return model

    def test_it_watches_and_changes_nothing(self, tmp_path: Path) -> None:
        seen: list[Departure] = []
        callback = transformers_monitor(planned=PLAN, every=5, on_departure=seen.append)
        settings: dict[str, Any] = {"num_train_epochs": 2, "eval_strategy": "epoch", "save_strategy": "no"}
        plain = self.train(tmp_path, None, **settings)
        model = self.train(tmp_path, callback, **settings)
        assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))
        assert not seen
        curve = callback.watch.curve()
        assert np.allclose(curve.rates, PLAN(np.arange(STEPS)))
        assert curve.validation_steps.tolist() == [6, 12]
        assert np.isfinite(curve.gradient_norm[[0, 5, 10]]).all()
        assert len(curve.loss) == STEPS

    def test_accumulation_and_a_resumed_run(self, tmp_path: Path) -> None:
        seen: list[Departure] = []
        settings: dict[str, Any] = {"gradient_accumulation_steps": 2, "num_train_epochs": 4, "save_strategy": "steps"}
        first = transformers_monitor(planned=PLAN, on_departure=seen.append)
        self.train(tmp_path, first, save_steps=6, **settings)
        second = transformers_monitor(planned=PLAN, on_departure=seen.append)
        self.train(tmp_path, second, save_steps=6, resume=str(tmp_path / "checkpoint-6"), **settings)
        assert not seen
        assert (first.watch.step, second.watch.curve().steps.tolist()) == (12, list(range(6, 12)))

    def test_a_plan_of_another_length(self, tmp_path: Path) -> None:
        seen: list[Departure] = []
        callback = transformers_monitor(planned=schedules.cosine(0.1, total_steps=24), on_departure=seen.append)
        self.train(tmp_path, callback, num_train_epochs=1, save_strategy="no")
        assert seen[0].step == 1


@needs("accelerate")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("late", [True, False])
def test_accelerate(late: bool) -> None:
    """Accumulation by Accelerate: a scheduler that is prepared waits for the update, one that is not does not."""
    from accelerate import Accelerator

    for prepared in (True, False):
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
        model, raw = line(), None
        raw = torch.optim.SGD(model.parameters(), lr=0.1)
        early = scheduler(raw)
        model, rule = accelerator.prepare(model, raw)
        fall = scheduler(rule) if late else early
        fall = accelerator.prepare(fall) if prepared else fall
        seen: list[Departure] = []
        with Monitor(model, rule, planned=PLAN, on_departure=seen.append) as watch:
            for number in range(8):
                with accelerator.accumulate(model):
                    loss = model(**{name: tensor[None] for name, tensor in Examples()[number].items()})["loss"]
                    watch.loss(loss)
                    accelerator.backward(loss)
                    rule.step()
                    fall.step()
                    rule.zero_grad()
        assert watch.step == 4
        if prepared:
            assert not seen
        else:
            assert (seen[0].step, seen[0].why[:30]) == (0, "the rate planned for update 1:")


@needs("keras")
@pytest.mark.filterwarnings("ignore")
class TestKeras:
    def fit(self, callback: Any, rate: Any, **settings: Any) -> Any:
        import keras

        keras.utils.set_random_seed(0)
        accumulate = settings.pop("accumulate", None)
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
        rule = keras.optimizers.SGD(rate, gradient_accumulation_steps=accumulate)
        model.compile(rule, "mse", **{key: settings.pop(key) for key in ("steps_per_execution",) if key in settings})
        rows = [Examples()[i] for i in range(24)]
        x, y = np.stack([row["x"] for row in rows]), np.stack([row["labels"] for row in rows])
        own = [callback] if callback else []
        model.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0, callbacks=own, shuffle=False, **settings)
        return model

    def falling(self) -> Any:
        import keras

        return keras.optimizers.schedules.CosineDecay(0.1, STEPS)

    def test_it_watches_and_changes_nothing(self) -> None:
        seen: list[Departure] = []
        callback = keras_monitor(planned=PLAN, every=5, on_departure=seen.append)
        plain, model = self.fit(None, self.falling(), epochs=2), self.fit(callback, self.falling(), epochs=2)
        assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), model.get_weights(), strict=True))
        assert not seen
        curve = callback.watch.curve()
        assert np.allclose(curve.rates, PLAN(np.arange(STEPS)), atol=1e-7)
        assert curve.validation_steps.tolist() == [6, 12]
        assert (curve.update_ratio[[0, 5, 10]] > 0).all()
        assert curve.loss[-1] < curve.loss[0]

    def test_a_rate_that_stands(self) -> None:
        seen: list[Departure] = []
        self.fit(keras_monitor(planned=PLAN, on_departure=seen.append), 0.1, epochs=1)
        assert (seen[0].step, "the rate did not move" in seen[0].why) == (1, True)

    def test_accumulation_and_several_steps_at_once(self) -> None:
        constant = schedules.constant(0.1)
        at_once = () if os.environ["KERAS_BACKEND"] == "torch" else (({"steps_per_execution": 3}, 12),)
        for settings, steps in (({"accumulate": 2}, 6), *at_once):
            seen: list[Departure] = []
            callback = keras_monitor(planned=constant, on_departure=seen.append)
            self.fit(callback, 0.1, epochs=2, **settings)
            assert not seen
            assert callback.watch.step == steps
