"""stub"""
from __future__ import annotations
import os
from collections.abc import Sequence
from glassnet.reading.review import Sheet
def side_for(count: int) -> int:
    return 2000
def write_report(path: str | os.PathLike[str], sheets: Sequence[Sheet], error_rate: float) -> None:
    raise NotImplementedError
