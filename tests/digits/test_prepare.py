"""Preparing: each step on its own, and the answer of the textbook's network on digits that came another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet import digits, formats
from glassnet.datasets import read_mnist
from glassnet.digits import prepare_steps
from glassnet.digits.prepare import (
    MOST_SIDE,
    centre,
    crop_to_ink,
    fit,
    lift_ink,
    paper_of,
    prepare,
    remove_specks,
    shrink,
    to_grey,
)
from glassnet.errors import PictureError

Picture: TypeAlias = npt.NDArray[np.uint8]


def seven(height: int = 100, width: int = 60, thickness: int = 10) -> Picture:
    """A 7 of straight strokes, bright on black."""
    picture = np.zeros((height, width), np.uint8)
    picture[:thickness] = 255
    cv2.line(picture, (width - thickness // 2, 0), (width // 3, height), 255, thickness)
    return picture


def on_paper(ink: Picture, paper: float = 235, pen: float = 40, margin: int = 30) -> Picture:
    cover = np.pad(ink, margin) / 255
    return np.rint(paper * (1 - cover) + pen * cover).astype(np.uint8)


# --- one step at a time ---


def test_grey_is_brightness_as_the_eye_has_it() -> None:
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    np.testing.assert_array_equal(to_grey(colors), [[76, 150, 29, 9]])  # ITU-R BT.601


@pytest.mark.parametrize(("ink", "paper"), [(30, 255), (220, 0)])
def test_what_is_transparent_becomes_paper_unlike_the_ink(ink: int, paper: int) -> None:
    picture = np.zeros((9, 9, 4), np.uint8)
    picture[3:6, 3:6] = ink, ink, ink, 255
    grey = to_grey(picture)
    assert (grey[4, 4], grey[0, 0]) == (ink, paper)


def test_transparent_corners_of_a_photo_become_its_paper() -> None:
    picture = np.full((20, 20, 4), 240, np.uint8)
    picture[..., 3] = 255
    picture[8:12, 8:12, :3] = 10
    picture[:2, :2] = 0
    assert to_grey(picture)[0, 0] == 240


def test_a_picture_without_anything_opaque_is_blank() -> None:
    with pytest.raises(PictureError, match="no ink found"):
        prepare(np.zeros((30, 30, 4), np.uint8))


@pytest.mark.parametrize("shape", [(3000, 40), (40, 3000), (2000, 1500), (5000, 1)])
def test_large_pictures_shrink_and_keep_their_aspect(shape: tuple[int, int]) -> None:
    small = shrink(np.full(shape, 7, np.uint8))
    assert max(small.shape) == MOST_SIDE
    factor = MOST_SIDE / max(shape)
    assert small.shape == tuple(max(1, round(size * factor)) for size in shape)
    assert (small == 7).all()


@pytest.mark.parametrize("light", [np.ones(1), np.linspace(1, 0.5, 120)])
def test_the_paper_is_found_below_the_ink_and_in_uneven_light(light: npt.NDArray[Any]) -> None:
    paper = np.rint(np.broadcast_to(240 * light, (160, 120))).astype(np.uint8)
    grey = np.where(np.pad(seven(), 30) > 127, paper // 4, paper).astype(np.uint8)
    assert np.abs(paper_of(grey).astype(int) - paper).max() <= 6


@pytest.mark.parametrize("turned", [False, True])
def test_ink_is_bright_whichever_is_brighter(turned: bool) -> None:
    grey = on_paper(seven())
    ink = lift_ink(255 - grey if turned else grey)
    np.testing.assert_array_equal(ink > 127, np.pad(seven(), 30) > 127)
    assert ink.max() == 255
    assert ink[0, 0] == 0


def test_a_shadow_across_the_paper_leaves_no_trace() -> None:
    shadow = np.linspace(1, 0.5, 120)
    ink = lift_ink(np.rint(on_paper(seven()) * shadow).astype(np.uint8))
    inked = ink[np.pad(seven(), 30) == 255]
    assert inked.min() > 235
    assert np.median(ink[np.pad(seven(), 30) == 0]) == 0


def test_specks_go_and_parts_of_the_digit_stay() -> None:
    ink = np.pad(seven(), 30)
    ink[120:140, 100:110] = 255  # a part: an eighth of the rest
    parted = ink.copy()
    ink[5:9, 5:9] = 255
    ink[150, 3] = 200
    np.testing.assert_array_equal(remove_specks(ink), parted)


def test_the_crop_is_the_box_and_its_margin() -> None:
    cropped = crop_to_ink(np.pad(np.full((40, 10), 255, np.uint8), ((3, 50), (80, 0))))
    np.testing.assert_array_equal(cropped, np.pad(np.full((40, 10), 255), 4))


def test_fitting_averages_areas() -> None:
    """A bar 200 high and 50 wide, every other row inked, is 20 × 5 pixels of one brightness."""
    bar = np.zeros((200, 50), np.uint8)
    bar[::2] = 255
    fitted = fit(np.pad(bar, 20))
    assert fitted.shape == (24, 9)
    inside = fitted[2:22, 2:7]
    assert inside.min() == inside.max() == 255
    assert fitted.sum() == inside.sum(dtype=int)


@pytest.mark.parametrize(("height", "width"), [(200, 100), (100, 200), (57, 31), (313, 20), (20, 7), (12, 9)])
def test_fitting_keeps_the_aspect(height: int, width: int) -> None:
    prepared = prepare(np.pad(np.full((height, width), 255, np.uint8), 2 * height))
    rows, columns = prepared.sum(axis=1, dtype=int), prepared.sum(axis=0, dtype=int)
    tall, wide = rows.sum() / rows.max(), columns.sum() / columns.max()
    assert max(tall, wide) == pytest.approx(20, abs=1.2)
    assert wide / tall == pytest.approx(width / height, rel=0.12, abs=0.06)


def test_a_crop_of_the_right_size_is_not_resampled() -> None:
    random = np.random.default_rng(0)
    crop = np.pad(random.integers(1, 255, (20, 11)).astype(np.uint8), 2)
    assert fit(crop) is crop


def test_the_centre_of_mass_lies_in_the_middle() -> None:
    ink = np.zeros((20, 9), np.uint8)
    ink[:, :3] = 255
    ink[15:] = 255
    result = centre(ink)
    y, x = np.mgrid[0:28, 0:28]
    for axis in (y, x):
        assert abs((result * axis).sum() / result.sum() - 14) <= 0.5
    assert result.sum() == ink.sum()


def test_nothing_is_pushed_over_the_edge() -> None:
    ink = np.zeros((20, 20), np.uint8)
    ink[0], ink[-1, -1] = 255, 1
    assert centre(ink).sum() == ink.sum()


def test_the_steps_end_in_what_prepare_returns() -> None:
    shown = prepare_steps(on_paper(seven()))
    assert [step.name for step in shown] == ["grey", "ink", "specks", "crop", "fit", "centre"]
    assert all(step.picture.dtype == np.uint8 and step.picture.ndim == 2 for step in shown)
    assert all(step.what.endswith(".") for step in shown)
    np.testing.assert_array_equal(shown[-1].picture, prepare(on_paper(seven())))
    assert shown[-1].picture.shape == (28, 28)


# --- pictures without a digit ---

_RANDOM = np.random.default_rng(0)
_SPECKS = np.zeros((300, 1), np.uint8)
_SPECKS[[8, 20, 77, 91, 151, 221, 223, 276, 281]] = 255


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((28, 28), np.uint8), "no ink found"),
        (np.full((28, 28), 255, np.uint8), "no ink found"),
        (np.full((300, 200, 3), 130, np.uint8), "no ink found"),
        (np.zeros((1, 1), np.uint8), "no ink found"),
        (np.zeros((1, 4000), np.uint8), "no ink found"),
        (np.tile(np.linspace(60, 250, 200).astype(np.uint8), (150, 1)), "no ink found"),
        (_RANDOM.integers(0, 256, (120, 90)).astype(np.uint8), "no ink found"),
        (_RANDOM.integers(0, 256, (300, 300, 3)).astype(np.uint8), "no ink found"),
        (np.clip(_RANDOM.normal(200, 3, (200, 200)), 0, 255).astype(np.uint8), "no ink found"),
        (on_paper(seven(), 200, 195), "no ink found"),
        (_SPECKS, "no ink found: nothing is left of a few lone pixels"),
        (np.pad(np.array([[255]], np.uint8), 20), "the ink is 1 × 1 pixels, expected at least 6"),
        (np.pad(np.full((3, 5), 255, np.uint8), 20), "the ink is 5 × 3 pixels, expected at least 6"),
    ],
)
def test_pictures_without_a_digit(picture: Picture, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        prepare(picture)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.integers(1, 4),
    seed=st.integers(0, 1000),
    levels=st.sampled_from([2, 3, 256]),
)
def test_any_pixels_give_a_digit_or_our_error(height: int, width: int, channels: int, seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, levels, (height, width, channels)) * (255 // (levels - 1))
    try:
        prepared = prepare(picture)
    except PictureError:
        return
    assert prepared.shape == (28, 28)
    assert prepared.dtype == np.uint8
    assert prepared.max() == 255


# --- MNIST's own digits, come another way ---

Way: TypeAlias = Callable[[Picture, np.random.Generator], npt.NDArray[Any]]


def _padded(image: Picture, random: np.random.Generator, fill: int) -> Picture:
    top, bottom, left, right = random.integers(1, 61, 4)
    return np.pad(image, ((top, bottom), (left, right)), constant_values=fill)


def _shifted(image: Picture, random: np.random.Generator) -> Picture:
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    by = [int(random.integers(-inked[0], 28 - inked[-1])) for inked in (rows, columns)]
    return np.roll(image, by, (0, 1))


def _enlarged(image: Picture, method: int) -> npt.NDArray[Any]:
    return cv2.resize(image, (280, 280), interpolation=method)


def _photographed(image: Picture, random: np.random.Generator) -> npt.NDArray[Any]:
    light = np.linspace(1, 0.6, 280)[:, np.newaxis]
    paper = (220 - 0.6 * _enlarged(image, cv2.INTER_CUBIC)) * light + random.normal(0, 4, (280, 280))
    _, encoded = cv2.imencode(".jpg", np.clip(paper, 0, 255).astype(np.uint8))
    return digits.read_picture(encoded.tobytes())


# A way → what is done to the image, and the share of 1,000 images on which the answers must agree.
WAYS: dict[str, tuple[Way, float]] = {
    "as it is": (lambda image, _: image, 0.995),
    "inverted": (lambda image, _: 255 - image, 0.98),
    "padded": (lambda image, random: _padded(image, random, 0), 0.98),
    "inverted and padded": (lambda image, random: _padded(255 - image, random, 255), 0.98),
    "shifted": (_shifted, 0.98),
    "cut to its ink": (lambda image, _: image[np.ix_(image.any(1), image.any(0))], 0.98),
    "ten times, nearest": (lambda image, _: _enlarged(image, cv2.INTER_NEAREST), 0.98),
    "ten times, linear": (lambda image, _: _enlarged(image, cv2.INTER_LINEAR), 0.98),
    "ten times, cubic": (lambda image, _: _enlarged(image, cv2.INTER_CUBIC), 0.98),
    "photographed": (_photographed, 0.97),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_textbooks_network_answers_as_on_the_raw_pixels(name: str, data_folder: Path) -> None:
    way, share = WAYS[name]
    network = formats.load(data_folder / "book" / "sample_weight.pkl")
    images = read_mnist(data_folder / "mnist", "test")[0][:1000]
    random = np.random.default_rng(1)
    prepared = np.stack([prepare(way(image, random)) for image in images])
    raw, found = (
        np.argmax(network(rows.reshape(-1, 784).astype(np.float32) / 255), axis=1) for rows in (images, prepared)
    )
    assert np.mean(raw == found) >= share
