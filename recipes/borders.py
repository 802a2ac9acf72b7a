"""Make the network that judges the borders of candidates: ``python recipes/borders.py`` writes it into the package.

Numbers are written by the page maker with MNIST's training digits, some with the project's own, many of whose digits
touch, with letters and other marks among them; which pixel is of which digit is known. The reader's own steps cut them
up. The candidate that has more of a digit's pixels and less of others than any, and those nearly as good, are whole
digits; one that lacks some or has more is a part, what is no digit a mark; what lies between is left out. An hour
on two cores, with 12 GB of memory.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

import glassnet
from glassnet import formats
from glassnet.activations import Array
from glassnet.datasets.mnist import read_mnist
from glassnet.digits.augment import Elastic
from glassnet.digits.pages.ink import Digits, Hand
from glassnet.digits.pages.marks import ASIDE, FURTHER
from glassnet.digits.pages.paper import noise
from glassnet.digits.pages.truth import Ink as Drawn
from glassnet.digits.pages.writing import Baseline, Writer
from glassnet.network import Input
from glassnet.reading.borders import LABELS, WINDOW
from glassnet.reading.inking import Ink
from glassnet.reading.lattice import box_of, lattice_of
from glassnet.reading.pieces import pieces_of
from glassnet.reading.rows import rows_of, usual_height
from glassnet.reading.scores import judge_of
from glassnet.training import AdamW, CrossEntropy, OneCycle, initialise, train

TARGET = Path(glassnet.__file__).parent / "digits" / "models" / "borders.safetensors"
# Of the pixels of a candidate and of its digit together, how many are of both: at least, and as a share of the most
# that any candidate reaches.
LEAST, WHOLE, BROKEN = 0.5, 0.95, 0.85
LAYERS = (768, 96)
DRAWN = 0.2  # of the rows are written with the project's own strokes
MARKS = {**{kind: ASIDE[kind] for kind in ("letter", "word", "scribble", "zigzag")}, **FURTHER}
MARKED = 0.3  # of what is written are marks
WORDS = 4  # times as many words as other kinds of marks: an m can be cut into ones and sevens in many ways
APART, FAR_APART = 1.2, 5.0  # heights between numbers, at most; of some
ALONE = 0.25  # have nothing near
PARTS = 0.5  # of the candidates that are parts are learned from: they are five sixths of all
HELD_OUT = 0.05
MARK = -1  # no digit
TOGETHER = 20  # sheets that a process makes one after the other
DISTORTION, DISTORTED = Elastic(alpha=20.0), 6000  # so many of MNIST's digits, distorted anew for every TOGETHER sheets
STROKE = 5.0  # pixels
NOISE = (2.0, 14.0)  # of 255, standard deviation


def written(generator: np.random.Generator, digits: Digits) -> tuple[Ink, Array, Array]:
    """Return ink (h, w) in several rows, the number of what each pixel is of, and the labels of the numbers.

    The label of a mark is MARK.
    """
    height = float(np.exp(generator.uniform(np.log(20), np.log(80))))
    hand = Hand(
        height,
        stroke=None if generator.random() < 0.45 else float(generator.uniform(0.035, 0.14)),
        slant=float(generator.normal(0.04, 0.10)),
        stretch=float(np.exp(generator.normal(0, 0.08))),
        turn=float(generator.uniform(0.02, 0.10)),
        uneven=float(generator.uniform(0.02, 0.10)),
        spacing=float(generator.uniform(0.08, 0.40)),
        touching=float(generator.uniform(0.2, 0.9)),
    )
    inks: list[tuple[Drawn, int]] = []
    for line in range(5):
        writer = Writer(Digits() if generator.random() < DRAWN else digits, hand, generator)
        x, baseline = height, Baseline((line + 1.5) * 2 * height, rise=float(generator.normal(0, 0.01)))
        while x < 16 * height:
            if generator.random() < MARKED:
                kind = str(generator.choice([*MARKS, *["word"] * (WORDS - 1)]))
                cover, below = MARKS[kind](hand, generator)
                inks.append((Drawn(cover, round(x), round(baseline.at(x) + below) - cover.shape[0]), MARK))
            else:
                together = writer.number(int(generator.integers(1, 8)), x, baseline)
                inks += [(digit.ink, digit.label) for digit in together]
            apart = FAR_APART if generator.random() < ALONE else APART
            x = inks[-1][0].left + inks[-1][0].cover.shape[1] + height * float(generator.uniform(0.0, apart))
    shape = (round(13 * height), max(ink.left + ink.cover.shape[1] for ink, _ in inks) + round(height))
    cover, owner = np.zeros(shape, np.uint8), np.zeros(shape, np.int32)
    for number, (ink, _) in enumerate(inks, 1):
        top, left = max(0, ink.top), max(0, ink.left)
        part = np.s_[top : ink.top + ink.cover.shape[0], left : ink.left + ink.cover.shape[1]]
        own = ink.cover[top - ink.top :, left - ink.left :][: cover[part].shape[0], : cover[part].shape[1]]
        owner[part] = np.where(own > cover[part], number, owner[part])
        cover[part] = np.maximum(cover[part], own)
    labels = np.array([MARK, *(label for _, label in inks)])
    return _as_seen(cover, height, generator), _nearest(owner), labels


def _nearest(owner: Array) -> Array:
    """Return the owners with every pixel of none given to the nearest one: ink is blurred."""
    _, nearest = cv2.distanceTransformWithLabels(
        (owner == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of = np.zeros(int(nearest.max()) + 1, owner.dtype)
    of[nearest[owner > 0]] = owner[owner > 0]
    return np.asarray(of[nearest])


def _as_seen(cover: Array, height: float, generator: np.random.Generator) -> Ink:
    """Return the cover as ink: grainy, blurred, noisy."""
    ink: Array = cover.astype(np.float32)
    grain = noise(ink.shape, float(generator.uniform(0.5, 2.0)), generator)
    ink = ink * np.clip(1 - float(generator.choice([0.0, 0.2, 0.5])) * (0.5 + 0.8 * grain), 0, 1)
    sigma = float(generator.uniform(0.3, 0.03 * height + 0.4))
    ink = cv2.GaussianBlur(ink, (0, 0), sigma)
    ink = ink * 255 / max(1.0, float(np.percentile(ink[cover > 200], 80)))
    deviation = float(np.exp(generator.uniform(*np.log(NOISE))))
    ink = ink + deviation * generator.standard_normal(ink.shape, dtype=np.float32)
    return Ink(np.clip(ink, 0, 255).astype(np.uint8), deviation, STROKE)


def examples(seed: int, sheet: int, digits: Digits) -> tuple[Array, Array]:
    """Return windows (n, WINDOW) of the candidates of a sheet, and what they are: (n,) of LABELS, as their places."""
    generator = np.random.Generator(np.random.PCG64((seed, sheet)))
    ink, owner, labels = written(generator, digits)
    strength, pieces = ink.strength, pieces_of(ink)
    owner = np.where(pieces.labels > 0, owner, 0)
    area = np.bincount(owner.reshape(-1), minlength=len(labels))
    lattice = lattice_of(strength, pieces, rows_of(pieces, usual_height(pieces)), judge_of(None))
    windows: list[Array] = []
    numbers_of: list[int] = []
    shares: list[float] = []
    for plan in lattice.plans:
        strip = lattice.strip(plan)
        for first, last in plan.ranges():
            box = left, top, right, bottom = box_of(plan.elements[first : last + 1])
            here = lattice.numbers[top:bottom, left:right]
            inside = (here >= plan.start + first) & (here <= plan.start + last)
            counts = np.bincount(owner[top:bottom, left:right][inside], minlength=len(area))
            share = counts / (area + counts.sum() - counts)
            share[0] = 0
            windows.append(strip.window(first, last, box))
            numbers_of.append(int(share.argmax()))
            shares.append(float(share.max()))
    of, both = np.array(numbers_of, int), np.array(shares)
    most = np.zeros(len(area))
    np.maximum.at(most, of, both)
    whole = (both >= LEAST) & (both >= WHOLE * most[of])
    clear = whole | (both < LEAST) | (both < BROKEN * most[of]) | (labels[of] == MARK)
    answers = np.where(labels[of] == MARK, LABELS.index("mark"), np.where(whole, labels[of], LABELS.index("part")))
    kept = clear & ((answers != LABELS.index("part")) | (generator.random(len(answers)) < PARTS))
    return np.array(windows, np.uint8).reshape(-1, WINDOW)[kept], answers[kept].astype(np.int8)


def several(seed: int, sheets: range) -> tuple[Array, Array]:
    """Return the examples of several sheets, written with MNIST's training digits."""
    pictures, labels = read_mnist(None, "train")
    generator = np.random.Generator(np.random.PCG64((seed, sheets.start, DISTORTED)))
    some = generator.choice(len(labels), DISTORTED, replace=False)
    digits = Digits(DISTORTION(pictures[some], generator), labels[some])
    windows, answers = zip(*(examples(seed, sheet, digits) for sheet in sheets), strict=True)
    return np.concatenate(windows), np.concatenate(answers)


