"""Reading pictures: real files of every kind, and every way a file can be bad."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from glassnet import digits
from glassnet.digits import read_picture
from glassnet.errors import GlassnetError, MissingFileError, PictureError

from . import files

# --- files that must be read ---


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    data = files.oriented(kind, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"), dtype=int)
    found = read_picture(data)
    assert found.shape == expected.shape
    assert found.flags.c_contiguous
    assert np.abs(found - expected).max() <= 2  # JPEG decoders round in their own ways


def test_broken_exif_is_no_orientation() -> None:
    exif = b"Exif\0\0II*\0\xff\xff\xff\x7f"
    data = files.saved(files.drawing(), "JPEG", exif=exif)
    assert read_picture(data).shape == files.drawing().shape


@pytest.mark.parametrize("name", files.ODD)
def test_an_odd_file_holds_the_same_digit(name: str) -> None:
    make, channels = files.ODD[name]
    picture = read_picture(make())
    assert picture.dtype == np.uint8
    assert picture.shape == (60, 44) + ((channels,) if channels > 1 else ())
    expected = digits.prepare(files.drawing()).astype(int)
    assert np.abs(digits.prepare(picture) - expected).mean() < 3


def test_colours_stand_in_the_order_red_green_blue() -> None:
    np.testing.assert_array_equal(read_picture(files.PNG), files.drawing())


def test_path_bytes_and_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "숫자.png"
    path.write_bytes(files.PNG)
    pictures: list[npt.NDArray[Any]] = [read_picture(source) for source in (path, str(path), files.PNG)]
    with path.open("rb") as file:
        pictures.append(read_picture(file))
    pictures += [read_picture(bytearray(files.PNG)), read_picture(memoryview(files.PNG))]
    for picture in pictures:
        np.testing.assert_array_equal(picture, files.drawing())


# --- files that must be refused ---


@pytest.mark.parametrize("name", files.BROKEN)
def test_a_broken_file_is_refused_in_one_line(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make, words = files.BROKEN[name]
    path = tmp_path / "broken.png"
    path.write_bytes(make())
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert caught.value.message.startswith(f"reading {path}: ")
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert "OpenCV" not in "".join(capfd.readouterr())


def test_paths_that_are_not_pictures(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no such file"):
        read_picture(tmp_path / "absent.png")
    with pytest.raises(PictureError, match="directory"):
        read_picture(tmp_path)


@given(
    original=st.sampled_from([files.PNG, files.BMP, files.TIFF, files.WEBP]),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4),
    kept=st.floats(0, 1),
)
def test_damaged_bytes_give_a_picture_or_our_error(
    original: bytes, changes: list[tuple[int, int]], kept: float
) -> None:
    damaged = bytearray(original)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    for data in (damaged, damaged[: int(kept * len(damaged))]):
        try:
            picture = read_picture(bytes(data))
        except GlassnetError:
            continue
        assert picture.dtype == np.uint8
        assert picture.nbytes <= digits.picture.MOST_DECODED_BYTES


# The peak is read from /proc, because that of getrusage begins with what the parent process had.
PEAK = """
import re, sys
from pathlib import Path
from glassnet import digits
from glassnet.errors import PictureError
try:
    digits.prepare(sys.argv[1])
except PictureError as error:
    print(error.message)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("name", "refused"),
    [("grey 80 megapixels", False), ("progressive 25 megapixels", False), ("grey 100 megapixels", True)],
)
def test_memory_stays_bounded(name: str, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "large"
    if name.startswith("progressive"):
        large = np.full((5000, 5000, 3), 240, np.uint8)
        large[1000:4000, 2000:2600] = 20
        path.write_bytes(files.saved(large, "JPEG", progressive=True, subsampling=0))
    else:
        side = 8900 if "80" in name else 10_000
        large = np.full((side, side), 240, np.uint8)
        large[2000:6000, 4000:4500] = 20
        path.write_bytes(files.saved(large, "PNG", compress_level=1))
    run = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    *messages, peak_megabytes = run.stdout.splitlines()
    assert bool(messages) == refused
    assert int(peak_megabytes) < 300


# --- arrays ---


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0, 128, 255]], np.uint8),
        np.array([[0, 128, 255]], np.int64),
        np.array([[0, 128, 255]], np.float32),
        np.array([[0, 128, 255]], np.float64) / 255,
        np.array([[0, 128, 255]], np.float16),
        np.array([[0, 128, 255]], np.uint16),
        np.array([[0, 128, 255]], np.uint16) * 257,
        np.array([[0, 128, 255]], ">u2"),
        np.array([[[0], [128], [255]]], np.uint8),
        np.array([[255, 128, 0]], np.uint8)[:, ::-1],
    ],
)
def test_arrays_of_any_real_dtype(array: npt.NDArray[Any]) -> None:
    found = read_picture(array)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[0, 128, 255]])


def test_booleans_are_black_and_white() -> None:
    np.testing.assert_array_equal(read_picture([[True, False]]), [[255, 0]])


def test_two_channels_are_grey_and_alpha() -> None:
    np.testing.assert_array_equal(read_picture(np.array([[[7, 9]]], np.uint8)), [[[7, 7, 7, 9]]])


def test_rows_of_different_lengths() -> None:
    with pytest.raises(PictureError, match=r"^a picture that is not an array: .*inhomogeneous"):
        read_picture([[1, 2], [3]])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(784), "a picture has shape"),
        (np.zeros((0, 5)), "a picture has shape"),
        (np.zeros((5, 5, 5)), "a picture has shape"),
        (np.zeros((1, 28, 28)), "a picture has shape"),
        (np.full((5, 5), np.nan), "pixels must lie between 0 and 255, found nan"),
        (np.array([[0, np.nan], [1, 1]]), "pixels must lie between 0 and 255, found nan"),
        (np.array([[0, np.inf]]), "pixels must lie between 0 and 255, found 0 to inf"),
        (np.array([[-1, 5]]), "pixels must lie between 0 and 255, found -1 to 5"),
        (np.array([[0, 256]]), "pixels must lie between 0 and 255, found 0 to 256"),
        (np.array([[1j]]), "pixels must be real numbers, found dtype complex128"),
        (np.array([["a"]]), "pixels must be real numbers, found dtype <U1"),
        (np.array([[None]]), "pixels must be real numbers, found dtype object"),
    ],
)
def test_arrays_that_are_no_picture(array: npt.NDArray[Any], words: str) -> None:
    with pytest.raises(PictureError) as caught:
        read_picture(array)
    assert words in caught.value.message
