"""Handwritten digits: reading a picture, preparing it as MNIST has it, and the networks that are shipped.

>>> import numpy as np
>>> from glassnet import digits
>>> paper = np.full((200, 100), 240, dtype=np.uint8)
>>> paper[30:170, 45:60] = 30  # one dark stroke
>>> digits.prepare(paper).shape
(28, 28)
"""

from glassnet.digits.augment import (
    DISTORTIONS,
    Affine,
    Augmentation,
    Blur,
    Contrast,
    Distortion,
    Elastic,
    Neighbour,
    Noise,
    Occlusion,
    Stroke,
)
from glassnet.digits.judge import Judgement, calibration_error, doubt, doubt_at, judge, risk_coverage
from glassnet.digits.models import MODELS, load_model, model_cards
from glassnet.digits.nondigits import NON_DIGITS, NONE, NonDigits
from glassnet.digits.picture import read_picture
from glassnet.digits.prepare import Step, prepare, prepare_steps
from glassnet.digits.recipe import NotDigits, Recipe
from glassnet.digits.recipe_toml import make_recipe, read_recipe
from glassnet.digits.recognise import Recognition, recognise, recognise_prepared
from glassnet.digits.trials import TRIALS, rows_of_non_digits, rows_tried, tried
from glassnet.digits.tune import Reading, Tuning, tune

__all__ = [
    "DISTORTIONS",
    "MODELS",
    "NONE",
    "NON_DIGITS",
    "TRIALS",
    "Affine",
    "Augmentation",
    "Blur",
    "Contrast",
    "Distortion",
    "Elastic",
    "Judgement",
    "Neighbour",
    "Noise",
    "NonDigits",
    "NotDigits",
    "Occlusion",
    "Reading",
    "Recipe",
    "Recognition",
    "Step",
    "Stroke",
    "Tuning",
    "calibration_error",
    "doubt",
    "doubt_at",
    "judge",
    "load_model",
    "make_recipe",
    "model_cards",
    "prepare",
    "prepare_steps",
    "read_picture",
    "read_recipe",
    "recognise",
    "recognise_prepared",
    "risk_coverage",
    "rows_of_non_digits",
    "rows_tried",
    "tried",
    "tune",
]