def main() -> None:
    """Make the examples, train on them, keep the network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sheets", type=int, default=9000, help="of about 700 candidates each")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="that make examples; the same ones")
    parser.add_argument("--to", type=Path, default=TARGET)
    options = parser.parse_args()
    started = time.perf_counter()
    parts = [range(first, min(first + TOGETHER, options.sheets)) for first in range(0, options.sheets, TOGETHER)]
    with ProcessPoolExecutor(options.processes) as pool:
        made = []
        for part, both in zip(parts, pool.map(several, itertools.repeat(options.seed), parts), strict=True):
            made.append(both)
            print(f"{part.stop} sheets of {options.sheets}, {time.perf_counter() - started:.0f} s", flush=True)
    answers = np.concatenate([some for _, some in made])
    windows = np.empty((len(answers), WINDOW), np.uint8)
    for end in np.cumsum([len(some) for _, some in made]).tolist():
        some, _ = made.pop(0)  # not all of them twice
        windows[end - len(some) : end] = some
    whole = np.mean(answers < LABELS.index("part"))
    print(f"{len(answers)} candidates, {whole:.1%} of them whole digits", flush=True)
    network = initialise((WINDOW, *LAYERS, len(LABELS)), hidden="relu", seed=options.seed)
    known = int(len(answers) * (1 - HELD_OUT))  # the last sheets: candidates of one sheet are much alike
    named = np.array(LABELS)[answers]
    trained = train(
        network.replace(inputs=Input((WINDOW,), scale=1 / 255), labels=LABELS),
        windows[:known],
        named[:known],
        loss=CrossEntropy(),
        optimizer=AdamW(rate=OneCycle(0.003), weight_decay=0.1),
        epochs=options.epochs,
        batch_size=256,
        seed=options.seed,
        average=0.999,
        validation=(windows[known:], named[known:]),
    )
    print(f"{trained.history[-1]}; {time.perf_counter() - started:.0f} s")
    formats.save(trained.network, options.to, half=True)


if __name__ == "__main__":
    main()
