"""``glassnet train``: a network of one's own, from pictures whose digits are known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT, STOPPED, complain
from glassnet.cli.labelled import DIGITS, DataOption, labelled
from glassnet.errors import MissingFileError, OptionError
from glassnet.files import replacing
from glassnet.network import Input, Network

if TYPE_CHECKING:
    from glassnet.training import Optimizer, Progress, Training

_PIXELS = 784


def train(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save it: .safetensors, .npz or .pkl.")
    ],
    data: DataOption = None,
    layers: Annotated[
        str, typer.Option(metavar="SIZES", help="Neurons of each hidden layer, with commas between.")
    ] = "50,100",
    activation: Annotated[str, typer.Option(metavar="NAME", help="Activation of the hidden layers.")] = "relu",
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="How often to go through the pictures.")] = 20,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures for each update.")] = 128,
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="sgd, adam or adamw.")] = "adam",
    rate: Annotated[
        float | None, typer.Option(metavar="X", help="Learning rate; left out, what suits the optimizer.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same network.")] = 0,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, metavar="SHARE", help="Held out to choose the best epoch by; 0: none.")
    ] = 0.1,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after so many epochs without a better one.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON lines, one an epoch; left out, beside the output.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run with these options stopped.")] = False,
) -> None:
    """Train a network that reads digits.

    After each epoch the run is kept in a checkpoint beside the output, and --resume goes on from it to the same bits as
    a run that never stopped. The checkpoint goes when the network is saved.
    """
    sizes = _sizes(layers)
    method = _optimizer(optimizer, rate)
    history = history or output.with_suffix(".history.jsonl")
    checkpoint = output.with_suffix(".checkpoint")
    start = glassnet.training.initialise((_PIXELS, *sizes, len(DIGITS)), hidden=activation, seed=seed)
    start = start.replace(inputs=Input((_PIXELS,), scale=1 / 255))
    _check_files(start, output, history, checkpoint, resume)
    given = labelled(data, None, otherwise="train")
    try:
        with _watched() as progress:
            trained = glassnet.training.train(
                start,
                given.pictures,
                given.labels,
                loss=glassnet.training.CrossEntropy(),
                optimizer=method,
                epochs=epochs,
                batch_size=batch_size,
                seed=seed,
                validation=validation or None,
                patience=patience,
                checkpoint=checkpoint,
                progress=progress,
            )
    except KeyboardInterrupt:
        if checkpoint.exists():
            complain(f"stopped; {checkpoint} holds the run so far", hint="the same command with --resume goes on")
        else:
            complain("stopped in the first epoch; nothing is kept")
        raise typer.Exit(STOPPED) from None
    glassnet.save(trained.network, output)
    with replacing(history) as file:
        file.write(glassnet.training.json_lines(trained.history).encode())
    checkpoint.unlink()
    _print_outcome(output, trained)
    if given.unreadable:
        raise typer.Exit(BAD_INPUT)


def _sizes(layers: str) -> list[int]:
    try:
        sizes = [int(size) for size in layers.split(",")] if layers else []
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise OptionError(
            f"--layers: expected whole numbers of 1 or more with commas between, such as 50,100; found {layers!r}"
        )
    return sizes


def _optimizer(name: str, rate: float | None) -> Optimizer:
    known = glassnet.training.OPTIMIZERS
    if name not in known:
        raise OptionError(f"unknown optimizer {name!r}", hint=f"one of {', '.join(known)}")
    chosen = {} if rate is None else {"rate": rate}
    return known[name](**chosen)


def _check_files(start: Network, output: Path, history: Path, checkpoint: Path, resume: bool) -> None:
    """Find out before an hour of training what would go wrong after it."""
    from glassnet.formats.table import format_to_write  # noqa: PLC0415  brings safetensors

    format_to_write(output).write(start)
    if history.resolve() in (output.resolve(), checkpoint.resolve()):
        raise OptionError(f"--history: {history} is where the network goes", hint="give the history a file of its own")
    if history.exists() and not _is_history(history):
        raise OptionError(f"--history: {history} is there and is not a history of training; it is left as it is")
    for path in (output, history):
        if not path.parent.is_dir():
            raise MissingFileError(f"writing {path}: there is no folder {path.parent}")
    if resume and not checkpoint.exists():
        raise MissingFileError(f"nothing to resume: there is no {checkpoint}", hint="leave --resume out")
    if checkpoint.exists() and not resume:
        raise OptionError(
            f"{checkpoint} holds a run that was stopped", hint="--resume goes on from it; delete it to begin anew"
        )


def _is_history(path: Path) -> bool:
    """Return whether a file is empty or begins like the JSON lines of a history."""
    with path.open("rb") as file:
        start = file.read(10)
    return not start or start.startswith(b'{"epoch":')


def _print_outcome(output: Path, trained: Training) -> None:
    *_, last = trained.history
    if last.validation_loss is None:
        print(f"{output}: epochs: {last.epoch}, training loss {last.loss:.4f}, accuracy {_share(last.accuracy)}")
        return
    best = min(trained.history, key=lambda epoch: epoch.validation_loss or 0.0)
    print(
        f"{output}: epoch {best.epoch} of {last.epoch}, validation loss {best.validation_loss:.4f}, "
        f"validation accuracy {_share(best.validation_accuracy)}"
    )


@contextmanager
def _watched() -> Iterator[Callable[[Progress], None]]:
    """Give what training calls after each batch: a live bar in a terminal, else a line an epoch; on stderr."""
    if not sys.stderr.isatty():
        yield _print_epoch
        return
    from rich.console import Console  # noqa: PLC0415  Rich takes 60 ms to import
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("", epoch="")

        def show(now: Progress) -> None:
            bar.update(
                task,
                total=now.epochs * now.batches,
                completed=(now.epoch - 1) * now.batches + now.batch,
                description=f"{_figures(now)}  {_duration(now.seconds_left)} left",
                epoch=f"{now.epoch}/{now.epochs}",
            )

        yield show


def _print_epoch(now: Progress) -> None:
    if now.batch == now.batches:
        print(f"epoch {now.epoch}/{now.epochs}  {_figures(now)}", file=sys.stderr)


def _figures(now: Progress) -> str:
    return f"loss {now.loss:.4f}  accuracy {_share(now.accuracy)}"


def _share(accuracy: float | None) -> str:
    return "unknown" if accuracy is None else f"{100 * accuracy:.2f} %"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02}"
