"""``glassnet evaluate``: how often a network is right, where it is wrong, how fast it is."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT
from glassnet.cli.labelled import DIGITS, DataOption, Labelled, labelled
from glassnet.cli.loading import ActivationOption, MeanOption, OutputOption, ScaleOption, StdOption
from glassnet.cli.loading import given as given_options
from glassnet.cli.models import DEFAULT_MODEL, chosen_network
from glassnet.cli.output import print_json
from glassnet.cli.progress import Progress
from glassnet.cli.scaling import looks_like_chance, suggested
from glassnet.cli.trials import Tried, print_trials, try_hard
from glassnet.errors import GraphError, OptionError
from glassnet.network import Network
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.compiler import CompiledNetwork
    from glassnet.digits.judge import Judgement

ALL = "all"


def evaluate(
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="NAME|FILE", help="A shipped model, a file, or all: every shipped one."),
    ] = DEFAULT_MODEL,
    data: DataOption = None,
    part: Annotated[
        Literal["train", "test"] | None, typer.Option(help="Which part of MNIST's files; left out: test.")
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Try it on the same digits distorted, and on pictures that are none.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="How many pictures at a time.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    activation: ActivationOption = None,
    output: OutputOption = None,
    scale: ScaleOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
) -> None:
    """Count how often a network is right.

    Prints the accuracy on pictures whose digits are known, the errors, the calibration error (how far its probabilities
    are from how often it is right), the images per second, and the confusion matrix: one row for each digit as it is,
    one column for each as it was read. Where a network does hardly better than guessing, the usual ways to scale
    pictures are tried on a few of them, and a better one is named.
    """
    options = given_options(activation=activation, output=output, scale=scale, mean=mean, std=std)
    if model == ALL:
        if options or hard:
            raise OptionError(
                "--model all takes no --hard and nothing that a file is to be told", hint="name one model"
            )
        _evaluate_all(labelled(data, part, otherwise="test"), batch_size, json)
        return
    network = chosen_network(model, options)
    _check(model, network)
    given = labelled(data, part, otherwise="test")
    result = _evaluated(network, given, batch_size)
    tried = try_hard(network, given) if hard else None
    better = None
    if looks_like_chance(network, result.judgement.accuracy):
        better = suggested(network, given.pictures, given.labels)
    if json:
        print_json(
            {"model": model, **result.figures(), "hint": None if better is None else str(better), **_hard(tried)}
        )
    else:
        _print_result(result)
        if tried is not None:
            print_trials(tried)
        if better is not None:
            print(f"\nhint: {better}", file=sys.stderr)
    if given.unreadable:
        raise typer.Exit(BAD_INPUT)


@dataclass(frozen=True, eq=False)
class _Result:
    """What came of one network: its answers, how often each digit was read as each label, and its speed."""

    judgement: Judgement
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    confusion: Array
    speed: float
    batch_size: int
    believable: bool

    def figures(self) -> dict[str, object]:
        """Return it as JSON says it."""
        return {
            "images": len(self.judgement.right),
            "errors": self.judgement.errors,
            "accuracy": self.judgement.accuracy,
            "refused": self.judgement.refused,
            "calibration_error": self.judgement.calibration_error if self.believable else None,
            "confusion": self.confusion,
            "batch_size": self.batch_size,
            "images_per_second": round(self.speed),
        }


def _check(model: str, network: Network) -> None:
    if network.labels is None:
        raise GraphError(f"evaluating {model}: it answers values, not labels, so there is nothing to count")
    if not {str(label) for label in network.labels} <= {*DIGITS, glassnet.digits.NONE}:
        raise GraphError(f"evaluating {model}: it answers {list(network.labels)}, expected digits")


def _evaluated(network: Network, given: Labelled, batch_size: int) -> _Result:
    outputs, seconds = _outputs(network.compile(), given.pictures, batch_size)
    labels = tuple(int(label) if str(label) in DIGITS else label for label in network.labels or ())
    if outputs.shape[1] == 1:  # the probability of the second of two labels
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    judgement = glassnet.digits.judge(labels, outputs, given.labels)
    none = glassnet.digits.NONE
    rows, columns = ((*DIGITS, none) if none in there else DIGITS for there in (given.labels.tolist(), labels))
    confusion = np.zeros((len(rows), len(columns)), dtype=int)
    for known, answer in zip(given.labels, judgement.answers, strict=True):
        confusion[rows.index(str(known)), columns.index(str(answer))] += 1
    believable = bool((outputs >= 0).all() and (np.abs(outputs.sum(axis=1) - 1) < 1e-3).all())
    return _Result(judgement, rows, columns, confusion, len(outputs) / seconds, batch_size, believable)


def _outputs(network: CompiledNetwork, pictures: Array, batch_size: int) -> tuple[Array, float]:
    """Return what the network answers to each picture, and the seconds it took."""
    rows, _ = network.inputs[0].batch(pictures)
    outputs = []
    seconds = 0.0
    with Progress("evaluating", len(rows)) as progress:
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            before = time.perf_counter()
            outputs.append(network(batch))
            seconds += time.perf_counter() - before
            progress.advance(len(batch))
    return np.concatenate(outputs), seconds


def _evaluate_all(given: Labelled, batch_size: int, json: bool) -> None:
    """Print a line for each shipped model."""
    if not json:
        print(f"{'model':<16}{'layers':<20}{'errors':>8}{'':>10}{'called none':>13}{'calibration error':>19}")
    for name in glassnet.digits.MODELS:
        network = glassnet.digits.load_model(name)
        result = _evaluated(network, given, batch_size)
        if json:
            print_json({"model": name, **result.figures()})
            continue
        judgement = result.judgement
        share = f"{100 * judgement.error:.2f} %"
        off = f"{100 * judgement.calibration_error:.2f} %"
        refused = judgement.refused if glassnet.digits.NONE in result.columns else "·"
        print(f"{name:<16}{_sizes(network):<20}{judgement.errors:>8,}{share:>10}{refused:>13}{off:>19}")
    if not json:
        print(f"\nof {len(given.labels):,} pictures")


def _sizes(network: Network) -> str:
    return "-".join(str(size) for size in (*network.inputs[0].shape, *(layer.outputs for layer in network.layers)))


def _hard(tried: Tried | None) -> dict[str, object]:
    return {} if tried is None else tried.figures()


def _print_result(result: _Result) -> None:
    judgement = result.judgement
    images = len(judgement.right)
    print(f"accuracy  {100 * judgement.accuracy:.2f} %")
    refused = int(((judgement.answers == glassnet.digits.NONE) & ~judgement.right).sum())
    called = f", {refused:,} of them called none" if refused else ""
    print(f"errors    {judgement.errors:,} of {images:,}{called}")
    if result.believable:
        print(f"calibration error  {100 * judgement.calibration_error:.2f} %")
    print(f"speed     {result.speed:,.0f} images/s, {result.batch_size} at a time\n")
    _print_confusion(result)


def _print_confusion(result: _Result) -> None:
    width = max(5, len(f"{result.confusion.max()}") + 2)
    names = max(3, *map(len, result.rows))
    print("a row for each digit as it is, a column for each as it was read\n")
    print(" " * names + "".join(f"{column:>{width}}" for column in result.columns) + "   right")
    for name, counts in zip(result.rows, result.confusion, strict=True):
        cells = "".join(f"{count or '·':>{width}}" for count in counts)
        known = name in result.columns and counts.any()
        right = f"{100 * counts[result.columns.index(name)] / counts.sum():6.1f} %" if known else ""
        print(f"{name:>{names}}{cells} {right}".rstrip())
