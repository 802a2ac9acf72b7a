"""``glassnet read``: pages, what is known of them, and where it goes."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import glassnet
from cli.conftest import Run, drawn
from glassnet import digits
from glassnet.cli import app, sheets
from glassnet.cli.sheets import Outcome, Source, Wanted, outcomes
from glassnet.digits.pen import Pen, draw_digit
from page_reading.made import written_pdf


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of two lines: 17-71 and 111."""
    paper = np.full((300, 400), 245, np.uint8)
    generator = np.random.default_rng(5)
    for top, text in ((30, "17-71"), (190, "111")):
        for at, sign in enumerate(text):
            left, above = 30 + 65 * at + 10 * (top > 100), top + int(generator.integers(-6, 7))
            if sign == "-":
                cv2.line(paper, (left + 12, above + 30), (left + 34, above + 28), 0, 4, cv2.LINE_AA)
                continue
            # As a hand would: not two sevens are level, not two ones upright.
            turn = cv2.getRotationMatrix2D((25, 30), float(generator.uniform(-9, 4)), 1.0)
            turned = cv2.warpAffine(drawn(int(sign)), turn, (50, 60), borderValue=255)
            cell = paper[above : above + 60, left : left + 50]
            cell[:] = np.minimum(cell, turned)
    path = tmp_path / "page.png"
    cv2.imwrite(str(path), paper)
    return path


def test_one_line_a_picture(run: Run, pictures: Path) -> None:
    done = run("read", "pictures/seven.png", "pictures/one.png")
    expected = ""
    for path in ("pictures/seven.png", "pictures/one.png  "):
        [[digit]] = [line.digits for line in glassnet.read(pictures.parent / path.strip()).lines]
        expected += f"{path}  {digit.label}  {100 * digit.probability:5.1f} %\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_the_lines_of_a_page(run: Run, page: Path) -> None:
    done = run("read", "page.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["page.png", "17-71"], ["page.png", "111"]]
    assert len({line.index("%") for line in done.stdout.splitlines()}) == 1  # in one column


def test_the_shipped_model_reads_what_a_pen_wrote(run: Run, pictures: Path) -> None:
    done = run("read", "pictures")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["pictures/one.png", "1"],
        ["pictures/seven.png", "7"],
    ]
    assert done.stdout == run("read", "pictures", "--model", "digits").stdout


