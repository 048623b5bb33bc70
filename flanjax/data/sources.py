"""Where records come from: local files, or a public copy of the same data."""

from __future__ import annotations

import abc
import codecs
import csv
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from flanjax.data.task import SPLITS, BadRecord, Record, Source, UnavailableError, nearest

Row: TypeAlias = tuple[str, Record] | BadRecord
"""A row's place and its record, or why there is none."""

Cells: TypeAlias = tuple[str, list[str]] | BadRecord
"""A table row's place and its cells, or why there are none."""

_ROW_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)
_FILE_AND_ROWS = re.compile(r"(?P<path>.*?)(?:\[(?P<start>-?\d+)?:(?P<stop>-?\d+)?\])?", re.DOTALL)


def parse_file(text: str) -> tuple[str, slice]:
    """Parses `path` or `path[start:stop]`, rows counted as in a Python slice.

    Example:
      parse_file("rte/train.tsv[:-200]") == ("rte/train.tsv", slice(None, -200))

    Raises:
      ValueError: The path is empty, absolute, or climbs out with `..`.
    """
    written, start, stop = _FILE_AND_ROWS.fullmatch(text).groups()  # type: ignore[union-attr]
    path = pathlib.PurePosixPath(written)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"a source's file must be a relative path without '..', got {text!r}; "
            "name it from data_dir."
        )
    return str(path), slice(int(start) if start else None, int(stop) if stop else None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalFiles(abc.ABC):
    r"""Files under data_dir, one for each split; the base of every format.

    Lines end at "\n" or "\r\n" and nowhere else, since texts hold U+2028,
    U+0085 and form feeds. A byte order mark is no part of the text, and blank
    lines hold no row.

    Attributes:
      files: Split -> `path` or `path[start:stop]`, as TFDS writes it: two
        splits may share a file. Header and blank lines are not counted. What
        validation or test takes of a file is never train's, however short
        the file is.
      public: The address at which anyone finds these files.
      to_record: Turns a row into the record that the task reads; None leaves
        it as it is. Where it raises KeyError or ValueError, the row is bad.
      encoding: Of text; one in which a line break is a single byte.
    """

    files: Mapping[str, str]
    public: str
    to_record: Callable[[Record], Record] | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        for split, file in self.files.items():
            if split not in SPLITS:
                raise ValueError(
                    f"source {self.public}: a split must be one of {', '.join(SPLITS)}, "
                    f"got {split!r}; {nearest(split, SPLITS)}"
                )
            parse_file(file)
        if not self.files:
            raise ValueError(f"source {self.public}: files must name a split, got none; add one.")
        try:
            has_plain_lines = "\n".encode(self.encoding) == b"\n"
        except LookupError:
            has_plain_lines = False
        if not has_plain_lines:
            raise ValueError(
                f"source {self.public}: encoding must be a known one with single-byte line breaks, "
                f"got {self.encoding!r}; convert the file to UTF-8."
            )

    def splits(self) -> tuple[str, ...]:
        """Returns the splits that `files` names, in the order of SPLITS."""
        return tuple(split for split in SPLITS if split in self.files)

    def describe(self) -> str:
        """Returns the public address."""
        return self.public

    def is_present(self, data_dir: str | None) -> bool:
        """Returns whether any of the files lies under `data_dir`."""
        paths = {parse_file(file)[0] for file in self.files.values()}
        return data_dir is not None and any(
            os.path.isfile(os.path.join(data_dir, path)) for path in paths
        )

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Returns the rows of a split in file order; see `Source.records`.

        Raises:
          ValueError: The split, `data_dir` or the file is missing.
        """
        _check_split(self, split)
        name, rows = parse_file(self.files[split])
        remedy = f"get it from {self.public} and put it at DATA_DIR/{name}."
        if data_dir is None:
            raise UnavailableError(f"data_dir must be given to read {name}, got none; {remedy}")
        path = os.path.join(data_dir, name)
        if not os.path.isfile(path):
            raise UnavailableError(f"a source's file must exist, got no {path}; {remedy}")
        taken = [
            parse_file(file)[1]
            for other, file in self.files.items()
            if split == "train" and other != split and parse_file(file)[0] == name
        ]
        return self._converted(path, rows, taken)

    def _converted(
        self, path: str, rows: slice, taken: list[slice]
    ) -> Iterator[Record | BadRecord]:
        found = self._rows(path)
        if rows != slice(None) or taken:
            every = list(found)
            held = {index for other in taken for index in range(len(every))[other]}
            found = (every[index] for index in range(len(every))[rows] if index not in held)
        for row in found:
            yield row if isinstance(row, BadRecord) else self._convert(*row)

    def _convert(self, place: str, record: Record) -> Record | BadRecord:
        if self.to_record is None:
            return record
        try:
            return self.to_record(record)
        except _ROW_ERRORS as error:
            return BadRecord(place, _reason(error))

    @abc.abstractmethod
    def _rows(self, path: str) -> Iterator[Row]:
        """Yields every row of a file with its place."""

    def _texts(self, path: str) -> Iterator[tuple[str, str] | BadRecord]:
        for number, line in _lines(path):
            place = f"{path}:{number}"
            try:
                text = line.decode(self.encoding).removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                yield BadRecord(place, _decoding_reason(error, self.encoding))
                continue
            if text.strip():
                yield place, text

    def _parsed(self, path: str, parse: Callable[[str], Record]) -> Iterator[Row]:
        for line in self._texts(path):
            if isinstance(line, BadRecord):
                yield line
                continue
            place, text = line
            try:
                yield place, parse(text)
            except _ROW_ERRORS as error:
                yield BadRecord(place, _reason(error))


def _check_split(source: Source, split: str) -> None:
    if split not in source.splits():
        raise ValueError(
            f"source {source.describe()}: split must be one of {', '.join(source.splits())}, "
            f"got {split!r}; {nearest(split, source.splits())}"
        )


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a row must have the column {error}."
    return str(error) or type(error).__name__


def _decoding_reason(error: UnicodeDecodeError, encoding: str) -> str:
    byte = error.object[error.start]
    return f"text must be {encoding}, got byte 0x{byte:02x} at byte {error.start + 1} of the line."


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
        except (*_ROW_ERRORS, SyntaxError) as error:  # an XML fault is a SyntaxError
            raise ValueError(
                f"{path}: file must be as its publisher writes it, got {_reason(error)} after "
                f"record {number}; fetch it again."
            ) from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jsonl(LocalFiles):
    """One JSON object a line."""

    def _rows(self, path: str) -> Iterator[Row]:
        return self._parsed(path, _json_object)


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
        """Yields rows; each line of one that cannot be read counts as bad."""
        texts = (line.decode(self.encoding, "surrogateescape") for _, line in _lines(path))
        reader = csv.reader(texts, delimiter=self.delimiter, strict=True)
        while True:
            first = reader.line_num + 1
            try:
                cells = next(reader)
                reason = _surrogate_reason(cells, self.encoding)
            except StopIteration:
                return
            except csv.Error as error:
                cells, reason = [], f"quotes must be closed and stand around whole cells: {error}."
            if reason:
                for number in range(first, reader.line_num + 1):
                    yield BadRecord(f"{path}:{number}", reason)
            elif any(cell.strip() for cell in cells):
                yield f"{path}:{first}", cells


def _surrogate_reason(cells: list[str], encoding: str) -> str | None:
    return None if all(map(_is_encodable, cells)) else f"text must be {encoding}, got other bytes."


def _header(path: str, rows: Iterator[Cells]) -> tuple[str, ...]:
    row = next(rows, None)
    if row is None or isinstance(row, BadRecord):
        reason = "an empty file" if row is None else row.reason
        raise ValueError(f"{path}:1: the first row must name the columns, got {reason}; mend it.")
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
        except pyarrow.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"{path}: file must be Parquet, got {reason} after row {number}; fetch it again."
            ) from None


def _batch_rows(batch: Any) -> list[Record | str]:
    """Returns a batch's rows; in place of one that is no text, the reason."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            return [_decoding_reason(error, "utf-8")]
        return [row for i in range(batch.num_rows) for row in _batch_rows(batch.slice(i, 1))]
