"""Read made pages and compare with what stands on them: ``python benchmarks/reading.py``.

Pages of every kind, 50 a group, made by ``glassnet.digits.pages`` of MNIST's **test** digits with random numbers of
their own (``--seed``), read by ``glassnet.read`` and, where it is installed, by Tesseract; ``scoring.py`` says what is
counted. Tesseract is told to read digits only; of its modes the one is shown that reads a group best.

Whoever improves the reader looks at other pages: ``--train`` makes them of the training digits, with another seed.
``--singles`` reads pictures of one digit each; how many of them were read as that digit and nothing else
stands below "pages exact". ``--save FOLDER`` keeps the pages, with their truth, as files.
The figures are kept in ``benchmarks/results/reading.txt`` with ``--keep``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

import glassnet
import tesseract
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.datasets.mnist import read_mnist
from glassnet.digits.pages import KINDS, SINGLES, MadePage, make_page, make_single
from scoring import Rectangle, Score, score

RESULTS = Path(__file__).parent / "results" / "reading.txt"
TEST_SEED, TRAIN_SEED = 20_151, 7
PAGES = 50

# Group of the table → its kinds of pages, which share its pages, and the digit error rate it should stay below.
GROUPS: Mapping[str, tuple[tuple[str, ...], float]] = MappingProxyType(
    {
        "plain": (("plain",), 0.02),
        "lined": (("lined",), 0.05),
        "squared, boxed": (("squared", "boxed"), 0.05),
        "shadow": (("shadow",), 0.02),
        "phone": (("phone",), 0.05),
        "touching": (("touching",), 0.10),
        "thin": (("thin",), 0.10),
        "small": (("small",), float("nan")),
        "light on dark": (("light_on_dark",), 0.02),
        "coloured": (("coloured",), 0.02),
    }
)
MOST_FALSE = 2.0  # per 100 pages

# A picture of 12 megapixels in a process of its own: the first call loads what is loaded once. What getrusage says of
# the memory of a process is, on Linux, at least that of the process which started it; VmHWM is its own.
LARGE = (4032, 3024)
LARGE_PROGRAM = """
import pathlib, re, resource, sys, time
import glassnet
glassnet.read(sys.argv[1])
started = time.perf_counter()
for _ in range(3):
    glassnet.read(sys.argv[1])
