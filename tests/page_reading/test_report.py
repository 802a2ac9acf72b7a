"""The page on which what was read is corrected: what is in it, and what a real browser makes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import digits
from glassnet.cli.labelled import labelled
from glassnet.errors import MissingFileError
from glassnet.reading import NONE, Field, Page, Sheet, image, read_field, side_for, write_report
from glassnet.reading.report import report
from page_reading.made import drawn, line, mark, page, sure

LINES = (line(1, 2, sure(3, 0.6), 4, separators={2: "dash"}), line(sure(7, 0.55), 8, sure(NONE, 0.7), 9, row=1))
READ = page(*LINES, refused=[mark(sure(NONE, 0.95), at=12, row=4)])


def sheet(path: str = "scans/a.png", read: Page = READ) -> Sheet:
    return Sheet(path, 1, read, tuple(read_field(one, Field()) for one in read.lines), picture=image(drawn(read), 2000))


def data(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_doubtful_ones_are_marked() -> None:
    [one] = data(report([sheet()], 0.05))
    assert [[m["value"] for m in found["marks"]] for found in one["lines"]] == [
        ["1", "2", "3", "4"],
        ["7", "8", "", "9"],
    ]
    assert [m["doubtful"] for found in one["lines"] for m in found["marks"]] == [0, 0, 1, 0, 1, 0, 1, 0]
    assert one["lines"][0]["parts"] == [0, 1, "-", 2, 3]
    assert len(one["refused"]) == 1


class Fetched(HTMLParser):
    """What a page would fetch: every src and href that is not data."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action"}]


def test_it_needs_nothing_else() -> None:
    text = report([sheet("</script><b>x</b> {{data}}.png")], 0.05)
    fetched = Fetched()
    fetched.feed(text)
    assert fetched.addresses == []
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
    assert "<b>x" not in text
    assert data(text)[0]["path"] == "</script><b>x</b> {{data}}.png"


def test_an_address_would_be_seen() -> None:
    fetched = Fetched()
    fetched.feed('<img src="https://example.org/a.png">')
    assert fetched.addresses == ["https://example.org/a.png"]


def test_it_stays_a_size_one_can_open() -> None:
    assert side_for(1) == side_for(60) == 2000
    assert 1000 < side_for(200) < 2000
    assert side_for(100_000) == 300
    assert side_for(0) == 2000


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no folder"):
        write_report(tmp_path / "no" / "out.html", [sheet()], 0.01)
    path = tmp_path / "out.html"
    path.write_text("before")
    broken = Sheet("a.png", 1, READ, ())
    with pytest.raises(ValueError, match="zip"):
        write_report(path, [broken], 0.01)
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_nothing_was_read() -> None:
    assert data(report([], 0.01)) == []
    assert data(report([sheet(read=page())], 0.01))[0]["lines"] == []


# --- in a browser ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    program = program or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here")
    with api.sync_playwright() as playwright:
        # Without its sandbox, which root in a container may not have; it is shown our own page only.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open a report of two pictures; nothing may be asked of the network, and no error be thrown."""
    write_report(tmp_path / "out.html", [sheet(), sheet("scans/b.png")], 0.05)
    context = browser.new_context(viewport={"width": 1200, "height": 760}, accept_downloads=True)
    shown = context.new_page()
    wrong: list[str] = []
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda message: wrong.append(message.text))
    shown.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
    shown.goto((tmp_path / "out.html").as_uri())
    yield shown
    context.close()
    assert wrong == []


def labels(shown: Any) -> list[str]:
    found: list[str] = shown.locator(".card b").all_inner_texts()
    return found


def test_the_most_doubtful_come_first(opened: Any) -> None:
    assert labels(opened) == ["7 ?", "7 ?", "3 ?", "3 ?", "no digit ?", "no digit ?"]
    assert opened.locator(":focus").get_attribute("aria-label") == "line 2, digit 1: 7, 55.0 %; or 0 4.5 %, 1 4.5 %"
    opened.get_by_label("show the sure ones, too").check()
    assert len(labels(opened)) == 18
    assert opened.locator(".box").count() == 9


