"""The forms in which local files hold records."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flanjax.data.local_files import (
    ROW_ERRORS,
    Cells,
    LocalFiles,
    Row,
    decoding_reason,
    lines,
    reason_of,
)
from flanjax.data.task import BadRecord, Record, UnavailableError


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextLines(LocalFiles):
    """One row a line in a form of its own.

    Attributes:
      parse: Turns a line, without its end, into a record. Where it raises
        ValueError, the row is bad.
    """

    parse: Callable[[str], Record]

    def _rows(self, path: str) -> Iterator[Row]:
        return self._parsed(path, self.parse)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document(LocalFiles):
    """A file whose rows are found by reading it whole, as XML or one JSON value.

    Attributes:
      read: Turns the file's text into records, in order. Where it raises
        ValueError or KeyError, the file is an error.
    """

    read: Callable[[str], Iterable[Record]]

    def _rows(self, path: str) -> Iterator[Row]:
        number = 0
        try:
            content = pathlib.Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
            text = content.decode(self.encoding)
            for number, record in enumerate(self.read(text), start=1):
                yield f"{path}: record {number}", record
        except (*ROW_ERRORS, SyntaxError) as error:  # an XML fault is a SyntaxError
            raise ValueError(
                f"{path}: file must be as its publisher writes it, got "
                f"{reason_of(error).rstrip('.')} after "
                f"record {number}; fetch it again."
            ) from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jsonl(LocalFiles):
    """One JSON object a line."""

    def _rows(self, path: str) -> Iterator[Row]:
        return self._parsed(path, _json_object)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledJsonl(Jsonl):
    """One JSON object a line, its label on the same line of a file beside it.

    Attributes:
      labels: The end of the label file's name, in place of ".jsonl".
      field: What the label is called in the record.
    """

    labels: str = "-labels.lst"
    field: str = "label"

    def _needed(self, path: str) -> tuple[str, ...]:
        beside = path.removesuffix(".jsonl") + self.labels
        if not os.path.isfile(beside):
            raise UnavailableError(
                f"a source's labels must lie beside it, got no {beside}; "
                f"get them from {self.public}."
            )
        return path, beside

    def _rows(self, path: str) -> Iterator[Row]:
        _, beside = self._needed(path)
        for row, label in itertools.zip_longest(super()._rows(path), self._texts(beside)):
            if row is None or label is None:
                raise ValueError(
                    f"{beside} must have a line for each of {path}, got another number; "
                    "fetch both again."
                )
            if isinstance(row, BadRecord):
                yield row
            elif isinstance(label, BadRecord):
                yield label
            else:
                yield row[0], {**row[1], self.field: label[1]}


def _json_object(text: str) -> Record:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"a line must be JSON, got {text[:40]!r}: {error}.") from None
    if not isinstance(value, dict):
        raise ValueError(f"a line must be a JSON object, got {type(value).__name__}.")
    if "\\u" in text and not _is_encodable(json.dumps(value, ensure_ascii=False)):
        raise ValueError("text must be Unicode, got an escape for half a surrogate pair.")
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table(LocalFiles):
    """Rows of cells; each record maps a column's name to its text.

    Attributes:
      columns: The columns' names; None where the first row gives them.
      delimiter: What stands between two cells.
      is_quoted: Whether a cell may stand in double quotes and then hold the
        delimiter, line breaks, and quotes written twice. Where not, quotes
        are text.
    """

    columns: tuple[str, ...] | None = None
    delimiter: str
    is_quoted: bool

    def _rows(self, path: str) -> Iterator[Row]:
        rows = self._quoted_cells(path) if self.is_quoted else self._plain_cells(path)
        columns = self.columns or _header(path, rows)
        for row in rows:
            if isinstance(row, BadRecord):
                yield row
            elif len(row[1]) != len(columns):
                reason = f"a row must have {len(columns)} columns, got {len(row[1])}."
                yield BadRecord(row[0], reason)
            else:
                yield row[0], dict(zip(columns, row[1], strict=True))

    def _plain_cells(self, path: str) -> Iterator[Cells]:
        for line in self._texts(path):
            if isinstance(line, BadRecord):
                yield line
            else:
                yield line[0], line[1].split(self.delimiter)

    def _quoted_cells(self, path: str) -> Iterator[Cells]:
        """Yields rows; after a broken quote no row can be told from another."""
        csv.field_size_limit(_LONGEST_CELL)
        texts = (line.decode(self.encoding, "surrogateescape") for _, line in lines(path))
        reader = csv.reader(texts, delimiter=self.delimiter, strict=True)
        while True:
            first = reader.line_num + 1
            try:
                cells = next(reader)
                reason = _surrogate_reason(cells, self.encoding)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(
                    f"{path}:{first}: quotes must be closed and stand around whole cells, got "
                    f"{error}; mend the row, for what follows it cannot be read."
                ) from None
            if reason:
                for number in range(first, reader.line_num + 1):
                    yield BadRecord(f"{path}:{number}", reason)
            elif cells:
                yield f"{path}:{first}", cells


_LONGEST_CELL = 2**31 - 1  # csv's own limit, 128 KiB, is shorter than some articles


def _surrogate_reason(cells: list[str], encoding: str) -> str | None:
    return None if all(map(_is_encodable, cells)) else f"text must be {encoding}, got other bytes."


def _header(path: str, rows: Iterator[Cells]) -> tuple[str, ...]:
    row = next(rows, None)
    if row is None or isinstance(row, BadRecord):
        reason = "an empty file" if row is None else row.reason
        raise ValueError(
            f"{path}:1: the first row must name the columns, got {reason.rstrip('.')}; mend it."
        )
    place, names = row
    if len(set(names)) != len(names):
        raise ValueError(
            f"{place}: column names must differ, got {', '.join(names)}; "
            "give the source its columns."
        )
    return tuple(names)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Csv(Table):
    """Comma-separated values, quoted."""

    delimiter: str = ","
    is_quoted: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tsv(Table):
    """Tab-separated values; quotes are text unless `is_quoted` says so."""

    delimiter: str = "\t"
    is_quoted: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parquet(LocalFiles):
    """A Parquet file; places count its rows from one."""

    def _rows(self, path: str) -> Iterator[Row]:
        import pyarrow
        import pyarrow.parquet

        number = 0
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                rows = (row for batch in file.iter_batches() for row in _batch_rows(batch))
                for number, row in enumerate(rows, start=1):
                    place = f"{path}:{number}"
                    yield BadRecord(place, row) if isinstance(row, str) else (place, row)
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise ValueError(
                f"{path}: file must be Parquet, got {reason} after row {number}; fetch it again."
            ) from None


def _batch_rows(batch: Any) -> list[Record | str]:
    """Returns a batch's rows; in place of one that is no text, the reason."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            return [decoding_reason(error, "utf-8")]
        return [row for i in range(batch.num_rows) for row in _batch_rows(batch.slice(i, 1))]
