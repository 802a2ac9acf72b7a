"""IDX: what is written comes back, and every way a file can be bad has its own words."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet.datasets import IDX_DTYPES, read_idx, write_idx
from glassnet.errors import (
    DtypeError,
    FileFormatError,
    GlassnetError,
    MissingFileError,
    ShapeError,
    UnsafeFileError,
)


def idx(code: int, *shape: int, values: bytes = b"", zeros: bytes = b"\0\0", dimensions: int | None = None) -> bytes:
    """Return an IDX file by hand: a header that may lie, then ``values``."""
    count = len(shape) if dimensions is None else dimensions
    return zeros + bytes([code, count]) + struct.pack(f">{len(shape)}I", *shape) + values


GOOD = idx(0x08, 2, 3, values=bytes(range(6)))
GOOD_GZ = gzip.compress(GOOD, mtime=0)

# A bad file → the words that must come back.
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "an IDX header of at least 4 bytes expected, found 0"),
    "three bytes": (b"\0\0\x08", "an IDX header of at least 4 bytes expected, found 3"),
    "text": (b"hello, world", "not an IDX file: it begins with 68 65 6c 6c, expected 00 00"),
    "second byte not zero": (idx(0x08, 1, zeros=b"\0\1"), "begins with 00 01 08 01"),
    "unknown type": (idx(0x0A, 1, values=b"\0"), "element type 0a at byte 2, expected one of 08, 09, 0b, 0c, 0d, 0e"),
    "type zero": (bytes(16), "element type 00 at byte 2"),
    "too many dimensions": (idx(0x08, *[1] * 65, values=b"\0"), "65 dimensions, expected at most 64"),
    "255 dimensions": (idx(0x08, dimensions=255), "255 dimensions, expected at most 64"),
    "sizes cut": (idx(0x08, 2, dimensions=3), "12 bytes of sizes expected for 3 dimensions, found 4"),
    "values cut": (GOOD[:-1], "6 bytes of values expected for shape (2, 3) of uint8, found 5"),
    "no values": (idx(0x0E, 2), "16 bytes of values expected for shape (2,) of float64, found 0"),
    "one byte too many": (GOOD + b"\0", "6 bytes of values expected for shape (2, 3) of uint8, found 7"),
    "a claim of 18 exabytes": (idx(0x08, 0xFFFFFFFF, 0xFFFFFFFF), "no array can have shape (4294967295, 4294967295)"),
    "sizes that overflow": (idx(0x0E, *[0xFFFFFFFF] * 5), "no array can have shape"),
    "empty yet endless": (idx(0x08, 0, 0xFFFFFFFF, 0xFFFFFFFF, 2), "no array can have shape (0, 4294967295"),
    "a claim of 4 GB": (idx(0x08, 0xFFFFFFFF, values=b"\0" * 9), "4,294,967,295 bytes of values expected"),
    "gzip header only": (GOOD_GZ[:10], "the gzip data are damaged or cut short"),
    "gzip magic only": (GOOD_GZ[:2], "the gzip data are damaged or cut short"),
    "gzip cut": (GOOD_GZ[:-9], "the gzip data are damaged or cut short"),
    "gzip sum cut": (GOOD_GZ[:-3], "the gzip data are damaged or cut short"),
    "gzip sum wrong": (GOOD_GZ[:-8] + bytes(8), "the gzip data are damaged or cut short: CRC check failed"),
    "gzip data damaged": (GOOD_GZ[:10] + b"\xff" * 8 + GOOD_GZ[18:], "the gzip data are damaged or cut short"),
    "gzip then rubbish": (GOOD_GZ + b"rubbish", "the gzip data are damaged or cut short: Not a gzipped file"),
    "gzip of nothing": (gzip.compress(b""), "an IDX header of at least 4 bytes expected, found 0"),
    "gzip of gzip": (gzip.compress(GOOD_GZ), "not an IDX file: it begins with 1f 8b"),
    "gzip, values cut": (gzip.compress(GOOD[:-2]), "6 bytes of values expected for shape (2, 3) of uint8, found 4"),
    "gzip, values too many": (gzip.compress(GOOD + b"\0"), "6 bytes of values expected for shape (2, 3) of uint8, fo"),
    "two gzips": (GOOD_GZ + GOOD_GZ, "found more"),
    "gzip bomb in the header": (gzip.compress(idx(0x08, 0xFFFFFFFF)), "from only"),
    "gzip bomb behind the header": (gzip.compress(GOOD + bytes(1 << 24)), "found more"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    content, words = BAD[case]
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FileFormatError) as caught:
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert peak < 8 << 20


def test_a_gzip_bomb_is_called_unsafe(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(0x08, 1 << 28) + bytes(1 << 20)))
    with pytest.raises(UnsafeFileError, match="268,435,456 bytes of values expected"):
        read_idx(path)


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(FileFormatError, match="directory"):
        read_idx(tmp_path)
    with pytest.raises(MissingFileError, match="there is no folder"):
        write_idx(tmp_path / "absent" / "x-idx", [np.uint8(1)])


@pytest.mark.parametrize("code", IDX_DTYPES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
@given(data=st.data())
def test_what_is_written_comes_back(
    code: int, suffix: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    array = data.draw(hnp.arrays(IDX_DTYPES[code].newbyteorder(data.draw(st.sampled_from("<>"))), shape))
    path = tmp_path_factory.mktemp("idx") / f"x{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_the_bytes_are_those_of_the_specification(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_idx(path, np.array([[1, -2, 258]], dtype=np.int16))
    assert path.read_bytes() == bytes.fromhex("0000 0B02 00000001 00000003 0001 FFFE 0102")


def test_gzip_is_told_by_the_content_and_written_by_the_name(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, array)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    (tmp_path / "a.gz").rename(tmp_path / "plain-name")
    np.testing.assert_array_equal(read_idx(tmp_path / "plain-name"), array)


@pytest.mark.parametrize("values", [np.array([1]), np.array([True]), np.array([1], np.float16), np.array(["a"])])
def test_elements_idx_has_no_type_for(values: npt.NDArray[Any], tmp_path: Path) -> None:
    with pytest.raises(DtypeError, match="IDX keeps uint8, int8, int16, int32, float32, float64; found"):
        write_idx(tmp_path / "x", values)
    assert not list(tmp_path.iterdir())


def test_sizes_above_32_bits(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="32 bits"):
        write_idx(tmp_path / "x", np.empty((0, 1 << 32), np.uint8))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_idx(path, np.zeros(3, np.uint8))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_idx(path, np.ones(4, np.uint8))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    np.testing.assert_array_equal(read_idx(path), np.zeros(3, np.uint8))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_written_file_has_the_users_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_idx(tmp_path / "x", np.zeros(3, np.uint8))
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@given(
    original=st.sampled_from([GOOD, GOOD_GZ, idx(0x0D, 2, 2, values=bytes(16))]),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 60),
)
def test_damaged_bytes_give_an_array_or_our_error(
    original: bytes, changes: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(original)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(damaged[: len(damaged) - cut] if cut < len(damaged) else damaged)
    with contextlib.suppress(GlassnetError):
        assert read_idx(path).nbytes <= 64
