"""Printed characters, in the fonts that come with Matplotlib: the same ones wherever it is installed.

The extra ``plot`` brings both Matplotlib, which has the fonts, and Pillow, which sets them.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.digits.picture import Array
from glassnet.errors import MissingLibraryError

# Upright and slanted, with serifs and without, light and bold, a typewriter's.
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmti10",
    "cmtt10",
)


@functools.lru_cache(maxsize=256)
def _font(name: str, size: int) -> Any:
    try:
        import matplotlib as mpl  # noqa: PLC0415  the extra `plot`
        from PIL import ImageFont  # noqa: PLC0415
    except ImportError as missing:
        raise MissingLibraryError(
            f"printed characters need {missing.name}, which is not installed", hint="pip install 'glassnet[plot]'"
        ) from None
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def typeset(text: str, font: str, size: int) -> Array:
    """Return a text in a font of ``FONTS``, its letters ``size`` pixels high with what hangs over: uint8, ink 255."""
    from PIL import Image, ImageDraw  # noqa: PLC0415  there as soon as _font has answered

    chosen = _font(font, size)
    left, top, right, bottom = chosen.getbbox(text)
    picture = Image.new("L", (round(right - left) + size, round(bottom - top) + size))
    ImageDraw.Draw(picture).text((size // 2 - left, size // 2 - top), text, fill=255, font=chosen)
    return np.asarray(picture)
