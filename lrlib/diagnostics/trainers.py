"""The monitor as a callback of Lightning, of the Hugging Face Trainer and of Keras.

The classes are made when they are asked for: the package needs none of the three.
"""

import math
from statistics import median
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.diagnostics.watched_run import Tell, WatchedRun
from lrlib.diagnostics.watching import Monitor


def lightning_monitor(*, planned: Any = None, every: int = 10, on_departure: Tell | None = None) -> Any:
    """A callback for Lightning's ``Trainer``, of ``lightning`` or ``pytorch_lightning``, whichever is there.

    It watches each optimizer of the module by a :class:`Monitor`, in the list ``watches``; ``watch`` is the first. The
    loss is what ``training_step`` returns, the validation loss what the module logs as ``val_loss``. A resumed fit goes
    on counting at the trainer's ``global_step``. The arguments are those of :class:`Monitor`.

    Raises:
        ModuleNotFoundError: if neither package is there: ``pip install "lrlib[lightning]"``.
    """
    try:
        from lightning.pytorch.callbacks import Callback
    except ModuleNotFoundError:
        from pytorch_lightning.callbacks import Callback

    class LightningMonitor(Callback):
        watches: list[Monitor]

        def __init__(self) -> None:
            self.watches = []

        @property
        def watch(self) -> Monitor:
            return _first(self.watches)

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            made = trainer.global_step // max(1, len(trainer.optimizers))  # Lightning counts those of all optimizers
            settings: dict[str, Any] = {"planned": planned, "every": every, "on_departure": on_departure}
            self.watches = [Monitor(pl_module, optimizer, start=made, **settings) for optimizer in trainer.optimizers]

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if loss is not None:
                waits = not trainer.fit_loop.epoch_loop._should_accumulate()
                for watch in self.watches:  # a batch whose gradients are accumulated belongs to the update to come
                    watch.loss(loss.detach().clone(), step=max(watch.step - waits, 0))

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.sanity_checking and "val_loss" in trainer.callback_metrics:
                for watch in self.watches:
                    watch.validation(trainer.callback_metrics["val_loss"])

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            _close(self.watches)

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            _close(self.watches)

    return LightningMonitor()


def transformers_monitor(*, planned: Any = None, every: int = 10, on_departure: Tell | None = None) -> Any:
    """A callback for the ``Trainer`` of Hugging Face's ``transformers``; its monitor is ``watch``.

    The Trainer gives callbacks the loss only where it logs, as the mean since it last did: give it ``logging_steps=1``
    for that of each update. The validation loss is ``eval_loss``. A resumed run goes on counting at ``global_step``.
    The arguments are those of :class:`Monitor`.

    Raises:
        ModuleNotFoundError: if ``transformers`` is not there: ``pip install "lrlib[transformers]"``.
    """
    from transformers import TrainerCallback

    class TransformersMonitor(TrainerCallback):
        def __init__(self) -> None:
            self.watches: list[Monitor] = []

        @property
        def watch(self) -> Monitor:
            return _first(self.watches)

        def on_train_begin(self, args: Any, state: Any, control: Any, **have: Any) -> None:
            _close(self.watches)  # of a run that failed
            settings: dict[str, Any] = {"planned": planned, "every": every, "on_departure": on_departure}
            self.watches = [Monitor(have["model"], have["optimizer"], start=state.global_step, **settings)]

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **have: Any) -> None:
            if self.watches and logs and "loss" in logs:
                self.watch.loss(float(logs["loss"]), step=self.watch.step - 1)

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **have: Any) -> None:
            if self.watches and metrics and "eval_loss" in metrics:
                self.watch.validation(float(metrics["eval_loss"]))

        def on_train_end(self, args: Any, state: Any, control: Any, **have: Any) -> None:
            _close(self.watches)

    return TransformersMonitor()


def keras_monitor(*, planned: Any = None, every: int = 10, start: int = 0, on_departure: Tell | None = None) -> Any:
    """A callback for ``fit`` of Keras 3, with any of its backends; what it recorded is ``watch``.

    Rates, losses and, every so many updates, the size of the update over that of the weights; Keras shows callbacks no
    gradients. A rate is looked at after its update. Of ``steps_per_execution`` above 1 only the first rate is seen.
    The loss that Keras gives is its running mean over the epoch, from which that of the batch is won back. The
    arguments are those of :class:`Monitor`.

    Raises:
        ModuleNotFoundError: if ``keras`` is not there: ``pip install "lrlib[keras]"``.
    """
    import keras

    _check.integer("every", every, at_least=1)

    class KerasRun(WatchedRun):
        def _rounding(self) -> float:
            return 1e-4  # float32

    class KerasMonitor(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self._run: KerasRun | None = None

        @property
        def watch(self) -> WatchedRun:
            return _first([self._run] if self._run else [])

        def on_train_begin(self, logs: Any = None) -> None:
            self._run = KerasRun(
                [self._rate()],
                planned=planned,
                start=start,
                tolerance=1e-6,
                on_departure=on_departure,
                source=f"watched {type(self.model.optimizer).__name__}",
            )

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._total, self._batches = 0.0, 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            assert self._run
            self._made, self._used = int(self.model.optimizer.iterations), self._rate()
            measures = (self._run.step - start) % every == 0
            self._before = [_numbers(weight) for weight in self.model.trainable_weights] if measures else []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert self._run
            run, step = self._run, self._run.step
            made = int(self.model.optimizer.iterations) - self._made
            seen = batch + 1  # of the epoch
            if logs and "loss" in logs:
                mean = float(logs["loss"])
                loss = (mean * seen - self._total) / (seen - self._batches)
                self._total, self._batches = mean * seen, seen
                run.loss(loss, step=step)
            if not made:  # the gradients were accumulated
                return
            run._check_rates((self._used,))
            run._count((self._used,))
            if self._before and made == 1:
                pairs = zip(self._before, map(_numbers, self.model.trainable_weights), strict=True)
                sizes = [(np.linalg.norm(new - old), np.linalg.norm(old)) for old, new in pairs]
                ratios = [float(moved / size) for moved, size in sizes if size > 0]
                run._ledger.measured[step] = math.nan, median(ratios) if ratios else math.nan
            for _ in range(made - 1):
                run._ledger.planned.append((math.nan,))
                run._count((math.nan,))

        def on_test_end(self, logs: Any = None) -> None:
            if self._run and logs and "loss" in logs:
                self._run.validation(float(logs["loss"]))

        def _rate(self) -> float:
            return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    return KerasMonitor()


def _numbers(weight: Any) -> Any:
    import keras

    return np.array(keras.ops.convert_to_numpy(weight), np.float64)


def _first(watches: list[Any]) -> Any:
    if not watches:
        raise RuntimeError("there is nothing to read before the training has begun")
    return watches[0]


def _close(watches: list[Monitor]) -> None:
    for watch in watches:
        watch.close()