seconds = (time.perf_counter() - started) / 3
status = pathlib.Path("/proc/self/status")
own = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
print(seconds, own[1] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass
class Result:
    """What one reader made of the pages of one group."""

    score: Score = field(default_factory=Score)
    seconds: list[float] = field(default_factory=list)
    misread: list[dict[str, object]] = field(default_factory=list)

    def add(self, made: MadePage, name: str, text: str, boxes: list[Rectangle], seconds: float) -> None:
        """Count one more page."""
        one = score(text, boxes, made.truth.text, [digit.box for digit in made.truth.digits])
        self.score += one
        self.seconds.append(seconds)
        if one.errors or one.false:
            self.misread.append(
                {"page": name, "errors": one.errors, "false": one.false, "truth": made.truth.text, "read": text}
            )

    @property
    def milliseconds(self) -> float:
        """The median time of a page."""
        return 1000 * statistics.median(self.seconds)


def pages(kinds: Sequence[str], count: int, seed: int, part: str) -> Iterator[tuple[str, MadePage]]:
    """Make so many pages of the kinds in turn: each one's name and the page. The same whatever else is made."""
    digits, labels = read_mnist(None, part)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        generator = np.random.default_rng([seed, zlib.crc32(kind.encode()), number])
        make = make_single if kind in SINGLES else make_page
        yield f"{kind}-{number:03}".replace(" ", "_"), make(kind, generator, digits, labels)


def read_by_glassnet(picture: Array) -> tuple[str, list[Rectangle]]:
    """Return the text that ``glassnet.read`` finds, and the boxes of the digits."""
    page = glassnet.read(picture)
    digits = [digit for line in page.lines for digit in line.digits if digit.label != "none"]
    return page.text, [(box[0], box[1], box[2], box[3]) for box in (digit.box for digit in digits)]


def save(folder: Path, name: str, made: MadePage) -> None:
    """Write a page and its truth."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(made.picture, cv2.COLOR_RGB2BGR))
    (folder / f"{name}.json").write_text(json.dumps(made.truth.as_json()) + "\n", encoding="utf-8")


def measure(kinds: Sequence[str], options: argparse.Namespace) -> dict[str, Result]:
    """Read the pages of one group with every reader; Tesseract once a mode, of which the best one stays."""
    ours, theirs = Result(), {mode: Result() for mode in tesseract.MODES}
    part = "train" if options.train else "test"
    for number, (name, made) in enumerate(pages(kinds, options.pages, options.seed, part)):
        if options.save:
            save(options.save, name, made)
        if options.glassnet:
            started = time.perf_counter()
            text, boxes = read_by_glassnet(made.picture)
            ours.add(made, name, text, boxes, time.perf_counter() - started)
        if number < options.tesseract:
            for mode, result in theirs.items():
                started = time.perf_counter()
                text, boxes = tesseract.read(made.picture, mode)
                result.add(made, name, text, boxes, time.perf_counter() - started)
        if sys.stderr.isatty():
            print(f"\r{name} ", end="", file=sys.stderr)
    results = {"glassnet": ours} if options.glassnet else {}
    if options.tesseract:
        results["Tesseract"] = min(theirs.values(), key=lambda result: result.score.error_rate)
    return results


def large_picture(options: argparse.Namespace) -> str:
    """Return how long a photo of 12 megapixels takes in a process of its own, and the memory of that process."""
    photos = pages(["phone"], 100, options.seed, "train" if options.train else "test")
    made = next(made for _, made in photos if 18 <= len(made.truth.digits) <= 22)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        size = LARGE if made.picture.shape[1] >= made.picture.shape[0] else LARGE[::-1]
        large = cv2.resize(made.picture, size, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
        command = [sys.executable, "-c", LARGE_PROGRAM, str(path)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return (
        f"a photo of 12 megapixels with {len(made.truth.digits)} digits, from its file: {1000 * float(told[0]):.0f} ms "
        f"after the first; the process's most memory {int(told[1]) / 1024:.0f} MB"
    )


def table(groups: Mapping[str, float], results: Mapping[str, Mapping[str, Result]]) -> list[str]:
    """Return the table's lines."""
    lines = [
        f"{'':<18}{'':<11}{'pages':>6}{'digits':>8}{'digit errors':>14}{'bar':>6}{'lines exact':>13}{'pages exact':>13}"
        f"{'false/100':>11}{'ms a page':>11}"
    ]
    total: dict[str, Result] = {}
    for group, bar in groups.items():
        for reader, result in results[group].items():
            lines.append(_row(group, reader, result, bar))
            entire = total.setdefault(reader, Result())
            entire.score += result.score
            entire.seconds += result.seconds
    if len(groups) > 1:
        lines += ["", *(_row("all", reader, result, float("nan")) for reader, result in total.items())]
    return lines


def _row(group: str, reader: str, result: Result, bar: float) -> str:
    one = result.score
    aim = "" if np.isnan(bar) else f"{bar:.0%}"
    short = one.error_rate > bar or one.false_per_100_pages > MOST_FALSE
    missed = "  missed" if reader == "glassnet" and group in GROUPS and short else ""
    return (
        f"{group:<18}{reader:<11}{one.pages:>6}{one.digits:>8}{one.error_rate:>14.2%}{aim:>6}{one.line_rate:>13.1%}"
        f"{one.page_rate:>13.1%}{one.false_per_100_pages:>11.1f}{result.milliseconds:>11.1f}{missed}"
    )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=int, default=PAGES, help="how many of each group")
    parser.add_argument("--kind", action="append", choices=[*KINDS, *SINGLES], help="only this kind; may be repeated")
    parser.add_argument("--singles", action="store_true", help="pictures of one digit instead of pages")
    parser.add_argument("--train", action="store_true", help="of the training digits, for whoever improves the reader")
    parser.add_argument("--seed", type=int, help=f"{TEST_SEED}, or {TRAIN_SEED} with --train")
    parser.add_argument("--tesseract", type=int, metavar="N", help="at most so many pages of each group for Tesseract")
    parser.add_argument("--no-glassnet", dest="glassnet", action="store_false", help="Tesseract, or saving, only")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the pages as PNG with their truth as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON, with every page that was misread")
    parser.add_argument("--keep", action="store_true", help=f"write the table to {RESULTS.name}")
    options = parser.parse_args(arguments)
    if options.pages < 1:
        parser.error(f"--pages must be 1 or more, found {options.pages}")
    if options.seed is None:
        options.seed = TRAIN_SEED if options.train else TEST_SEED
    if not tesseract.version():
        if options.tesseract:
            parser.error("tesseract is not installed: apt-get install tesseract-ocr")
        print("tesseract is not installed, and left out: apt-get install tesseract-ocr", file=sys.stderr)
        options.tesseract = 0
    elif options.tesseract is None:
        options.tesseract = 0 if options.train else options.pages
    return options


def main() -> None:
    options = parsed()
    groups: dict[str, tuple[tuple[str, ...], float]]
    if options.kind:
        groups = {kind: ((kind,), float("nan")) for kind in options.kind}
    elif options.singles:
        groups = {kind: ((kind,), float("nan")) for kind in SINGLES}
    else:
        groups = {**GROUPS}
    if options.glassnet:
        read_by_glassnet(np.full((64, 64, 3), 255, np.uint8))  # loads what is loaded once
    results = {group: measure(kinds, options) for group, (kinds, _) in groups.items()}
    if options.json:
        print(json.dumps(_as_json(options, results), indent=1))
        return
    versions = [f"glassnet {glassnet.__version__}", f"OpenCV {cv2.__version__}", tesseract.version()]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    digits = "training" if options.train else "test"
    lines = [
        machine(*filter(None, versions)),
        f"made pages of MNIST's {digits} digits, seed {options.seed}; ms: the median, one page after the other",
        "",
        *table({group: bar for group, (_, bar) in groups.items()}, results),
        "",
        f"the most memory of this process, MNIST and the page maker included: {memory:.0f} MB",
    ]
    if options.glassnet and not options.singles and not options.kind:
        lines.append(large_picture(options))
    if options.keep:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(*lines, sep="\n")


def _as_json(options: argparse.Namespace, results: Mapping[str, Mapping[str, Result]]) -> dict[str, object]:
    return {
        "seed": options.seed,
        "digits": "train" if options.train else "test",
        "groups": {
            group: {
                reader: {
                    "pages": result.score.pages,
                    "digits": result.score.digits,
                    "errors": result.score.errors,
                    "error_rate": result.score.error_rate,
                    "line_rate": result.score.line_rate,
                    "page_rate": result.score.page_rate,
                    "false_per_100_pages": result.score.false_per_100_pages,
                    "milliseconds": result.milliseconds,
                    "misread": result.misread,
                }
                for reader, result in readers.items()
            }
            for group, readers in results.items()
        },
    }


if __name__ == "__main__":
    main()
