"""``glassnet train``: a network of one's own, from pictures whose digits are known."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT, STOPPED, complain
from glassnet.cli.labelled import DataOption, labelled, refuse_unanswered, refuse_unreadable
from glassnet.errors import MissingFileError, MissingLibraryError, OptionError
from glassnet.files import replacing

if TYPE_CHECKING:
    from glassnet.digits import Recipe
    from glassnet.training import Progress, Training


def train(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A recipe in TOML; the options below change it.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Where to save it: a .safetensors, .npz or .pkl; without a suffix: a folder for all of the run.",
        ),
    ] = ...,  # type: ignore[assignment]
    data: DataOption = None,
    layers: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Neurons of each hidden layer, with commas between (50,100).")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Activation of the hidden layers (relu).")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How often to go through the pictures (20).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Pictures for each update (128).")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar="NAME", help="sgd, adam or adamw (adam).")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="X", help="Learning rate; left out, what suits the optimizer.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The same seed gives the same network (0).")
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, metavar="SHARE", help="Held out to choose the best epoch by; 0: none (0.1)."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after so many epochs without a better one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Processes that prepare batches ahead; no bit depends on it.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON lines, one an epoch; left out, beside the output.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run with these options stopped.")] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse to train where a picture cannot be read, instead of leaving it out."),
    ] = False,
) -> None:
    """Train a network that reads digits.

    After each epoch the run is kept in a checkpoint beside the output, and --resume goes on from it to the same bits as
    a run that never stopped. The checkpoint goes when the network is saved. A folder as output gets the recipe, the
    history, the network and the curves as SVG.
    """
    changes = {
        "layers": None if layers is None else _sizes(layers),
        "activation": activation,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "hold_out": validation,
        "patience": patience,
        "workers": workers,
    }
    table = _changed({} if recipe is None else glassnet.digits.recipe_toml.read_table(recipe), changes, optimizer, rate)
    folder = None if recipe is None else recipe.parent
    chosen = glassnet.digits.make_recipe(table, where=str(recipe or "options"), folder=folder)
    files = _Files.of(output, history)
    files.check(chosen, resume)
    given = labelled(data, None, otherwise="train")
    refuse_unanswered(given, chosen.labels)
    files.begin(_kept(table, folder), resume)
    if strict:
        refuse_unreadable(given)
    try:
        with watched() as progress:
            trained = chosen.train(given.pictures, given.labels, checkpoint=files.checkpoint, progress=progress)
    except KeyboardInterrupt:
        if (kept := files.checkpoints(chosen)[0]).exists():
            complain(f"stopped; {kept} holds the run so far", hint="the same command with --resume goes on")
        else:
            complain("stopped in the first epoch; nothing is kept")
        raise typer.Exit(STOPPED) from None
    files.write(trained, chosen)
    _print_outcome(files.network, trained)
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


def _changed(
    table: dict[str, Any], changes: Mapping[str, Any], optimizer: str | None, rate: float | None
) -> dict[str, Any]:
    """Return a recipe's table with what was given as options in the place of what stood there."""
    table = {**table, **{name: value for name, value in changes.items() if value is not None}}
    if optimizer is not None:
        table["optimizer"] = {"kind": optimizer}
    if rate is not None:
        table["optimizer"] = {"kind": "adam", **table.get("optimizer", {}), "rate": rate}
    return table


def _kept(table: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Return a recipe's table as it can be kept elsewhere: with its seed, and with the whole path of a teacher."""
    loss = dict(table.get("loss", {}))
    if folder is not None and "teacher" in loss and loss["teacher"] not in glassnet.digits.MODELS:
        loss["teacher"] = str((folder / loss["teacher"]).resolve())
    return {"seed": 0, **table, **({"loss": loss} if loss else {})}


@dataclass(frozen=True)
class _Files:
    """Where the parts of a run go; folder: None where the network's file alone was asked for."""

    network: Path
    history: Path
    checkpoint: Path
    folder: Path | None = None

    @classmethod
    def of(cls, output: Path, history: Path | None) -> _Files:
        if output.suffix:
            history = history or output.with_suffix(".history.jsonl")
            return cls(output, history, output.with_suffix(".checkpoint"))
        history = history or output / "history.jsonl"
        return cls(output / "model.safetensors", history, output / "run.checkpoint", output)

    def checkpoints(self, recipe: Recipe) -> list[Path]:
        """Return where the run of each member is kept; the first is there as soon as there is anything to keep."""
        return [place for place in recipe.checkpoints(self.checkpoint) if place is not None]

    def check(self, recipe: Recipe, resume: bool) -> None:
        """Find out before an hour of training what would go wrong after it."""
        from glassnet.formats.table import format_to_write  # noqa: PLC0415  brings safetensors

        target = format_to_write(self.network)
        target.write(glassnet.training.fold(recipe.start()))
        if recipe.half and target.write_half is None:
            raise OptionError(f"half: a {target.name} file has no half precision", hint="a .safetensors file has")
        if self.history.resolve() in (self.network.resolve(), self.checkpoint.resolve()):
            raise OptionError(
                f"--history: {self.history} is where the network goes", hint="give the history a file of its own"
            )
        if self.history.exists() and not _is_history(self.history):
            raise OptionError(
                f"--history: {self.history} is there and is not a history of training; it is left as it is"
            )
        if self.folder is not None:
            if self.folder.exists() and not self.folder.is_dir():
                raise OptionError(f"{self.folder} is a file, expected a folder, or a name to make one of")
            if not self.folder.parent.is_dir():
                raise MissingFileError(f"writing {self.folder}: there is no folder {self.folder.parent}")
            self.folder.mkdir(exist_ok=True)
        for path in (self.network, self.history):
            if not path.parent.is_dir():
                raise MissingFileError(f"writing {path}: there is no folder {path.parent}")
        first, *_ = self.checkpoints(recipe)
        if resume and not first.exists():
            raise MissingFileError(f"nothing to resume: there is no {first}", hint="leave --resume out")
        if first.exists() and not resume:
            raise OptionError(
                f"{first} holds a run that was stopped",
                hint="--resume goes on from it; delete it to begin anew",
            )

    def begin(self, table: Mapping[str, Any], resume: bool) -> None:
        """Keep the recipe, so that a run that is stopped can be told from others."""
        if self.folder is not None and not resume:
            with replacing(self.folder / "recipe.toml") as file:
                file.write(glassnet.digits.recipe_toml.toml(table).encode())

    def write(self, trained: Training, recipe: Recipe) -> None:
        """Save the network and what belongs to it, then let go of the checkpoint."""
        glassnet.save(trained.network, self.network, half=recipe.half)
        with replacing(self.history) as file:
            file.write(glassnet.training.json_lines(trained.history).encode())
        if self.folder is not None:
            try:
                from glassnet import plots  # noqa: PLC0415  brings Matplotlib
            except MissingLibraryError as error:
                complain(f"no curves: {error.message}", hint=error.hint)
            else:
                plots.plot_history([dataclasses.asdict(epoch) for epoch in trained.history], self.folder / "curves.svg")
        for place in self.checkpoints(recipe):
            place.unlink()


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
def watched() -> Iterator[Callable[[Progress], None]]:
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
    held_out = "" if now.validation_accuracy is None else f"  held out {_share(now.validation_accuracy)}"
    return f"loss {now.loss:.4f}  accuracy {_share(now.accuracy)}{held_out}  {now.rows_per_second:,.0f} images/s"


def _share(accuracy: float | None) -> str:
    return "unknown" if accuracy is None else f"{100 * accuracy:.2f} %"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02}"
