"""Labels: what a classifier answers; integers, texts, or both ("none" beside 0 to 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Label: TypeAlias = int | str


def label_array(labels: Sequence[Label]) -> npt.NDArray[Any]:
    """Return labels as an array that keeps each as it is: of Python objects where integers and texts are mixed.

    NumPy alone would make texts of them all, and 3 would no longer equal "3".

    >>> label_array([1, 2]), label_array([1, "none"])
    (array([1, 2]), array([1, 'none'], dtype=object))
    """
    mixed = len({isinstance(label, str) for label in labels}) > 1
    return np.array(labels, dtype=object) if mixed else np.asarray(labels)
