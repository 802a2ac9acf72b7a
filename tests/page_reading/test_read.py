"""Pictures of digits become lines of digits, and pictures without any an empty page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import glassnet
from glassnet.digits import NonDigits
from glassnet.digits.pen import Pen, draw_digit
from glassnet.errors import GraphError, PictureError
from glassnet.reading import Line, Page, read, read_steps, scores

Array = npt.NDArray[Any]

WHITE, INK = (245, 244, 240), (40, 38, 44)


def sheet(
    rows: list[str], *, height: int = 60, ink: tuple[int, int, int] = INK, paper: tuple[int, int, int] = WHITE
) -> Array:
    """Return rows of digits written by the project's pen, and dashes, points and commas among them."""
    width = 120 + max(len(row) for row in rows) * height
    page = np.zeros((80 + len(rows) * 2 * height, width), np.uint8)
    for number, row in enumerate(rows):
        x, top = 60, 50 + number * 2 * height
        for place, sign in enumerate(row):
            if sign.isdigit():
                digit = draw_digit(int(sign), Pen(0.10, 0.06), height=height, seed=10 * number + place)
                part = page[top : top + digit.shape[0], x : x + digit.shape[1]]
                np.maximum(part, digit, out=part)
                x += digit.shape[1] + 12
                continue
            base = top + height + 2
            if sign == "-":
                cv2.line(page, (x, top + height // 2), (x + height // 3, top + height // 2), 255, 6)
            elif sign == ".":
                cv2.circle(page, (x + 3, base), 4, 255, -1)
            elif sign == ",":
                cv2.line(page, (x + 5, base - 4), (x - 2, base + 14), 255, 6)
            x += 36 if sign != "-" else height // 3 + 12
    cover = page.astype(np.float64)[..., np.newaxis] / 255
    grain = np.random.default_rng(0).normal(0, 1.5, (*page.shape, 3))
    return np.clip((1 - cover) * np.array(paper) + cover * np.array(ink) + grain, 0, 255).astype(np.uint8)


ROWS = ["20457", "386", "7190"]


def test_rows_of_digits() -> None:
    page = glassnet.read(sheet(ROWS))
    assert page.text == "\n".join(ROWS)
    assert page.size == (sheet(ROWS).shape[1], sheet(ROWS).shape[0])
    assert all(digit.prepared.shape == (28, 28) and digit.ranked[0][0] == digit.label for digit in page.digits)


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((30, 60, 170), (252, 252, 250)),
        ((190, 30, 40), (246, 236, 210)),
        ((235, 238, 230), (36, 62, 52)),
        ((60, 70, 150), (250, 238, 150)),
        ((255, 255, 255), (0, 0, 0)),
    ],
    ids=["blue on white", "red on cream", "chalk", "blue on yellow", "screen"],
)
def test_colours_and_polarity(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> None:
    assert read(sheet(ROWS, ink=ink, paper=paper)).text == "\n".join(ROWS)


def test_boxes_are_where_the_digits_are() -> None:
    picture = sheet(["5"])
    rows, columns = np.nonzero(picture.max(axis=2) < 140)
    [digit] = read(picture).digits
    box = digit.box
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    assert edges == pytest.approx((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), abs=4)


def test_hard_shadow() -> None:
    picture = sheet(ROWS).astype(np.float64)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    picture[columns + rows / 2 > 300] *= 0.5
    assert read(picture.astype(np.uint8)).text == "\n".join(ROWS)


def test_lined_and_squared_paper() -> None:
    for upright in (False, True):
        picture = sheet(ROWS)
        for y in range(112, picture.shape[0], 120):
            picture[y - 1 : y + 1] = (150, 170, 210)
        if upright:
            for x in range(30, picture.shape[1], 120):
                picture[:, x : x + 2] = (150, 170, 210)
        assert read(picture).text == "\n".join(ROWS)


def wavy_grid(picture: Array, pitch: int, across: int) -> Array:
    """Draw lines that bend, as by hand, every ``pitch`` pixels down and ``across`` pixels to the right."""
    height, width = picture.shape[:2]
    along = np.arange(0, max(height, width), 10)
    wave = 3 * np.sin(along / 45)
    for number, y in enumerate(range(36, height, pitch)):
        points = np.stack([along, y + np.roll(wave, 3 * number)], axis=1)[along < width]
        cv2.polylines(picture, [np.rint(points).astype(np.int32)], False, INK, 4)
    for number, x in enumerate(range(44, width, across)):
        points = np.stack([x + np.roll(wave, 5 * number), along], axis=1)[along < height]
        cv2.polylines(picture, [np.rint(points).astype(np.int32)], False, INK, 4)
    return picture


def test_lines_drawn_by_hand() -> None:
    assert read(wavy_grid(sheet(ROWS), 120, 130)).text == "\n".join(ROWS)


def test_digits_that_meet_on_a_line_are_two() -> None:
    """A 7 whose foot reaches the line below it, and a 4 that begins there."""
    picture = np.full((400, 520, 3), WHITE, np.uint8)
    for digit, left, top in ((3, 90, 60), (7, 240, 62), (5, 390, 60), (2, 90, 150), (4, 240, 136), (6, 390, 150)):
        drawn = draw_digit(digit, Pen(0.10), height=78, seed=digit)
        part = picture[top : top + drawn.shape[0], left : left + drawn.shape[1]]
        part[drawn > 100] = INK
    for y in (40, 139, 240):
        picture[y : y + 3, 40:480] = (90, 90, 90)
    for x in (40, 187, 333, 478):
        picture[40:242, x : x + 3] = (90, 90, 90)
    assert read(picture).text == "375\n246"


def test_separators() -> None:
    page = read(sheet(["12-34", "5.67"]))
    assert page.text == "12-34\n5.67"
    assert [[mark.kind for mark in line.marks] for line in page.lines] == [["dash"], ["point"]]


def test_digits_that_touch() -> None:
    parts = [draw_digit(digit, Pen(0.1), height=80, seed=digit) for digit in (2, 3)]
    page = np.zeros((200, 300), np.uint8)
    x = 80
    for part in parts:
        np.maximum(
            page[60 : 60 + part.shape[0], x : x + part.shape[1]],
            part,
            out=page[60 : 60 + part.shape[0], x : x + part.shape[1]],
        )
        x += part.shape[1] - 20
    assert cv2.connectedComponents((page > 127).astype(np.uint8))[0] == 2, "one piece"
    assert read(255 - page).text == "23"


@pytest.mark.parametrize("side", [28, 32, 64, 300])
def test_one_digit_of_any_size(side: int) -> None:
    for digit in range(10):
        ink = draw_digit(digit, Pen(0.11), height=round(side * 0.7), seed=3)
        page = np.zeros((side, side), np.uint8)
        page[side // 8 : side // 8 + ink.shape[0], side // 4 : side // 4 + ink.shape[1]] = ink[: side - side // 8]
        for picture in (page, 255 - page):
            assert read(picture).text == str(digit)


def test_turned_by_exif() -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = io.BytesIO()
    upright = Image.fromarray(sheet(ROWS))
    upright.rotate(90, expand=True).save(file, "JPEG", exif=exif, quality=92)
    assert read(file.getvalue()).text == "\n".join(ROWS)


TALL = ["20457", "38624", "71902", "94358", "20571"]


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_page_that_lies_on_its_side(quarters: int) -> None:
    """It is read turned, and its boxes are those of the picture turned so."""
    upright = read(sheet(TALL))
    page = read(np.rot90(sheet(TALL), -quarters))
    assert (page.turned, page.size) == (quarters, upright.size)
    assert page.text == upright.text == "\n".join(TALL)
    for digit, other in zip(page.digits, upright.digits, strict=True):
        assert digit.box == pytest.approx(other.box, abs=3)


def test_a_page_is_left_as_it_lies_where_that_is_wanted() -> None:
    picture = np.rot90(sheet(TALL))
    page, (turned, steps) = read(picture, turn=False), read_steps(picture)
    assert (page.turned, page.size) == (0, (picture.shape[1], picture.shape[0]))
    assert len(page.digits) < len(turned.digits) == 25
    shown = steps[-1].picture.shape
    assert shown[0] > 1.2 * shown[1]  # the last step shows it upright


def test_faint_pencil_in_much_noise() -> None:
    """The picture is smoothed until strokes stand out."""
    picture = sheet(ROWS, ink=(150, 150, 150), paper=(180, 178, 175)).astype(np.float64)
    picture += np.random.default_rng(1).normal(0, 14, picture.shape[:2])[..., np.newaxis]
    assert read(np.clip(picture, 0, 255).astype(np.uint8)).text == "\n".join(ROWS)


def test_wide_strokes_are_seen_with_fewer_pixels() -> None:
    """And boxes stay those of the picture."""
    large, small = sheet(["2045", "7138"], height=300), sheet(["2045", "7138"])
    page, steps = read_steps(large)
    assert page.text == "2045\n7138"
    assert steps[2].picture.shape[1] < 0.8 * steps[0].picture.shape[1]
    assert page.digits[0].box.height == pytest.approx(300, abs=30)
    assert read_steps(small)[1][2].picture.shape[:2] == read_steps(small)[1][0].picture.shape[:2]


def test_steps() -> None:
    page, steps = read_steps(sheet(ROWS))
    assert page.text == "\n".join(ROWS)
    assert [step.name for step in steps] == ["canvas", "sheet", "ink", "level", "unruled", "pieces", "digits"]
    assert all(step.what and step.picture.dtype == np.uint8 for step in steps)


def test_a_network_without_none() -> None:
    shipped = glassnet.digits.load_model()
    *first, last = shipped.layers
    assert isinstance(last, glassnet.Dense)
    assert shipped.labels is not None
    ten = glassnet.Dense(last.weights[:, :10], last.bias[:10], "softmax")
    network = glassnet.Network([*first, ten]).replace(inputs=shipped.inputs[0], labels=shipped.labels[:10])
    assert read(sheet(ROWS), network).text == "\n".join(ROWS)


def test_a_network_that_reads_no_digits() -> None:
    network = glassnet.Network([glassnet.Dense(np.ones((2, 3)), np.zeros(3), "softmax")])
    with pytest.raises(GraphError, match="answers values, expected one with labels"):
        read(sheet(ROWS), network)


# --- without a digit ---


def _noise(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def _clouds() -> Array:
    noise = cv2.GaussianBlur(_noise((600, 800, 3)).astype(np.float32), (0, 0), 25)
    return ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        np.full((400, 300), 255, np.uint8),
        np.zeros((400, 300, 3), np.uint8),
        np.full((1, 1), 77, np.uint8),
        np.full((1, 5000), 200, np.uint8),
        _noise((300, 400)),
        _noise((28, 28)),
        _clouds(),
        np.tile(np.linspace(0, 255, 500).astype(np.uint8), (300, 1)),
    ],
    ids=["white", "black", "pixel", "strip", "noise", "small noise", "clouds", "slope"],
)
def test_nothing_to_read(picture: Array) -> None:
    page = read(picture)
    assert isinstance(page, Page)
    assert page.digits == ()
    assert page.text == ""


def test_a_page_of_text_has_next_to_no_digits() -> None:
    page = np.full((700, 1000), 245, np.uint8)
    words = ["Reading handwritten numbers is", "what this does and print must", "not be taken for them however"]
    for number in range(9):
        cv2.putText(page, words[number % 3], (40, 80 + 70 * number), cv2.FONT_HERSHEY_DUPLEX, 1.6, 30, 3, cv2.LINE_AA)
    assert len(read(page).digits) <= 5


def test_too_large() -> None:
    with pytest.raises(PictureError, match="pixels would take"):
        read(_png_header(30_000, 30_000))


def _png_header(width: int, height: int) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_damaged_and_unknown_files(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(sheet(ROWS)).save(file, "JPEG")
    with pytest.raises(PictureError, match="cut short"):
        read(file.getvalue()[:2000])
    frames = [Image.new("L", (20, 20), shade) for shade in (0, 255)]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="not a PNG, JPEG"):
        read(moving.getvalue())
    lying = tmp_path / "digits.png"
    lying.write_bytes(file.getvalue())
    assert read(lying).text == "\n".join(ROWS)


def test_a_line_without_digits_says_nothing() -> None:
    assert Line(()).text == ""


def leaning(digit: int, slant: float) -> npt.NDArray[np.uint8]:
    ink = draw_digit(digit, Pen(0.08, slant, tremor=0.0), height=90)
    return 255 - np.pad(ink, 20)


@pytest.mark.parametrize("digit", [2, 3, 4, 5, 6, 7, 9])
def test_a_hand_that_leans_far(digit: int) -> None:
    assert glassnet.read(leaning(digit, 0.7)).text == str(digit)


def test_what_leans_no_further_than_usual_stays_as_it_is() -> None:
    ink = 255 - leaning(9, 0.25)
    assert scores.upright(ink) is ink
    level = np.zeros((40, 200), np.uint8)
    level[18:22, 10:190] = 255
    assert scores.upright(level) is level
    far = 255 - leaning(9, 0.8)
    moments = [cv2.moments(each) for each in (far, scores.upright(far))]
    leans = [each["mu11"] / each["mu02"] for each in moments]
    assert leans[0] < -0.45
    assert leans[1] == pytest.approx(-0.3, abs=0.02)


def test_tiny_pictures_of_no_digit_are_refused() -> None:
    pictures = NonDigits(("scribble", "zigzag", "letter", "word"))(80, np.random.default_rng(2))
    assert np.mean([read(255 - picture).text == "" for picture in pictures]) > 0.85


def test_a_tiny_picture_is_one_digit_or_none() -> None:
    pair = np.pad(np.hstack([draw_digit(digit, height=18)[:20] for digit in (1, 7)]), 3)
    assert len(glassnet.read(pair).digits) <= 1


def on_table(page: Array, corners: list[tuple[int, int]], size: tuple[int, int]) -> Array:
    """Return a page lying on a dark brown table: its corners, clockwise, in a picture of that width and height."""
    height, width = page.shape[:2]
    own = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    table = np.full((size[1], size[0], 3), (70, 52, 40), np.uint8)
    matrix = cv2.getPerspectiveTransform(own, np.array(corners, np.float32))
    return cv2.warpPerspective(page, matrix, size, table, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)


@pytest.mark.parametrize(
    "corners",
    [[(40, 30), (620, 60), (600, 690), (20, 660)], [(1, 40), (600, 0), (639, 680), (30, 719)]],
    ids=["inside", "touching the edges"],
)
def test_a_shadow_across_a_sheet_on_a_table(corners: list[tuple[int, int]]) -> None:
    photo = on_table(sheet(ROWS), corners, (640, 720))
    shadow = cv2.fillPoly(np.zeros(photo.shape[:2], np.uint8), [np.array([(640, 150), (640, 720), (100, 720)])], 1)
    photo[shadow > 0] = photo[shadow > 0] // 2
    assert read(photo).text == "\n".join(ROWS)


def test_a_sheet_cut_off_by_the_pictures_edge_is_not_bent() -> None:
    photo = on_table(sheet(ROWS), [(-60, -40), (640, 10), (600, 640), (-40, 660)], (640, 720))
    assert read(photo).text == "\n".join(ROWS)


def test_a_table_around_a_tilted_sheet_holds_no_digits() -> None:
    """Thin wedges of a dark table along the picture's edges look like ones."""
    rows = [*ROWS, "88", "1234"]
    page = cv2.resize(np.pad(sheet(rows), ((100, 100), (100, 100), (0, 0)), mode="edge"), None, fx=2, fy=2)
    height, width = page.shape[:2]
    y, x = np.mgrid[:height, :width]
    beyond = (x < 0.03 * (height - y)) | (x > width - 0.03 * y) | (y > height - 0.03 * x) | (y < 0.015 * (width - x))
    page[beyond] = (36, 33, 38)
    assert read(page).text == "\n".join(rows)


def test_rows_that_converge_stay_apart() -> None:
    """Seen from the left, the first row falls and the last one rises: no single turn makes all of them level."""
    gap = " " * 10
    page = sheet([f"204{gap}57", f"38{gap}638", f"719{gap}71", f"46{gap}84", f"50{gap}12"], height=44)
    height, width = page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    nearer = np.array([[0, 0], [0, 80], [0, -80], [0, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, corners + nearer)
    seen = cv2.warpPerspective(page, matrix, (width, height), borderValue=WHITE)
    assert read(seen).text == "20457\n38638\n71971\n4684\n5012"


def test_pencil_on_squared_paper_keeps_its_strokes() -> None:
    page = np.full_like(sheet(ROWS), 245)
    page[20::36, :] = page[21::36, :] = page[:, 20::36] = page[:, 21::36] = (150, 180, 210)
    pencil = sheet(ROWS, ink=(130, 130, 130), paper=(245, 245, 245))
    assert read((page.astype(np.float32) * pencil / 245).clip(0, 255).astype(np.uint8)).text == "\n".join(ROWS)


def test_a_large_photo_is_decoded_smaller_and_boxes_are_the_files() -> None:
    page = cv2.resize(sheet(ROWS), None, fx=6.3, fy=6.3, interpolation=cv2.INTER_CUBIC)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    Image.fromarray(np.ascontiguousarray(np.rot90(page))).save(file, "JPEG", quality=92, exif=exif)
    small, large = read(sheet(ROWS)), read(file.getvalue())
    assert large.text == small.text
    assert large.size == (page.shape[1], page.shape[0])
    for one, other in zip(small.digits, large.digits, strict=True):
        assert abs(6.3 * one.box.left - other.box.left) < 16
        assert abs(6.3 * one.box.height - other.box.height) < 24
