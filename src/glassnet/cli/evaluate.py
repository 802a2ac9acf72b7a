"""``glassnet evaluate``: how often a network is right, where it is wrong, how fast it is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from glassnet.cli.errors import BAD_INPUT
from glassnet.cli.labelled import DIGITS, DataOption, labelled
from glassnet.cli.loading import ActivationOption, MeanOption, OutputOption, ScaleOption, StdOption
from glassnet.cli.loading import given as given_options
from glassnet.cli.models import DEFAULT_MODEL, ModelOption, chosen_network
from glassnet.cli.output import print_json
from glassnet.cli.progress import Progress
from glassnet.cli.scaling import looks_like_chance, suggested
from glassnet.errors import GraphError
from glassnet.network import Network
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.compiler import CompiledNetwork


def evaluate(
    model: ModelOption = DEFAULT_MODEL,
    data: DataOption = None,
    part: Annotated[
        Literal["train", "test"] | None, typer.Option(help="Which part of MNIST's files; left out: test.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="How many pictures at a time.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    activation: ActivationOption = None,
    output: OutputOption = None,
    scale: ScaleOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
) -> None:
    """Count how often a network is right.

    Prints the accuracy on pictures whose digits are known, the errors, the images per second, and the confusion matrix:
    one row for each digit as it is, one column for each as it was read. Where a network does hardly better than
    guessing, the usual ways to scale pictures are tried on a few of them, and a better one is named.
    """
    options = given_options(activation=activation, output=output, scale=scale, mean=mean, std=std)
    network = chosen_network(model, options)
    _check(model, network)
    given = labelled(data, part, otherwise="test")
    answers, seconds = _answers(network.compile(), given.pictures, batch_size)
    confusion = np.zeros((len(DIGITS), len(DIGITS)), dtype=int)
    np.add.at(confusion, (given.labels, answers), 1)
    images, correct = len(answers), int(confusion.trace())
    speed = images / seconds
    better = None
    if looks_like_chance(network, correct / images):
        better = suggested(network, given.pictures, given.labels)
    if json:
        print_json(
            {
                "model": model,
                "images": images,
                "errors": images - correct,
                "accuracy": correct / images,
                "confusion": confusion,
                "batch_size": batch_size,
                "images_per_second": round(speed),
                "hint": None if better is None else str(better),
            }
        )
    else:
        print(f"accuracy  {100 * correct / images:.2f} %")
        print(f"errors    {images - correct:,} of {images:,}")
        print(f"speed     {speed:,.0f} images/s, {batch_size} at a time\n")
        _print_confusion(confusion)
        if better is not None:
            print(f"\nhint: {better}", file=sys.stderr)
    if given.unreadable:
        raise typer.Exit(BAD_INPUT)


def _check(model: str, network: Network) -> None:
    if network.labels is None:
        raise GraphError(f"evaluating {model}: it answers values, not labels, so there is nothing to count")
    if not {str(label) for label in network.labels} <= set(DIGITS):
        raise GraphError(f"evaluating {model}: it answers {list(network.labels)}, expected digits")


def _answers(network: CompiledNetwork, pictures: Array, batch_size: int) -> tuple[Array, float]:
    """Return the digit read in each picture, and the seconds the network took."""
    answers = np.empty(len(pictures), dtype=int)
    rows, _ = network.inputs[0].batch(pictures)
    seconds = 0.0
    with Progress("evaluating", len(rows)) as progress:
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            before = time.perf_counter()
            labels = network.predict(batch)
            seconds += time.perf_counter() - before
            answers[start : start + batch_size] = labels
            progress.advance(len(batch))
    return answers, seconds


def _print_confusion(confusion: Array) -> None:
    width = max(5, len(f"{confusion.max()}") + 2)
    print("a row for each digit as it is, a column for each as it was read\n")
    print("   " + "".join(f"{digit:>{width}}" for digit in DIGITS) + "   right")
    for digit, counts in zip(DIGITS, confusion, strict=True):
        cells = "".join(f"{count or '·':>{width}}" for count in counts)
        right = f"{100 * counts[int(digit)] / counts.sum():6.1f} %" if counts.any() else ""
        print(f"{digit:>3}{cells} {right}".rstrip())
