"""Training: backpropagation over the steps of any network, enough to make our own weights."""

from glassnet.training.backward import ARRAY_GRADIENTS, BACKWARD
from glassnet.training.history import Epoch, Progress, Training, json_lines
from glassnet.training.initialisation import INITIALISERS, initialise
from glassnet.training.loop import train
from glassnet.training.losses import LOSSES, CrossEntropy, Distillation, Loss, MeanSquaredError
from glassnet.training.objective import Objective
from glassnet.training.optimizers import OPTIMIZERS, Adam, AdamW, Optimizer, Sgd
from glassnet.training.regularisers import LEARNING, TRAINING_STEPS, BatchNorm, Dropout, fold
from glassnet.training.rows import Rows
from glassnet.training.schedules import SCHEDULES, Cosine, Linear, OneCycle, Schedule, WarmUp
from glassnet.training.stream import Answered, Batch, Examples, Made, Mixed, Mixup, Place, Source, Stream

__all__ = [
    "ARRAY_GRADIENTS",
    "BACKWARD",
    "INITIALISERS",
    "LEARNING",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "TRAINING_STEPS",
    "Adam",
    "AdamW",
    "Answered",
    "Batch",
    "BatchNorm",
    "Cosine",
    "CrossEntropy",
    "Distillation",
    "Dropout",
    "Epoch",
    "Examples",
    "Linear",
    "Loss",
    "Made",
    "MeanSquaredError",
    "Mixed",
    "Mixup",
    "Objective",
    "OneCycle",
    "Optimizer",
    "Place",
    "Progress",
    "Rows",
    "Schedule",
    "Sgd",
    "Source",
    "Stream",
    "Training",
    "WarmUp",
    "fold",
    "initialise",
    "json_lines",
    "train",
]
