"""Training: backpropagation over the steps of any network, enough to make our own weights."""

from glassnet.training.backward import ARRAY_GRADIENTS, BACKWARD
from glassnet.training.history import Epoch, Progress, Training, json_lines
from glassnet.training.initialisation import INITIALISERS, initialise
from glassnet.training.loop import train
from glassnet.training.losses import LOSSES, CrossEntropy, Loss, MeanSquaredError
from glassnet.training.objective import Objective
from glassnet.training.optimizers import OPTIMIZERS, Adam, AdamW, Optimizer, Sgd
from glassnet.training.rows import Rows

__all__ = [
    "ARRAY_GRADIENTS",
    "BACKWARD",
    "INITIALISERS",
    "LOSSES",
    "OPTIMIZERS",
    "Adam",
    "AdamW",
    "CrossEntropy",
    "Epoch",
    "Loss",
    "MeanSquaredError",
    "Objective",
    "Optimizer",
    "Progress",
    "Rows",
    "Sgd",
    "Training",
    "initialise",
    "json_lines",
    "train",
]