def test_many_pictures_are_read_by_the_compiled_network(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["read", str(pictures), str(pictures)]
    few = CliRunner().invoke(app, arguments)
    used: list[object] = []

    def watched(sources: list[Source], wanted: Wanted, jobs: int) -> Iterator[Outcome]:
        used.append(wanted.network)
        yield from outcomes(sources, wanted, jobs)

    monkeypatch.setattr("glassnet.cli.read.COMPILED_FROM", 4)
    monkeypatch.setattr("glassnet.cli.read.outcomes", watched)
    many = CliRunner().invoke(app, arguments)
    assert many.stdout == few.stdout
    assert [type(network).__name__ for network in used] == ["CompiledNetwork"]


def test_a_folder_without_pictures(run: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("read", "empty", "pictures/one.png")
    assert done.returncode == 1
    assert done.stdout.startswith("pictures/one.png")
    assert done.stderr == (
        "error: no picture in the folder empty\n\n"
        "hint: pictures are files named .png, .jpg, .jpeg, .bmp, .tif, .tiff, .webp, .pdf\n"
    )


def test_standard_input(run: Run, pictures: Path) -> None:
    done = run("read", "-", stdin=(pictures / "seven.png").read_bytes())
    assert done.stdout.split()[1:] == run("read", "pictures/seven.png").stdout.split()[1:]
    assert done.stdout.startswith("-  ")


def test_standard_input_that_is_empty(run: Run) -> None:
    done = run("read", "-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: reading <stdin>: the file is empty\n")


def test_json_has_one_object_a_picture(run: Run, page: Path, pictures: Path) -> None:
    done = run("read", "page.png", "pictures", "pictures/notes.txt", "--json")
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["path"] for one in found] == ["page.png", "pictures/one.png", "pictures/seven.png"]
    expected = glassnet.read(page)
    assert found[0]["text"] == expected.text == "17-71\n111"
    assert found[0]["size"] == [400, 300]
    assert [line["text"] for line in found[0]["lines"]] == ["17-71", "111"]
    assert [mark["kind"] for mark in found[0]["lines"][0]["marks"]] == ["dash"]
    for line, there in zip(found[0]["lines"], expected.lines, strict=True):
        for digit, read in zip(line["digits"], there.digits, strict=True):
            assert (digit["value"], digit["label"], digit["box"]) == (str(read.label), read.label, [*read.box])
            assert digit["probability"] == pytest.approx(read.probability, abs=1e-5)
            assert len(digit["ranked"]) == 3
            assert "needs_review" not in digit


@pytest.mark.parametrize("name", ["숫자 3.png", "new\nline.png", "\033[31mred.png", os.fsdecode(b"\xff.png")])
def test_any_name_stays_on_its_line(run: Run, pictures: Path, name: str) -> None:
    (pictures / "seven.png").rename(pictures / name)
    done = run("read", f"pictures/{name}")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert "\033" not in done.stdout
    [line] = run("read", f"pictures/{name}", "--json").stdout.splitlines()
    assert json.loads(line)["path"] == f"pictures/{name}"
    done = run("read", f"pictures/{name}", "--csv", "out.csv", "--crops", "crops", "--report", "out.html")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_network_that_does_not_read_pictures(run: Run, pictures: Path, tmp_path: Path) -> None:
    network = glassnet.Network([glassnet.Dense(np.eye(2), None, "softmax")], labels=["no", "yes"])
    glassnet.save(network, tmp_path / "two.npz")
    done = run("read", "pictures/one.png", "-m", "two.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: pictures/one.png: reading a page: the network ")


def test_blank_and_broken_pictures(run: Run, pictures: Path) -> None:
    cv2.imwrite(str(pictures / "blank.png"), np.full((60, 50), 255, np.uint8))
    whole = (pictures / "one.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "folder.png").mkdir()
    (pictures / "empty.png").touch()
    done = run("read", *(f"pictures/{name}.png" for name in ("blank", "cut", "folder", "empty")))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    assert "error: pictures/blank.png: no digits found" in errors


def test_mnist_as_pictures(run: Run, data_folder: Path, tmp_path: Path) -> None:
    x, _ = glassnet.datasets.read_mnist(data_folder / "mnist", "test")
    (tmp_path / "test").mkdir()
    for number, image in enumerate(x[:200]):
        cv2.imwrite(str(tmp_path / "test" / f"{number:03}.png"), image)
    done = run("read", "test", "--json")
    read = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    agreeing = np.count_nonzero(np.array(read) == digits.load_model().predict(x[:200]).astype(str))
    assert agreeing >= 190


# --- what is known ---


def test_what_is_known_of_a_line(run: Run, page: Path) -> None:
    done = run("read", "page.png", "--length", "4", "--rows", "1", "--range", "1000-8000")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["17-71"]


def test_what_is_known_but_not_there(run: Run, page: Path, tmp_path: Path) -> None:
    done = run("read", "page.png", "--rows", "3")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2)
    assert done.stderr == "error: page.png: 2 rows of digits found, expected 3\n"
    done = run("read", "page.png", "--length", "4")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2)
    assert done.stderr == "error: page.png: line 2: no reading of 111 fits\n"
    (tmp_path / "known.csv").write_text("number\n17-77\n111\n")
    done = run("read", "page.png", "--choices", "known.csv")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["17-77", "111"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--range", "5"], "--range 5: expected two numbers such as 0-100 or 35.5-42"),
        (["--range", "9-5"], "range: the first number must not exceed the second"),
        (["--check", "crc"], "unknown check 'crc'\n\nhint: there are: luhn, mod11, isbn, ean"),
        (["--length", "0"], "Invalid value for '--length'"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (["--error-rate", "1"], "the error rate must lie between 0 and 1, found 1.0"),
        (["--crops", "crops"], "--crops goes with --csv or --parquet, whose rows name the pictures"),
        (["--template", "form.toml", "--rows", "1"], "--template says what is in each field"),
        (["--template", "form.toml", "--no-turn"], "--template says what is in each field"),
    ],
)
def test_options_that_cannot_be(run: Run, options: list[str], error: str) -> None:
    done = run("read", "page.png", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {error}")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--choices", "none.csv"], "reading none.csv: there is no such file"),
        (["--choices", "page.png"], "reading page.png: not a CSV of choices"),
        (["--template", "none.toml"], "reading none.toml: there is no such file"),
        (["--template", "page.png"], "reading page.png: not TOML"),
        (["--csv", "no/out.csv"], "writing no/out.csv: there is no folder no"),
        (["--report", "no/out.html"], "writing no/out.html: there is no folder no"),
        (["--csv", "out.csv", "--crops", "no/crops"], "writing no/crops: there is no folder no"),
        (["--csv", "out.csv", "--crops", "page.png"], "page.png: File exists"),
        (["--steps", "no/steps"], "writing no/steps: there is no folder no"),
    ],
)
def test_files_that_cannot_be(run: Run, page: Path, options: list[str], error: str) -> None:
    before = sorted(page.parent.iterdir())
    done = run("read", "page.png", *options)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {error}")
    assert sorted(page.parent.iterdir()) == before