def test_digits_are_corrected_by_keys(opened: Any) -> None:
    opened.keyboard.press("1")
    opened.keyboard.press("Enter")
    opened.keyboard.press("x")
    assert labels(opened) == ["1 ✓", "7 ✓", "no digit ✓", "3 ?", "no digit ?", "no digit ?"]
    assert opened.locator("#lines li").all_inner_texts() == ["12-34", "789"]  # of the second picture, where it went on
    assert opened.locator("#count").inner_text() == "16 digits on 2 pictures; 3 of 6 doubtful ones left to look at"
    assert opened.locator("#said").inner_text() == "now no digit"
    opened.keyboard.press("ArrowLeft")
    assert opened.locator("#lines li").all_inner_texts() == ["12-4", "189"]
    opened.keyboard.press("Backspace")
    assert labels(opened)[2] == "3 ?"
    assert opened.locator("#lines li").first.inner_text() == "12-34"


def test_what_was_said_is_there_after_a_reload(opened: Any) -> None:
    opened.keyboard.press("1")
    opened.on("dialog", lambda dialog: dialog.accept())
    opened.reload()
    assert labels(opened)[0] == "1 ✓"


def test_everything_is_reached_without_a_mouse_and_has_a_name(opened: Any) -> None:
    nameless = opened.evaluate(
        "[...document.querySelectorAll('button, select, input')]"
        ".filter(e => !(e.ariaLabel || e.innerText || e.labels?.length)).length"
    )
    assert nameless == 0
    opened.locator("#which").focus()
    reached = set()
    for _ in range(20):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("document.activeElement.className.split(' ')[0] || document.activeElement.id"))
    assert {"box", "all", "card"} <= reached


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (360, "dark")])
def test_it_fits_the_screen_and_can_be_read(opened: Any, width: int, scheme: str) -> None:
    opened.set_viewport_size({"width": width, "height": 740})
    opened.emulate_media(color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.locator("#keys").is_visible()
    for selector in (".card small", ".card b", "#count", "#lines li", "#keys button", "h1", "#download", ".box span"):
        assert contrast(opened, selector) >= 4.5, selector


def contrast(shown: Any, selector: str) -> float:
    """Return the contrast of the first such element's text to what lies behind it, as WCAG 2.2 counts it."""
    colours = shown.evaluate(
        """selector => {
            const element = document.querySelector(selector);
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        }""",
        selector,
    )
    light = []
    for colour in colours:
        red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        light.append(float(np.dot(linear, [0.2126, 0.7152, 0.0722])))
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_corrections_are_what_tune_reads(opened: Any, tmp_path: Path) -> None:
    assert opened.locator("#download").is_disabled()
    for key in ("1", "Enter", "x", "8"):
        opened.keyboard.press(key)
    with opened.expect_download() as download:
        opened.locator("#download").click()
    assert download.value.suggested_filename == "corrections.zip"
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    folder = tmp_path / "corrections"
    rows = [*csv.DictReader((folder / "corrections.csv").read_text(encoding="utf-8").splitlines())]
    assert [(row["picture"], row["line"], row["position"], row["read"], row["corrected"]) for row in rows] == [
        ("scans/a.png", "1", "3", "3", "none"),
        ("scans/a.png", "2", "1", "7", "1"),
        ("scans/b.png", "1", "3", "3", "8"),
        ("scans/b.png", "2", "1", "7", "7"),
    ]
    lines = [*csv.DictReader((folder / "lines.csv").read_text(encoding="utf-8").splitlines())]
    assert [row["text"] for row in lines] == ["12-4", "189", "12-84", "789"]
    found = labelled(folder, None, otherwise="train")
    assert found.labels.tolist() == [1, 7, 8, "none"]
    assert all((folder / row["crop"]).is_file() for row in rows)
    seven = READ.lines[1].digits[0].prepared
    assert np.abs(found.pictures[1].astype(int) - digits.prepare(255 - seven)).max() <= 1
