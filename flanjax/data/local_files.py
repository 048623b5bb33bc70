"""Local files as sources: where they lie, how they are cut into splits."""

from __future__ import annotations

import abc
import codecs
import dataclasses
import hashlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from flanjax.data.task import SPLITS, BadRecord, Record, Source, UnavailableError, nearest

Row: TypeAlias = tuple[str, Record] | BadRecord
"""A row's place and its record, or why there is none."""

Cells: TypeAlias = tuple[str, list[str]] | BadRecord
"""A table row's place and its cells, or why there are none."""

ROW_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)
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
    if set("[]") & set(written):
        raise ValueError(
            f"a source's rows must be cut as [start:stop], whole numbers, got {text!r}; "
            "write path[:-200], say."
        )
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
        test takes of a file is never validation's, and what either takes
        never train's, however short the file is.
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

    def is_whole(self, data_dir: str | None) -> bool:
        """Returns whether every one of the files lies under `data_dir`."""
        paths = {parse_file(file)[0] for file in self.files.values()}
        return data_dir is not None and all(
            os.path.isfile(os.path.join(data_dir, path)) for path in paths
        )

    def place(self, split: str, *, data_dir: str | None) -> str:
        """Returns the file of a split, with the rows that are its own."""
        return os.path.join(data_dir or "DATA_DIR", self.files[split])

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Returns the rows of a split in file order; see `Source.records`.

        Raises:
          ValueError: The split, `data_dir` or the file is missing.
        """
        path = self._located(split, data_dir)
        return self._converted(path, parse_file(self.files[split])[1], self._taken(split))

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns what a split's rows follow from; other rows, another identity.

        Functions, as `to_record`, are not in it: who changes one raises the
        task's version.

        Raises:
          UnavailableError: A file is not on this machine.
          ValueError: There is no such split.

        Example:
          {"format": "TextLines", "options": "encoding='utf-8'",
           "rows": "rte/all.txt[:-200]", "rows taken": "[-200:]",
           "file rte/all.txt": "81273 bytes, blake2b 0b6c..."}
        """
        path = self._located(split, data_dir)
        name, rows = parse_file(self.files[split])
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        written = [
            f"{option}={value!r}"
            for option, value in options.items()
            if option not in ("files", "public") and not callable(value) and value is not None
        ]
        identity = {
            "format": type(self).__name__,
            "options": ", ".join(written),
            "rows": f"{name}{_written(rows)}",
            "rows taken": " ".join(sorted(map(_written, self._taken(split)))),
        }
        for needed in self._needed(path):
            relative = pathlib.Path(needed).relative_to(data_dir or "").as_posix()
            identity[f"file {relative}"] = file_identity(needed)
        return identity

    def _located(self, split: str, data_dir: str | None) -> str:
        """Returns the path of a split's file; checks that it is there."""
        _check_split(self, split)
        name, _ = parse_file(self.files[split])
        remedy = f"get it from {self.public} and put it at DATA_DIR/{name}."
        if data_dir is None:
            raise UnavailableError(f"data_dir must be given to read {name}, got none; {remedy}")
        path = os.path.join(data_dir, name)
        if not os.path.isfile(path):
            raise UnavailableError(f"a source's file must exist, got no {path}; {remedy}")
        return path

    def _taken(self, split: str) -> list[slice]:
        """Returns the rows of a split's file that other splits take first."""
        name, _ = parse_file(self.files[split])
        return [
            parse_file(file)[1]
            for other, file in self.files.items()
            if SPLITS.index(other) > SPLITS.index(split) and parse_file(file)[0] == name
        ]

    def _needed(self, path: str) -> tuple[str, ...]:
        """Returns every file that the rows of `path` are read from."""
        return (path,)

    def _converted(
        self, path: str, rows: slice, taken: list[slice]
    ) -> Iterator[Record | BadRecord]:
        found = self._rows(path)
        if rows != slice(None) or taken:
            every = range(sum(1 for _ in self._rows(path)))  # read twice rather than held at once
            wanted, held = every[rows], [every[other] for other in taken]
            found = (
                row
                for index, row in enumerate(found)
                if index in wanted and not any(index in other for other in held)
            )
        for row in found:
            yield row if isinstance(row, BadRecord) else self._convert(*row)

    def _convert(self, place: str, record: Record) -> Record | BadRecord:
        if self.to_record is None:
            return record
        try:
            return self.to_record(record)
        except ROW_ERRORS as error:
            return BadRecord(place, reason_of(error))

    @abc.abstractmethod
    def _rows(self, path: str) -> Iterator[Row]:
        """Yields every row of a file with its place."""

    def _texts(self, path: str) -> Iterator[tuple[str, str] | BadRecord]:
        for number, line in lines(path):
            place = f"{path}:{number}"
            try:
                text = line.decode(self.encoding).removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                yield BadRecord(place, decoding_reason(error, self.encoding))
                continue
            if text.strip(" "):
                yield place, text

    def _parsed(self, path: str, parse: Callable[[str], Record]) -> Iterator[Row]:
        for line in self._texts(path):
            if isinstance(line, BadRecord):
                yield line
                continue
            place, text = line
            try:
                yield place, parse(text)
            except ROW_ERRORS as error:
                yield BadRecord(place, reason_of(error))


def _check_split(source: Source, split: str) -> None:
    if split not in source.splits():
        raise ValueError(
            f"source {source.describe()}: split must be one of {', '.join(source.splits())}, "
            f"got {split!r}; {nearest(split, source.splits())}"
        )


def lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Yields each line with its number, from one; a byte order mark is no part."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def file_identity(path: str) -> str:
    """Returns a file's size and a hash of its content."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return f"{file.tell()} bytes, blake2b {digest.hexdigest()}"


def _written(rows: slice) -> str:
    start, stop = ("" if edge is None else edge for edge in (rows.start, rows.stop))
    return f"[{start}:{stop}]"


def reason_of(error: Exception) -> str:
    """Returns why a row is bad, from what its conversion raised."""
    if isinstance(error, KeyError):
        return f"a row must have the column {error}."
    return str(error) or type(error).__name__


def decoding_reason(error: UnicodeDecodeError, encoding: str) -> str:
    """Returns which byte of a line is no text."""
    byte = error.object[error.start]
    return f"text must be {encoding}, got byte 0x{byte:02x} at byte {error.start + 1} of the line."
