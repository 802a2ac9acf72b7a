"""The distortions: what each does, that a seed decides it, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

from glassnet.activations import Array
from glassnet.digits import (
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
from glassnet.digits.augment import MOST_ROWS, _modes
from glassnet.errors import DtypeError, OptionError, ShapeError

ALL: list[Callable[[Array, np.random.Generator], Array]] = [kind() for kind in DISTORTIONS.values()]
ALL += [Augmentation((Affine(), Elastic(), Stroke())), Augmentation((Affine(),), share=0.5)]


def drawn(count: int = 20) -> Array:
    """Return pictures of a hook, each a little elsewhere."""
    pictures = np.zeros((count, 28, 28), np.uint8)
    for number, picture in enumerate(pictures):
        points = np.array([(8, 7), (19, 8 + number % 3), (12, 20)])
        cv2.polylines(picture, [points], isClosed=False, color=255, thickness=2, lineType=cv2.LINE_AA)
    return pictures


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def centre(picture: Array) -> Array:
    return np.array(ndimage.center_of_mass(picture.astype(float)))


def test_every_distortion_is_checked_here() -> None:
    assert {type(step) for step in ALL} == {*DISTORTIONS.values(), Augmentation}


@pytest.mark.parametrize("step", ALL, ids=repr)
def test_a_seed_decides(step: Callable[[Array, np.random.Generator], Array]) -> None:
    pictures = drawn()
    before = pictures.copy()
    one, two, other = step(pictures, random(1)), step(pictures, random(1)), step(pictures, random(2))
    np.testing.assert_array_equal(pictures, before)
    assert one.shape == pictures.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert (one != pictures).any()
    assert step(pictures[:0], random()).shape == (0, 28, 28)


@pytest.mark.parametrize("step", ALL, ids=repr)
def test_more_than_opencv_takes_at_once(step: Callable[[Array, np.random.Generator], Array]) -> None:
    pictures = drawn(MOST_ROWS // 32 + 30)
    distorted = step(pictures, random())
    assert distorted.shape == pictures.shape
    assert distorted[-1].any()


@pytest.mark.parametrize("step", [step for step in ALL if not isinstance(step, Noise)], ids=repr)
def test_no_picture_leaks_into_its_neighbours(step: Callable[[Array, np.random.Generator], Array]) -> None:
    pictures = np.zeros((9, 28, 28), np.uint8)
    pictures[1::2] = 255
    assert not step(pictures, random())[::2].any()


# --- what each does -----------------------------------------------------------------------------------------


def test_an_affine_map_is_the_one_opencv_makes() -> None:
    """One picture at a time, with warpAffine and the matrices written out."""
    pictures, affine = drawn(8), Affine(20, 0.2, 0.3, 3)
    ours = affine(pictures, random(3))
    turn, sx, sy, slant, *move = random(3).uniform(-1, 1, (6, 8))
    for i, picture in enumerate(pictures):
        angle = np.radians(20) * turn[i]
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turned @ [[1, 0.3 * slant[i]], [0, 1]] @ np.diag(np.exp([0.2 * sx[i], 0.2 * sy[i]]))
        c = centre(picture)[::-1]
        m = 3 * np.array([move[0][i], move[1][i]])
        whole = np.column_stack([matrix, c + m - matrix @ c])
        theirs = cv2.warpAffine(picture, whole, (28, 28), flags=cv2.INTER_LINEAR)
        assert np.abs(ours[i].astype(int) - theirs).max() <= 12, "OpenCV rounds places to 1/32 of a pixel"
        assert np.abs(ours[i].astype(int) - theirs).mean() < 0.5


def test_moved_by_its_centre_of_mass() -> None:
    pictures = drawn(50)
    turned = Affine(move_pixels=0, slant=0)(pictures, random())
    moved = np.array([centre(one) - centre(two) for one, two in zip(pictures, turned, strict=True)])
    assert np.abs(moved).max() < 0.35
    moved = np.array(
        [centre(a) - centre(b) for a, b in zip(pictures, Affine(0, 0, 0, 3)(pictures, random()), strict=True)]
    )
    assert 2.5 < np.abs(moved).max() < 3.2
    assert np.abs(moved.mean(axis=0)).max() < 0.8


def test_nothing_by_nothing() -> None:
    pictures = drawn()
    for step in (Affine(0, 0, 0, 0), Elastic(alpha=0), Stroke(0, 0), Blur(share=0), Noise(0), Contrast(1.0)):
        np.testing.assert_array_equal(step(pictures, random()), pictures)


@pytest.mark.parametrize(("alpha", "sigma"), [(34.0, 4.0), (8.0, 2.0), (120.0, 8.0)])
def test_an_elastic_field_is_as_simard_makes_it(alpha: float, sigma: float) -> None:
    """As many fields made the long way: even random numbers, SciPy's Gaussian, the middle of a larger picture."""
    pictures = np.zeros((400, 28, 28), np.uint8)
    ours = Elastic(alpha, sigma).displacement(pictures, random()).reshape(-1, 28, 28)
    wide = random(1).uniform(-1, 1, (300, 92, 92))
    theirs = alpha * ndimage.gaussian_filter(wide, (0, sigma, sigma))[:, 32:60, 32:60]
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
    assert ours.std() == pytest.approx(alpha / (np.sqrt(3) * 2 * np.sqrt(np.pi) * sigma), rel=0.05)
    spread = ours.std(axis=0)
    assert spread.min() > 0.85 * spread.max(), "the edge moves as the middle does"
    for apart in (2, 5, 9):
        alike = [(f[:, :, apart:] * f[:, :, :-apart]).mean() / f.var() for f in (ours, theirs)]
        assert alike[0] == pytest.approx(alike[1], abs=0.05)


