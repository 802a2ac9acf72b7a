"""The same digit written another time: steps that distort pictures for training, each with amounts of its own.

A step takes pictures (n, h, w) of uint8, ink bright on 0, as ``prepare`` makes them, and a generator of random numbers;
it returns as many of the same shape, each distorted by other random amounts. ``Augmentation`` does several in turn.
The same pictures and the same random numbers give the same bytes.

A batch is distorted at once: its pictures lie below one another in one tall picture, with empty rows between, so that
OpenCV is called once and not once for each. Warps that follow one another are added up and sampled once: each sampling
blurs a little.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.training.options import NOT_NEGATIVE, POSITIVE, SHARE, Bound, real

# Empty pixels around each picture of a tall one: as far as the widest kernel reaches.
PAD = 2
# OpenCV counts rows in 16 bits.
MOST_ROWS = 32_000

# Amount → what it may be.
_BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "turn_degrees": NOT_NEGATIVE,
        "stretch": NOT_NEGATIVE,
        "slant": NOT_NEGATIVE,
        "move_pixels": NOT_NEGATIVE,
        "alpha": NOT_NEGATIVE,
        "sigma": POSITIVE,
        "thicker": SHARE,
        "thinner": SHARE,
        "deviation": NOT_NEGATIVE,
        "weakest": SHARE,
        "cut_pixels": (lambda value: 1 <= value < np.inf, "1 or more"),
        "side_pixels": (lambda value: 1 <= value < np.inf, "1 or more"),
        "share": SHARE,
    }
)


@dataclass(frozen=True)
class Distortion(abc.ABC):
    """One step: called with pictures and random numbers, it returns the pictures distorted."""

    def __post_init__(self) -> None:
        for field in fields(self):
            real(f"{type(self).__name__}: {field.name}", getattr(self, field.name), _BOUNDS[field.name])

    def __call__(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures (n, h, w) of uint8, distorted. Raises ShapeError or DtypeError for others."""
        _check(pictures)
        if not len(pictures):
            return pictures.copy()
        most = max(1, MOST_ROWS // (pictures.shape[1] + 2 * PAD))
        if len(pictures) <= most:
            return self.distort(pictures, generator)
        parts = [pictures[start : start + most] for start in range(0, len(pictures), most)]
        return np.concatenate([self.distort(part, generator) for part in parts])

    @abc.abstractmethod
    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures distorted; as many as OpenCV takes at once."""


# --- warps: where each pixel is taken from --------------------------------------------------------------------------


class Warp(Distortion):
    """A step that moves pixels and leaves their brightness; sampled linearly, black beyond the picture."""

    @abc.abstractmethod
    def displacement(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return how far from its own place each pixel is taken from: (2, n, h, w) of float32, x and y in pixels."""

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures sampled at the places displaced."""
        return _sampled(pictures, self.displacement(pictures, generator))


@dataclass(frozen=True)
class Affine(Warp):
    """Turned, stretched, slanted and moved, about the centre of mass of the ink, which is then moved.

    Each amount is drawn evenly between its negative and itself: turn_degrees; stretch, of the logarithm of the factor
    along each axis; slant, in pixels to the side per pixel of height; move_pixels, along each axis.
    """

    turn_degrees: float = 15.0
    stretch: float = 0.15
    slant: float = 0.2
    move_pixels: float = 2.0

    def displacement(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return (M⁻¹ - 1)·(p - c - m) - m for a pixel p, the matrix M, the centre c and the move m."""
        count, height, width = pictures.shape
        turn, sx, sy, slant, *move = generator.uniform(-1, 1, (6, count))
        turn *= np.radians(self.turn_degrees)
        cos, sin = np.cos(turn), np.sin(turn)
        sx, sy = np.exp(-self.stretch * sx), np.exp(-self.stretch * sy)
        slant *= self.slant
        # M = turn · (slant and stretch); its inverse is stretch⁻¹ · slant⁻¹ · turn⁻¹.
        inverse = np.stack([sx * (cos + slant * sin), sx * (sin - slant * cos), -sy * sin, sy * cos]).reshape(
            2, 2, count
        )
        moved = np.stack(move) * self.move_pixels
        centre = _centres(pictures) + moved
        change = inverse - np.eye(2)[:, :, np.newaxis]
        offset = -np.einsum("ijn,jn->in", change, centre) - moved
        terms = np.concatenate([change, offset[:, np.newaxis]], axis=1).transpose(0, 2, 1)  # (2, n, 3)
        field = terms.reshape(-1, 3).astype(np.float32) @ _grid(height, width)
        return field.reshape(2, count, height, width)


@dataclass(frozen=True)
class Elastic(Warp):
    """Elastic deformation (Simard, Steinkraus and Platt 2003): every pixel moved a little, neighbours alike.

    Their convention: each pixel's x and y displacements are random numbers, even in [-1, 1]; each field is convolved
    with a Gaussian of standard deviation ``sigma`` pixels whose weights sum to 1, and multiplied by ``alpha``. Ours
    differs in what nobody sees: the random field goes on beyond the picture, so that its edge moves as its middle does,
    and, as a sum of so many numbers is normal whatever they are, the numbers are normal with the same variance, 1/3.
    Then the smooth field has few degrees of freedom, and only so many numbers are drawn.

    The displacement's standard deviation is about alpha/(√3·2√π·sigma) pixels: 1.4 for their 34 and 4.
    """

    alpha: float = 34.0
    sigma: float = 4.0

    def displacement(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return alpha/√3 · A·R·Bᵀ, R normal, where A·Aᵀ and B·Bᵀ are how a smooth field varies down and across."""
        count, height, width = pictures.shape
        down, across = _modes(height, self.sigma), _modes(width, self.sigma)
        noise = generator.standard_normal((2 * count * down.shape[1], across.shape[1]), dtype=np.float32)
        rows = (noise @ across.T).reshape(2 * count, down.shape[1], width)
        field = np.matmul(np.float32(self.alpha / np.sqrt(3)) * down, rows)
        return field.reshape(2, count, height, width)


@functools.lru_cache(maxsize=32)
def _modes(size: int, sigma: float) -> Array:
    """Return A (size, k) with A·Aᵀ the covariance of white noise after a Gaussian, but for a thousandth of it."""
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    alike = np.correlate(kernel, kernel, "full")[2 * reach :]
    far = np.abs(np.arange(size)[:, np.newaxis] - np.arange(size))
    covariance = np.where(far < len(alike), np.pad(alike, (0, max(0, size - len(alike))))[np.minimum(far, size)], 0.0)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), 0.999)) + 1
    signs = np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(size)] < 0, -1.0, 1.0)
    return np.ascontiguousarray(vectors[:, :kept] * signs[:kept] * np.sqrt(values[:kept]), dtype=np.float32)


@functools.lru_cache(maxsize=32)
def _grid(height: int, width: int) -> Array:
    """Return x, y and 1 of each pixel: (3, h·w) of float32."""
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    return np.stack([x, y, np.ones_like(x)])


def _centres(pictures: Array) -> Array:
    """Return where the ink's centre of mass lies: (2, n), x and y; the middle for a blank picture."""
    count, height, width = pictures.shape
    sums = pictures.reshape(count, -1).astype(np.float32) @ _grid(height, width).T
    ink = sums[:, 2:]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.where(ink > 0, sums[:, :2] / np.maximum(ink, 1), middle).T.astype(np.float64)


def _sampled(pictures: Array, displacement: Array) -> Array:
    """Return the pictures with each pixel taken from where it is displaced to; overwrites ``displacement``."""
    count, height, width = pictures.shape
    tall = _tall(pictures)
    xs, ys = displacement
    # In the tall picture's own pixels. Beyond the picture is its empty frame, whatever the distance.
    xs += np.arange(PAD, PAD + width, dtype=np.float32)
    ys += np.arange(PAD, PAD + height, dtype=np.float32)[:, np.newaxis]
    np.clip(xs, 0, width + 2 * PAD - 1, out=xs)
    np.clip(ys, 0, height + 2 * PAD - 1, out=ys)
    ys += (height + 2 * PAD) * np.arange(count, dtype=np.float32)[:, np.newaxis, np.newaxis]
    shape = (count * height, width)
    return cv2.remap(tall, xs.reshape(shape), ys.reshape(shape), cv2.INTER_LINEAR).reshape(pictures.shape)


def _tall(pictures: Array) -> Array:
    """Return the pictures below one another, each in an empty frame."""
    count, height, width = pictures.shape
    framed = np.zeros((count, height + 2 * PAD, width + 2 * PAD), np.uint8)
    framed[:, PAD:-PAD, PAD:-PAD] = pictures
    return framed.reshape(-1, width + 2 * PAD)


def _cut(tall: Array, shape: tuple[int, ...]) -> Array:
    """Undo ``_tall``."""
    count, height, width = shape
    framed = tall.reshape(count, height + 2 * PAD, width + 2 * PAD)
    return np.ascontiguousarray(framed[:, PAD : PAD + height, PAD : PAD + width])


# --- brightness: the pixels stay where they are ---------------------------------------------------------------------


@dataclass(frozen=True)
class Stroke(Distortion):
    """Drawn with another pen: ``thicker`` of the pictures dilated by a pixel, ``thinner`` eroded by half a one.

    Each by a random part of it: a mean of the picture before and after.
    """

    thicker: float = 0.2
    thinner: float = 0.2

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them thicker or thinner."""
        kind, part = generator.random((2, len(pictures)), dtype=np.float32)
        result = pictures.copy()
        thicker, thinner = kind < self.thicker, kind >= 1 - self.thinner
        for chosen, change, kernel in (
            (np.flatnonzero(thicker), cv2.MORPH_DILATE, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))),
            (np.flatnonzero(thinner & ~thicker), cv2.MORPH_ERODE, np.ones((2, 2), np.uint8)),
        ):
            if chosen.size:
                before = pictures[chosen]
                after = _cut(cv2.morphologyEx(_tall(before), change, kernel), before.shape)
                result[chosen] = _between(before, after, part[chosen])
        return result


@dataclass(frozen=True)
class Blur(Distortion):
    """``share`` of the pictures blurred by a random part of a Gaussian of ``sigma`` pixels."""

    sigma: float = 1.0
    share: float = 0.3

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them blurred."""
        part, chosen = _some(self.share, len(pictures), generator)
        result = pictures.copy()
        if chosen.size:
            before = pictures[chosen]
            size = (2 * PAD + 1, 2 * PAD + 1)
            result[chosen] = _between(
                before, _cut(cv2.GaussianBlur(_tall(before), size, self.sigma), before.shape), part[chosen]
            )
        return result


@dataclass(frozen=True)
class Noise(Distortion):
    """``share`` of the pictures with normal noise, of a standard deviation up to ``deviation`` of 255."""

    deviation: float = 20.0
    share: float = 0.3

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them noisy; what falls below 0 or above 255 is cut off."""
        part, chosen = _some(self.share, len(pictures), generator)
        result = pictures.copy()
        if chosen.size:
            noise = generator.standard_normal((chosen.size, *pictures.shape[1:]), dtype=np.float32)
            noise *= np.float32(self.deviation) * part[chosen, np.newaxis, np.newaxis]
            noise += pictures[chosen]
            result[chosen] = np.clip(np.rint(noise, out=noise), 0, 255, out=noise)
        return result


@dataclass(frozen=True)
class Contrast(Distortion):
    """``share`` of the pictures in fainter ink: multiplied by a random factor from ``weakest`` to 1."""

    weakest: float = 0.5
    share: float = 0.3

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them fainter."""
        part, chosen = _some(self.share, len(pictures), generator)
        result = pictures.copy()
        if chosen.size:
            result[chosen] = _between(pictures[chosen], np.zeros_like(pictures[:1]), part[chosen] * (1 - self.weakest))
        return result


@dataclass(frozen=True)
class Occlusion(Distortion):
    """``share`` of the pictures with a square of up to ``side_pixels`` wiped out, anywhere in the picture."""

    side_pixels: int = 6
    share: float = 0.2

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them with a hole."""
        count, height, width = pictures.shape
        part, chosen = _some(self.share, count, generator)
        sides = np.ceil(part * self.side_pixels)[:, np.newaxis]
        corners = generator.random((2, count, 1), dtype=np.float32)
        rows, columns = (
            (np.arange(size) >= np.floor(corner * size)) & (np.arange(size) < np.floor(corner * size) + sides)
            for corner, size in zip(corners, (height, width), strict=True)
        )
        wiped = rows[:, :, np.newaxis] & columns[:, np.newaxis, :]
        result = pictures.copy()
        result[chosen] *= ~wiped[chosen]
        return result


@dataclass(frozen=True)
class Neighbour(Distortion):
    """``share`` of the pictures as if cut from a number whose digits touch, not quite where they meet.

    One half keeps up to ``cut_pixels`` columns of a neighbour, which is another of the pictures; the other half loses
    as many of its own, but no more than a sixth of its width. On the left or on the right.
    """

    cut_pixels: int = 3
    share: float = 0.15

    def distort(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures, some of them with a sliver of another, or without one of their own."""
        part, chosen = _some(self.share, len(pictures), generator)
        others = generator.integers(len(pictures), size=len(pictures))
        width = pictures.shape[2]
        result = pictures.copy()
        for row in chosen:
            kept, on_left = divmod(int(part[row] * 4), 2)
            own, other = (each[:, ::-1] if on_left else each for each in (result[row], pictures[others[row]]))
            inked, beside = np.flatnonzero(own.any(axis=0)), np.flatnonzero(other.any(axis=0))
            if not len(inked) or not len(beside):
                continue
            pixels = 1 + int(4 * part[row] % 1 * self.cut_pixels)
            border = inked[-1] + 1
            if kept:
                sliver = other[:, beside[0] : beside[0] + pixels][:, : width - border]
                own[:, border : border + sliver.shape[1]] = sliver
            else:
                own[:, border - min(pixels, len(inked) // 6) :] = 0
        return result


def _some(share: float, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Return a random part for each picture, and the numbers of those that are chosen."""
    kind, part = generator.random((2, count), dtype=np.float32)
    return part, np.flatnonzero(kind < share)


def _between(before: Array, after: Array, part: Array) -> Array:
    """Return before + part·(after - before), rounded; ``part`` is one number for each picture."""
    mixed = np.subtract(after, before, dtype=np.float32)
    mixed *= part[:, np.newaxis, np.newaxis]
    mixed += before
    return np.rint(mixed, out=mixed).astype(np.uint8)


# --- several in turn ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Augmentation:
    """Several steps in turn; with ``share``, only so large a share of the pictures goes through them.

    Warps that follow one another are sampled once. It serves as the ``change`` of ``training.Examples``.

    >>> augmentation = Augmentation((Affine(), Elastic(), Stroke()))
    >>> pictures = np.zeros((2, 28, 28), np.uint8)
    >>> augmentation(pictures, np.random.default_rng(0)).shape
    (2, 28, 28)
    """

    steps: tuple[Distortion, ...]
    share: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            if not isinstance(step, Distortion):
                raise OptionError(f"Augmentation: a step must be a distortion, found {step!r}")
        real("Augmentation: share", self.share, SHARE)

    def __call__(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the pictures distorted by all steps. Raises ShapeError or DtypeError for others than (n, h, w)."""
        _check(pictures)
        chosen = slice(None) if self.share == 1 else generator.random(len(pictures)) < self.share
        distorted = pictures[chosen]
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # more of them only wait for each other on a batch, and take the trainer's cores
        try:
            for run in _runs(self.steps):
                distorted = run(distorted, generator)
        finally:
            cv2.setNumThreads(threads)
        if self.share == 1:
            return distorted
        result = pictures.copy()
        result[chosen] = distorted
        return result


@dataclass(frozen=True)
class _Warps(Warp):
    """Several warps sampled as one."""

    warps: tuple[Warp, ...]

    def __post_init__(self) -> None:
        """Its parts are checked."""

    def displacement(self, pictures: Array, generator: np.random.Generator) -> Array:
        """Return the sum of the displacements."""
        first, *rest = self.warps
        total = first.displacement(pictures, generator)
        for warp in rest:
            total += warp.displacement(pictures, generator)
        return total


def _runs(steps: Sequence[Distortion]) -> Iterator[Distortion]:
    """Give the steps with neighbouring warps put together."""
    warps: list[Warp] = []
    for step in steps:
        if isinstance(step, Warp):
            warps.append(step)
            continue
        if warps:
            yield _Warps(tuple(warps))
            warps = []
        yield step
    if warps:
        yield _Warps(tuple(warps))


def _check(pictures: Array) -> None:
    if not isinstance(pictures, np.ndarray) or pictures.dtype != np.uint8:
        raise DtypeError(f"pictures to distort must be uint8, found {getattr(pictures, 'dtype', type(pictures))}")
    if pictures.ndim != 3 or 0 in pictures.shape[1:]:
        raise ShapeError(f"pictures to distort must have shape (n, height, width), found {pictures.shape}")


# The distortion's name in a recipe → its class.
DISTORTIONS: Mapping[str, type[Distortion]] = MappingProxyType(
    {
        "affine": Affine,
        "elastic": Elastic,
        "stroke": Stroke,
        "blur": Blur,
        "noise": Noise,
        "contrast": Contrast,
        "occlusion": Occlusion,
        "neighbour": Neighbour,
    }
)
