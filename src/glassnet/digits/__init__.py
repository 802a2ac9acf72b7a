"""Handwritten digits: reading a picture, preparing it as MNIST has it, and the networks that are shipped.

>>> import numpy as np
>>> from glassnet import digits
>>> paper = np.full((200, 100), 240, dtype=np.uint8)
>>> paper[30:170, 45:60] = 30  # one dark stroke
>>> digits.prepare(paper).shape
(28, 28)
"""

from glassnet.digits.models import MODELS, load_model
from glassnet.digits.picture import read_picture
from glassnet.digits.prepare import Step, prepare, prepare_steps
from glassnet.digits.recognise import Recognition, recognise

__all__ = [
    "MODELS",
    "Recognition",
    "Step",
    "load_model",
    "prepare",
    "prepare_steps",
    "read_picture",
    "recognise",
]