def test_the_modes_of_a_field_make_up_its_covariance() -> None:
    modes = _modes(28, 4.0).astype(float)
    impulses = ndimage.gaussian_filter1d(np.eye(200), 4.0, axis=0)
    expected = (impulses @ impulses.T)[80:108, 80:108]
    np.testing.assert_allclose(modes @ modes.T, expected, atol=2e-3 * expected.max())
    assert modes.shape[1] < 12


def test_warps_in_turn_are_sampled_once() -> None:
    pictures = drawn()
    together = Augmentation((Affine(0, 0, 0, 0.5), Elastic(alpha=0)))(pictures, random())
    np.testing.assert_array_equal(together, Affine(0, 0, 0, 0.5)(pictures, random()))


def test_another_pen() -> None:
    pictures = drawn(200)
    ink = Stroke(0.3, 0.3)(pictures, random()).sum(axis=(1, 2), dtype=int) / pictures.sum(axis=(1, 2), dtype=int)
    assert (ink > 1.001).mean() == pytest.approx(0.3, abs=0.1)
    assert (ink < 0.999).mean() == pytest.approx(0.3, abs=0.1)
    assert ink.min() > 0.15, "a thinner pen still writes"


def test_blur_keeps_the_ink() -> None:
    pictures = drawn(100)
    blurred = Blur(1.0, share=1.0)(pictures, random())
    ratio = blurred.sum(axis=(1, 2), dtype=int) / pictures.sum(axis=(1, 2), dtype=int)
    np.testing.assert_allclose(ratio, 1, atol=0.02)
    assert (np.abs(np.diff(blurred.astype(int))).max(axis=(1, 2)) < 250).any()


def test_noise_has_its_deviation() -> None:
    grey = np.full((300, 28, 28), 128, np.uint8)
    deviations = Noise(30, share=0.5)(grey, random()).std(axis=(1, 2))
    assert (deviations == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert 28 < deviations.max() < 32


def test_contrast_has_its_weakest() -> None:
    white = np.full((300, 28, 28), 255, np.uint8)
    levels = Contrast(0.4, share=1.0)(white, random())[:, 0, 0] / 255
    assert 0.4 <= levels.min() < 0.42
    assert 0.98 < levels.max() <= 1


def test_a_hole_of_its_size() -> None:
    white = np.full((300, 28, 28), 255, np.uint8)
    wiped = (Occlusion(5, share=1.0)(white, random()) == 0).sum(axis=(1, 2))
    assert wiped.max() == 25
    assert wiped.min() >= 1
    everywhere = (Occlusion(5, share=1.0)(white, random()) == 0).any(axis=0)
    assert everywhere.mean() > 0.9


def test_a_sliver_more_or_less() -> None:
    """A block 12 wide gets up to three columns beside it, or loses up to two, on either side."""
    blocks = np.zeros((400, 28, 28), np.uint8)
    blocks[:, 4:24, 8:20] = 255
    changed = np.any(Neighbour(3, share=1.0)(blocks, random()), axis=1)
    left = changed.argmax(axis=1)
    right = 28 - changed[:, ::-1].argmax(axis=1)
    assert {*zip(left.tolist(), right.tolist(), strict=True)} == {
        *((left, 20) for left in (5, 6, 7, 9, 10)),
        *((8, right) for right in (18, 19, 21, 22, 23)),
    }


def test_a_share_of_the_pictures() -> None:
    pictures = drawn(400)
    changed = (Augmentation((Affine(),), share=0.25)(pictures, random()) != pictures).any(axis=(1, 2))
    assert changed.mean() == pytest.approx(0.25, abs=0.06)


def test_other_sizes() -> None:
    pictures = np.zeros((3, 9, 40), np.uint8)
    pictures[:, 3:6, 10:30] = 255
    for step in ALL:
        assert step(pictures, random()).shape == pictures.shape


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Affine(turn_degrees=-1), OptionError, "Affine: turn_degrees must be 0 or more, found -1"),
        (lambda: Elastic(sigma=0), OptionError, "Elastic: sigma must be a number above 0, found 0"),
        (lambda: Stroke(1.5), OptionError, "Stroke: thicker must be from 0 to 1, found 1.5"),
        (lambda: Neighbour(0), OptionError, "Neighbour: cut_pixels must be 1 or more, found 0"),
        (lambda: Occlusion(0), OptionError, "Occlusion: side_pixels must be 1 or more, found 0"),
        (lambda: Noise("much"), OptionError, "Noise: deviation must be 0 or more, found 'much'"),  # type: ignore[arg-type]
        (lambda: Augmentation((Affine(),), 2), OptionError, "Augmentation: share must be from 0 to 1, found 2"),
        (lambda: Augmentation(("affine",)), OptionError, "a step must be a distortion, found 'affine'"),  # type: ignore[arg-type]
        (lambda: Affine()(drawn().reshape(20, 784), random()), ShapeError, "must have shape (n, height, width)"),
        (lambda: Affine()(drawn() / 255, random()), DtypeError, "must be uint8, found float64"),
        (lambda: Augmentation(())(drawn()[0], random()), ShapeError, "must have shape (n, height, width)"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)


def test_a_distortion_is_data() -> None:
    assert Affine() == Affine()
    assert isinstance(Affine(), Distortion)
    assert repr(Augmentation((Blur(2.0),))) == "Augmentation(steps=(Blur(sigma=2.0, share=0.3),), share=1.0)"
