"""How a page becomes a picture: where the page lies in it, light and shadows, lens, sensor, file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.pages.paper import Range, noise
from glassnet.digits.picture import Array

# --- where the page lies ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shot:
    """How a page is taken. Angles in degrees, lengths in shares of the picture's sides."""

    turn: Range = (0.0, 0.0)  # either way
    tilt: Range = (0.0, 0.0)  # how far each corner moves
    fill: Range = (1.0, 1.0)  # the page's size, as a share of what would just fill the picture
    below: str = "lid"  # what lies below the page
    blur: Range = (0.0, 0.6)  # pixels
    motion: float = 0.0  # how often the hand shakes
    noise: Range = (0.0, 2.0)  # of 255, standard deviation
    cast: float = 0.0  # how far the colours of the light are off, as a share
    exposure: Range = (0.97, 1.0)
    vignette: Range = (0.0, 0.0)
    quality: Range = (80, 96)  # of the JPEG


SHOTS: Mapping[str, Shot] = MappingProxyType(
    {
        "file": Shot(blur=(0.0, 0.3), noise=(0.0, 0.0), quality=(95, 101)),
        "scan": Shot(turn=(0.0, 2.5), fill=(0.99, 1.08), blur=(0.3, 0.8), noise=(0.5, 3.0)),
        "flat": Shot(
            turn=(0.0, 5.0), tilt=(0.0, 0.025), fill=(1.05, 1.2), below="table", blur=(0.4, 1.1), noise=(1.0, 5.0),
            cast=0.06, exposure=(0.78, 1.02), vignette=(0.0, 0.15), quality=(72, 95),
        ),
        "webcam": Shot(
            turn=(0.0, 12.0), tilt=(0.0, 0.05), fill=(0.75, 1.1), below="table", blur=(0.6, 1.8), motion=0.3,
            noise=(3.0, 10.0), cast=0.22, exposure=(0.65, 1.0), vignette=(0.1, 0.35), quality=(45, 80),
        ),
        "phone": Shot(
            turn=(0.0, 8.0), tilt=(0.01, 0.07), fill=(0.8, 1.08), below="table", blur=(0.5, 1.6), motion=0.2,
            noise=(1.5, 7.0), cast=0.08, exposure=(0.74, 1.05), vignette=(0.0, 0.3), quality=(65, 93),
        ),
    }
)  # fmt: skip


def view(
    shot: Shot, page: tuple[int, int], picture: tuple[int, int], written: Array, generator: np.random.Generator
) -> Array:
    """Return the homography (3, 3) from the flat page to the picture; sizes as (width, height).

    written: points (n, 2) of the page that must be seen; the camera steps back until they are.
    """
    corners = np.array([[0, 0], [page[0], 0], [page[0], page[1]], [0, page[1]]], np.float64)
    fill = float(generator.uniform(*shot.fill)) * min(picture[0] / page[0], picture[1] / page[1])
    turn = np.radians(float(generator.uniform(*shot.turn))) * float(generator.choice([-1, 1]))
    cos, sin = np.cos(turn), np.sin(turn)
    placed = (corners - np.array(page) / 2) @ np.array([[cos, sin], [-sin, cos]]) * fill
    tilt = float(generator.uniform(*shot.tilt))
    placed += generator.uniform(-tilt, tilt, (4, 2)) * picture
    off = generator.uniform(-0.02, 0.02, 2) * picture * (shot.below == "table")
    edge = 0.012 * min(picture)
    points = written.astype(np.float32)[np.newaxis]
    for _ in range(40):
        homography = cv2.getPerspectiveTransform(
            corners.astype(np.float32), (placed + np.array(picture) / 2 + off).astype(np.float32)
        )
        seen = cv2.perspectiveTransform(points, homography)[0]
        if (seen >= edge).all() and (seen <= np.array(picture) - edge).all():
            break
        placed, off = placed * 0.97, off * 0.9
    return np.asarray(homography)