# --- files ---


def test_csv_with_crops(run: Run, page: Path, pictures: Path, tmp_path: Path) -> None:
    done = run(
        "read",
        "page.png",
        "pictures/notes.txt",
        "pictures",
        "--csv",
        "out.csv",
        "--crops",
        "crops",
        "--error-rate",
        "0.05",
    )
    assert (done.returncode, done.stdout) == (1, "out.csv: 3 pictures, 9 digits, of which 0 to review\n")
    assert done.stderr.startswith("error: reading pictures/notes.txt: ")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert "".join(row["value"] for row in rows) == "177111117"
    assert rows[0]["line_value"] == "17-71"
    assert all((tmp_path / row["crop"]).is_file() for row in rows)


def test_a_page_on_its_side_is_shown_upright(run: Run, tmp_path: Path) -> None:
    """In crops, report and JSON, boxes are those of the picture turned as it was read."""
    paper = np.full((300, 560), 245, np.uint8)
    for row, text in enumerate(("20457", "38624")):
        for at, sign in enumerate(text):
            digit = draw_digit(int(sign), Pen(0.10, 0.06), height=60, seed=10 * row + at)
            paper[40 + 120 * row :, 40 + 90 * at :][: digit.shape[0], : digit.shape[1]] -= digit // 5 * 4
    cv2.imwrite(str(tmp_path / "side.png"), np.rot90(paper))
    done = run("read", "side.png", "--json")
    found = json.loads(done.stdout)
    assert (found["text"], found["turned"], found["size"]) == ("20457\n38624", 3, [560, 300])
    boxes = [digit["box"] for line in found["lines"] for digit in line["digits"]]
    assert all(height > width for _, _, width, height in boxes)
    assert run("read", "side.png", "--csv", "out.csv", "--crops", "crops", "--error-rate", "0.05").returncode == 0
    crops = [digits.read_picture(path) for path in sorted((tmp_path / "crops").iterdir())]
    assert len(crops) == 10
    as_it_lies = json.loads(run("read", "side.png", "--json", "--no-turn").stdout)
    assert (as_it_lies["turned"], as_it_lies["size"]) == (0, [300, 560])
    assert all(crop.shape[0] > crop.shape[1] and crop.min() < 60 for crop in crops)


