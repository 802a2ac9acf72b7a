"""The step that fills gaps: what is missing in a column becomes what the column usually holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glassnet.errors import ShapeError
from glassnet.network.step import Array, Shape, Step, frozen_parameters, set_field


@dataclass(frozen=True, eq=False, init=False)
class Impute(Step):
    """Each value as it is, unless it is missing: then the number that ``values`` has for its column.

    values: (columns,). missing: the number that stands for a gap; NaN where NaN does.
    """

    values: Array
    missing: float

    KIND = "impute"

    def __init__(
        self,
        values: npt.ArrayLike,
        missing: float = float("nan"),
        *,
        name: str = "",
        sources: tuple[str, ...] = (),
    ) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "values", frozen_parameters(values, f"{self.label}: values"))
        set_field(self, "missing", float(missing))
        if self.values.ndim != 1 or not self.values.size:
            raise ShapeError(f"{self.label}: values must have shape (columns,), found {self.values.shape}")
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][-1:] != self.values.shape:
            raise ShapeError(f"{self.label}: expects {self.values.size} columns, found rows of shape {shapes[0]}")
        return shapes[0]

    def gaps(self, x: Array) -> Array:
        """Return where a batch has no value: True and False, of its shape."""
        missing: Array = np.isnan(x) if np.isnan(self.missing) else x == x.dtype.type(self.missing)
        return missing

    def apply(self, *values: Array) -> Array:
        return np.where(self.gaps(values[0]), self.values, values[0])
