"""Values as JSON says them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.network import Network
from glassnet.network.steps import Array


def by_label(network: Network, probabilities: Array) -> dict[str, Any]:
    """Return each label of a classifier with its probability."""
    return {str(label): probability for label, probability in zip(network.labels or (), probabilities, strict=True)}


def print_json(value: Any) -> None:
    """Print ``value``, NumPy's numbers and arrays included, as one line of JSON.

    A float32 is written with the digits that tell it from its neighbours, 0.1 and not 0.10000000149011612.
    JSON knows neither NaN nor infinity; they become null.
    """
    print(json.dumps(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.floating):
        value = float(str(value))
    elif isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