def test_parquet(run: Run, page: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    done = run("read", "page.png", "--parquet", "out.parquet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "".join(parquet.read_table(tmp_path / "out.parquet")["value"].to_pylist()) == "1771111"


def test_report(run: Run, page: Path, tmp_path: Path) -> None:
    done = run("read", "page.png", "--report", "out.html", "--error-rate", "0.05")
    assert (done.returncode, done.stdout) == (0, "out.html: 1 picture, 7 digits, of which 0 to review\n")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<title>Digits read: page.png</title>" in text
    assert "data:image/jpeg;base64," in text


def test_the_error_rate_says_what_needs_review(run: Run, page: Path) -> None:
    [line] = run("read", "page.png", "--json", "--error-rate", "1e-12").stdout.splitlines()
    assert any(digit["needs_review"] for one in json.loads(line)["lines"] for digit in one["digits"])
    [line] = run("read", "page.png", "--json", "--error-rate", "0.5").stdout.splitlines()
    assert not any(digit["needs_review"] for one in json.loads(line)["lines"] for digit in one["digits"])


def test_the_steps(run: Run, page: Path, pictures: Path, tmp_path: Path) -> None:
    assert run("read", "page.png", "--steps", "steps").returncode == 0
    names = sorted(path.name for path in (tmp_path / "steps").iterdir())
    assert all(re.fullmatch(r"\d+-[\w-]+\.png", name) for name in names)
    assert len(names) == len(glassnet.reading.read_steps(page)[1])
    assert all(cv2.imread(str(tmp_path / "steps" / name)) is not None for name in names)
    assert run("read", "pictures", "page.png", "--steps", "more").returncode == 0
    assert any(path.name.startswith("0001-one-1-") for path in (tmp_path / "more").iterdir())


FORM = """\
page = [400, 300]

[fields.upper]
box = [10, 10, 380, 100]
length = 4

[fields.lower]
box = [10, 170, 380, 100]

[fields.empty]
box = [10, 120, 380, 40]
optional = true
"""


def test_a_form(run: Run, page: Path, tmp_path: Path) -> None:
    (tmp_path / "form.toml").write_text(FORM)
    done = run("read", "page.png", "page.png", "--template", "form.toml")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [*csv.DictReader(done.stdout.splitlines())]
    assert [(row["picture"], row["upper"], row["lower"], row["empty"]) for row in rows] == [
        ("page.png", "17-71", "111", "")
    ] * 2
    assert all(float(row["upper_confidence"]) > 0.5 for row in rows)
    done = run("read", "page.png", "--template", "form.toml", "--csv", "out.csv", "--report", "out.html", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line["field"] for line in json.loads(done.stdout)["lines"]] == ["upper", "lower", "empty"]
    assert (tmp_path / "out.csv").read_text().startswith("picture,page,upper,upper_confidence,upper_needs_review,")


@pytest.mark.skipif(find_spec("pypdfium2") is None, reason="pypdfium2 is not installed")
def test_a_pdf_page_by_page(run: Run, tmp_path: Path, pictures: Path) -> None:
    one, seven = "6 w 97 380 m 86 300 l S", "6 w 60 380 m 100 380 l 80 300 l S"
    content = written_pdf([one, "", seven])
    (pictures / "scan.pdf").write_bytes(content)
    (pictures / "broken.pdf").write_bytes(content[:200])
    done = run("read", "pictures")
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["pictures/one.png", "1"],
        ["pictures/scan.pdf:1", "1"],
        ["pictures/scan.pdf:3", "7"],
        ["pictures/seven.png", "7"],
    ]
    errors = done.stderr.splitlines()
    assert errors[0].startswith("error: reading pictures/broken.pdf: the PDF is damaged: ")
    assert errors[1] == "error: pictures/scan.pdf:2: no digits found"
    assert [line.split()[:2] for line in run("read", "-", stdin=content).stdout.splitlines()] == [
        ["-:1", "1"],
        ["-:3", "7"],
    ]
    found = [json.loads(line) for line in run("read", "pictures/scan.pdf", "--json").stdout.splitlines()]
    assert [(one["path"], one["page"], one["text"]) for one in found] == [
        ("pictures/scan.pdf", page, text) for page, text in ((1, "1"), (2, ""), (3, "7"))
    ]


# --- several processes ---


def test_processes_read_what_one_reads(pictures: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "SECONDS_ALONE", 0)
    monkeypatch.setattr(sheets, "SECONDS_WORTH_IT", 0)
    network = digits.load_model()
    paths = [pictures / "one.png", page, pictures / "notes.txt", pictures / "none.png", pictures / "seven.png"] * 2
    sources = [Source(str(path)) for path in paths]
    wanted = Wanted(network, glassnet.reading.Field(length=4), crops=True, picture_side=100)
    alone, together = ([*outcomes(sources, wanted, jobs)] for jobs in (1, 2))
    assert [one.source for one in together] == sources
    for one, other in zip(alone, together, strict=True):
        assert (str(one.error), one.remarks) == (str(other.error), other.remarks)
        assert (one.sheet is None) == (other.sheet is None)
        if one.sheet is not None and other.sheet is not None:
            assert one.sheet.values == other.sheet.values
            assert (one.sheet.crops, one.sheet.picture) == (other.sheet.crops, other.sheet.picture)
