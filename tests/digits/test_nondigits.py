"""Non-digits: their form, that a seed decides them, what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from glassnet.activations import Array
from glassnet.digits import NON_DIGITS, NonDigits, prepare
from glassnet.digits.nondigits import OF_DIGITS, OF_FONTS
from glassnet.errors import GlassnetError, OptionError, ShapeError


def bars() -> Array:
    """Return pictures to cut up: upright and level bars with a hook."""
    digits = np.zeros((4, 28, 28), np.uint8)
    digits[:2, 4:24, 12:16] = 255
    digits[2:, 12:16, 4:24] = 255
    digits[:, 8:11, 10:19] = 255
    return digits


@pytest.mark.parametrize("kind", NON_DIGITS)
def test_the_form_of_each_kind(kind: str) -> None:
    make = NonDigits((kind,), bars())
    pictures = make(60, np.random.default_rng(0))
    assert (pictures.shape, pictures.dtype) == ((60, 28, 28), np.dtype(np.uint8))
    np.testing.assert_array_equal(make(60, np.random.default_rng(0)), pictures)
    assert (make(60, np.random.default_rng(1)) != pictures).any()
    assert len({picture.tobytes() for picture in pictures}) > 10
    for picture in pictures:
        rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        wide = min(np.ptp(rows), np.ptp(columns)) + 1 <= 14  # there is room to move it
        assert not wide or np.abs(np.array(ndimage.center_of_mass(picture.astype(float))) - 14).max() < 4
        assert picture.max() > 200


def test_already_prepared() -> None:
    """What is drawn would come out of the preparation much as it is."""
    pictures = NonDigits(("strokes", "letter"))(40, np.random.default_rng(0))
    differences = [np.abs(prepare(picture).astype(int) - picture).mean() for picture in pictures]
    assert np.median(differences) < 3


def test_all_that_is_possible() -> None:
    assert set(NonDigits().kinds) == set(NON_DIGITS) - OF_DIGITS - OF_FONTS
    assert set(NonDigits(digits=bars()).kinds) == set(NON_DIGITS) - OF_FONTS
    assert repr(NonDigits(("dots",))) == "NonDigits(('dots',), no digits)"
    assert NonDigits()(0, np.random.default_rng(0)).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: NonDigits(("dot",)), OptionError, "no non-digits of kind 'dot'"),
        (
            lambda: NonDigits(("pair",)),
            OptionError,
            "non-digits of kind 'pair' are made of digits; give NonDigits some",
        ),
        (lambda: NonDigits(digits=bars()[:0]), ShapeError, "digits must be pictures (n, 28, 28) of uint8"),
        (lambda: NonDigits(digits=bars() / 255), ShapeError, "digits must be pictures (n, 28, 28) of uint8"),
    ],
)
def test_what_is_refused(make: Callable[[], object], kind: type[GlassnetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)
