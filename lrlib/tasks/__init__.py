"""What is trained: a model, its data, its loss, and what is measured on the way."""

from lrlib.tasks.batches import augment_batch, batch_order, epoch_order
from lrlib.tasks.library import (
    breast_cancer_mlp,
    digits_cnn,
    digits_mlp,
    mnist_cnn,
    mnist_mlp,
    pydoc_transformer,
    shift_images,
    wrong_labels,
)
from lrlib.tasks.losses import accuracy, cross_entropy, mean_squared_error
from lrlib.tasks.quadratics import noisy_quadratic, surface_task
from lrlib.tasks.step import TrainingStep, training_step
from lrlib.tasks.task import Task

__all__ = [
    "Task",
    "TrainingStep",
    "accuracy",
    "augment_batch",
    "batch_order",
    "breast_cancer_mlp",
    "cross_entropy",
    "digits_cnn",
    "digits_mlp",
    "epoch_order",
    "mean_squared_error",
    "mnist_cnn",
    "mnist_mlp",
    "noisy_quadratic",
    "pydoc_transformer",
    "shift_images",
    "surface_task",
    "training_step",
    "wrong_labels",
]
