"""A table as a file: CSV for spreadsheets, Parquet for what reads columns (extra ``parquet``)."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from glassnet.errors import MissingLibraryError
from glassnet.files import replacing


@dataclass(frozen=True)
class Table:
    """Rows of values. columns: each name with the kind of its values; None is no value."""

    columns: Mapping[str, type]
    rows: Sequence[Mapping[str, Any]]


def write_csv(path: str | os.PathLike[str], table: Table) -> None:
    """Write a table as CSV in UTF-8; its first line names the columns, truths are true and false."""
    text = io.StringIO()
    print_csv(text, table)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def print_csv(file: IO[str], table: Table) -> None:
    """Write a table as CSV into a file that is open."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(_plain(row[name]) for name in table.columns)


def _plain(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case str():  # a name of a file may hold bytes that are no text
            return value.encode("utf-8", "backslashreplace").decode()
    return value


def write_parquet(path: str | os.PathLike[str], table: Table) -> None:
    """Write a table as Parquet. Raises MissingLibraryError without pyarrow."""
    pyarrow = parquet_library()
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    columns = {
        name: pyarrow.array([_text(row[name]) for row in table.rows], kinds[kind])
        for name, kind in table.columns.items()
    }
    with replacing(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def parquet_library() -> Any:
    """Return pyarrow. Raises MissingLibraryError where it is not installed."""
    try:
        import pyarrow.parquet  # noqa: PLC0415  optional
    except ImportError:
        raise MissingLibraryError("writing Parquet needs pyarrow", hint="pip install 'glassnet[parquet]'") from None
    return pyarrow


def _text(value: Any) -> Any:
    return _plain(value) if isinstance(value, str) else value