def seen(page: Array, homography: Array, shot: Shot, generator: np.random.Generator) -> Array:
    """Return the page (h, w, 3) of uint8 as it lies in a picture of the same size, on what is below it."""
    if np.allclose(homography, np.eye(3), atol=1e-6):
        return page
    size = (page.shape[1], page.shape[0])
    below = BELOW[shot.below](size, generator)
    if shot.below == "table":  # what lies on a table throws a narrow shadow on it
        inside = cv2.warpPerspective(
            np.full((size[1] // 4, size[0] // 4), 255, np.uint8),
            _quarter(homography),
            (size[0] // 4, size[1] // 4),
            flags=cv2.INTER_LINEAR,
        )
        moved = np.array([[1, 0, 1.2], [0, 1, 1.5]])
        shade = _large(cv2.GaussianBlur(cv2.warpAffine(inside, moved, inside.shape[::-1]), (0, 0), 1.5), size)
        below = cv2.multiply(
            below, cv2.merge([1 - shade * np.float32(generator.uniform(0.1, 0.5) / 255)] * 3), dtype=cv2.CV_8U
        )
    cv2.warpPerspective(page, homography, size, below, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    return below


def _quarter(homography: Array) -> Array:
    """Return the homography between pictures a quarter as large."""
    scale = np.diag([4.0, 4.0, 1.0])
    return np.linalg.inv(scale) @ homography @ scale


def _table(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """Return wood, cloth or stone, mostly darker than paper."""
    base = np.array(_TABLES[int(generator.integers(len(_TABLES)))]) * float(generator.uniform(0.7, 1.2))
    shape = (size[1], size[0])
    streaks = generator.standard_normal((shape[0] // 6 + 2, max(2, shape[1] // 240)), dtype=np.float32)
    if generator.random() < 0.4:
        streaks = generator.standard_normal((shape[0] // 12 + 2, shape[1] // 12 + 2), dtype=np.float32)
    elif generator.random() < 0.5:
        streaks = np.ascontiguousarray(streaks.T)
    light = cv2.resize(streaks, size, interpolation=cv2.INTER_LINEAR)
    light = 1 + float(generator.uniform(0.01, 0.09)) * light
    return cv2.merge([cv2.convertScaleAbs(light, alpha=float(value)) for value in base])


def _lid(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """Return the lid of a scanner, white or black."""
    grey = float(generator.choice([generator.uniform(238, 255), generator.uniform(10, 60)]))
    return np.full((size[1], size[0], 3), round(grey), np.uint8)


# Name → what lies below a page: size → (h, w, 3) of uint8.
BELOW: Mapping[str, Callable[[tuple[int, int], np.random.Generator], Array]] = MappingProxyType(
    {"table": _table, "lid": _lid}
)
_TABLES = ((120, 84, 56), (92, 62, 44), (70, 68, 66), (40, 38, 40), (150, 128, 104), (60, 74, 92), (176, 150, 116))


# --- light ------------------------------------------------------------------------------------------------------------

# (size, random numbers) → light (h, w) of float32, 1 where nothing darkens; the picture is multiplied by it.
Light: TypeAlias = Callable[[tuple[int, int], np.random.Generator], Array]


def _places(size: tuple[int, int]) -> tuple[Array, Array]:
    """Return x and y from 0 to 1 of each place of a coarse grid."""
    y, x = np.mgrid[0 : 1 : max(2, size[1] // 8) * 1j, 0 : 1 : max(2, size[0] // 8) * 1j].astype(np.float32)
    return x, y


def _large(field: Array, size: tuple[int, int]) -> Array:
    return cv2.resize(field.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)


def _even(size: tuple[int, int], generator: np.random.Generator) -> Array:
    return np.ones((size[1], size[0]), np.float32)


def _gradient(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """Light from one side: brighter towards a lamp or a window."""
    x, y = _places(size)
    lamp = generator.uniform(-0.5, 1.5, 2)
    far = np.hypot(x - lamp[0], y - lamp[1])
    return _large(1 - float(generator.uniform(0.05, 0.35)) * far / far.max(), size)


def _soft_shadow(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """Shadows of what is far from the page: blurred blobs and bands."""
    x, y = _places(size)
    light = _gradient(size, generator)
    for _ in range(int(generator.integers(1, 4))):
        cx, cy, wide, high = generator.uniform((-0.1, -0.1, 0.1, 0.1), (1.1, 1.1, 0.5, 0.5))
        turn = float(generator.uniform(0, np.pi))
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        soft = float(generator.uniform(0.1, 0.6))
        inside = 0.5 - 0.5 * np.tanh(((u / wide) ** 2 + (v / high) ** 2 - 1) / (2 * soft))
        light *= _large(1 - float(generator.uniform(0.15, 0.55)) * inside, size)
    return light


def _hard_shadow(size: tuple[int, int], generator: np.random.Generator) -> Array:
    """The shadow of what is near, with an edge a few pixels wide: a hand, a phone, a window's frame."""
    light = _gradient(size, generator)
    half = (max(2, size[0] // 2), max(2, size[1] // 2))
    drawn = np.zeros(half[::-1], np.uint8)
    for _ in range(int(generator.integers(1, 3))):
        middle = generator.uniform(0, 1, 2) * half
        count = int(generator.integers(4, 10))
        angles = np.sort(generator.uniform(0, 2 * np.pi, count))
        reach = generator.uniform(0.15, 0.6, count) * max(half)
        points = middle + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, np.newaxis]
        if generator.random() < 0.4:  # a straight edge through the picture
            across = np.array([np.cos(angles[0]), np.sin(angles[0])])
            along, far = across[::-1] * (1, -1), 2 * max(half)
            points = np.array(
                [middle - far * along, middle + far * along, middle + far * (along + across),
                 middle + far * (across - along)]
            )  # fmt: skip
        cv2.fillPoly(drawn, [np.rint(points).astype(np.int32)], 255)
    drawn = cv2.GaussianBlur(drawn, (0, 0), float(np.exp(generator.uniform(np.log(0.7), np.log(12)))))
    return light * (1 - float(generator.uniform(0.2, 0.6)) / 255 * _large(drawn, size))


LIGHTS: Mapping[str, Light] = MappingProxyType(
    {"even": _even, "gradient": _gradient, "soft shadow": _soft_shadow, "hard shadow": _hard_shadow}
)


# --- lens, sensor, file -----------------------------------------------------------------------------------------------


def taken(picture: Array, shot: Shot, light: Array, generator: np.random.Generator) -> Array:
    """Return the picture (h, w, 3) of uint8 as the camera keeps it in this light."""
    height, width = light.shape
    gain = float(generator.uniform(*shot.exposure)) * (1 + generator.uniform(-shot.cast, shot.cast, 3))
    vignette = float(generator.uniform(*shot.vignette))
    if vignette:
        x, y = _places((width, height))
        light = light * _large(1 - vignette * 2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2), (width, height))
    blur = float(generator.uniform(*shot.blur))
    if blur > 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    if generator.random() < shot.motion:
        picture = cv2.filter2D(picture, -1, _motion(float(generator.uniform(1, 4)), generator))
    deviation = float(generator.uniform(*shot.noise))
    fine = float(generator.uniform(0.2, 0.7))
    grain = deviation * noise((height, width), fine, generator)
    planes = []
    for plane, factor in zip(cv2.split(picture), gain.tolist(), strict=True):
        lit = cv2.multiply(plane, light, scale=factor, dtype=cv2.CV_32F)
        lit = cv2.add(lit, grain)
        coloured = np.float32(0.7 * deviation) * noise((height, width), 1.5 * fine, generator)
        planes.append(cv2.add(lit, coloured, dtype=cv2.CV_8U))
    return compressed(cv2.merge(planes), int(generator.uniform(*shot.quality)))


def compressed(picture: Array, quality: int) -> Array:
    """Return the picture after it was kept as a JPEG; above a quality of 97 it is left as it is."""
    if quality > 97:
        return picture
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])  # red and blue swapped, both ways
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _motion(length: float, generator: np.random.Generator) -> Array:
    """Return the kernel of a hand that moves so many pixels while the picture is taken."""
    side = 2 * int(np.ceil(length)) + 1
    kernel = np.zeros((side, side), np.uint8)
    angle = float(generator.uniform(0, np.pi))
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = np.rint((np.array([-step, step]) + side // 2) * 16).astype(int).tolist()
    cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    return (kernel / kernel.sum()).astype(np.float32)
