"""Where ``glassnet read`` puts what it read: on the screen as it comes, or in files and tables once all is read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import glassnet
from glassnet.cli import show
from glassnet.cli.errors import printable
from glassnet.cli.output import print_json
from glassnet.cli.sheets import Outcome
from glassnet.errors import MissingFileError, OptionError

if TYPE_CHECKING:
    from glassnet.reading import Template

ERROR_RATE = 0.01  # where none is wanted in words


@dataclass(frozen=True)
class Outputs:
    """What is wanted of all that is read. form: what the pictures are, if forms."""

    json: bool = False
    csv: Path | None = None
    parquet: Path | None = None
    report: Path | None = None
    crops: Path | None = None
    error_rate: float | None = None
    form: Template | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to be written."""
        return tuple(path for path in (self.csv, self.parquet, self.report) if path is not None)

    @property
    def as_it_comes(self) -> bool:
        """Whether each picture is printed when it is read: what needs review is known only after all of them."""
        return not self.files and self.form is None and (self.error_rate is None or not self.json)

    def check(self) -> None:
        """Find now what would be in the way of writing, before hours of reading.

        Raises MissingFileError for a folder that does not exist, MissingLibraryError, OptionError.
        """
        if self.crops is not None and self.csv is None and self.parquet is None:
            raise OptionError("--crops goes with --csv or --parquet, whose rows name the pictures")
        if self.error_rate is not None:
            glassnet.reading.threshold_for(self.error_rate)
        if self.parquet is not None:
            glassnet.reading.parquet_library()
        for path in self.files:
            if not path.parent.is_dir():
                raise MissingFileError(f"writing {path}: there is no folder {path.parent}")
        if self.crops is not None:
            made(self.crops)

    def print(self, outcome: Outcome, width: int) -> None:
        """Print a picture that was read."""
        assert outcome.sheet is not None
        if self.json:
            print_json(show.as_object(outcome.sheet, outcome.source.page, None))
        else:
            for row in show.rows(outcome, width):
                print(row)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write the files, or print what could not be printed as it came."""
        reading = glassnet.reading
        sheets = [outcome.sheet for outcome in outcomes if outcome.sheet is not None]
        rate = self.error_rate or ERROR_RATE
        rows = reading.rows_of(sheets, rate, self.crops)
        table = reading.review_table(rows) if self.form is None else reading.form_table(sheets, self.form, rate)
        if self.csv is not None:
            reading.write_csv(self.csv, table)
        if self.parquet is not None:
            reading.write_parquet(self.parquet, table)
        if self.report is not None:
            reading.write_report(self.report, sheets, rate)
        if self.json:
            threshold = None
            if self.error_rate is not None:
                sure = [one for sheet in sheets for line in reading.confidences(sheet) for one in line]
                threshold = reading.threshold_for(rate, sure)
            for outcome in outcomes:
                if outcome.sheet is not None:
                    print_json(show.as_object(outcome.sheet, outcome.source.page, threshold))
        elif self.files:
            doubtful = sum(row.needs_review for row in rows)
            for path in self.files:
                pictures = f"{len(sheets)} picture{'s' if len(sheets) != 1 else ''}"
                print(f"{printable(path)}: {pictures}, {len(rows)} digits, of which {doubtful} to review")
        else:
            reading.print_csv(sys.stdout, table)


def made(folder: Path) -> Path:
    """Return a folder, made where it is missing. Raises MissingFileError where that cannot be."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise MissingFileError(f"writing {folder}: there is no folder {folder.parent}") from None
    return folder
