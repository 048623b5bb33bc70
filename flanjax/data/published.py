"""A public dataset, from whichever copy of it the user has."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import TypeAlias

from flanjax.data.local_files import LocalFiles, parse_file
from flanjax.data.schema import conform
from flanjax.data.sources import Csv, Jsonl, Parquet
from flanjax.data.task import BadRecord, Record, UnavailableError
from flanjax.data.tfds_source import Tfds

Format: TypeAlias = type[Parquet] | type[Jsonl] | type[Csv]

EXPORTS = "tfds"
"""The folder of DATA_DIR for files in the names of TFDS."""

_FORMATS: dict[str, Format] = {"parquet": Parquet, "jsonl": Jsonl, "csv": Csv}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset that TFDS has, read from files where there are any.

    In this order: files in TFDS's field names at
    DATA_DIR/tfds/NAME/CONFIG/SPLIT.parquet, .jsonl or .csv; the files as the
    authors distribute them; TFDS itself. The first copy that is whole counts,
    or else the first of which some file is there. Copies are never mixed: they
    may cut the data differently, so a record could stand in training and in
    the test.

    Attributes:
      tfds: The dataset in TFDS, and the schema of its records.
      originals: The same splits from the files as distributed, each in
        another form, the first that is present counts; rows are conformed
        to the schema.
    """

    tfds: Tfds
    originals: tuple[LocalFiles, ...] = ()

    def __post_init__(self) -> None:
        for files in self.originals:
            if files.splits() != self.tfds.splits():
                raise ValueError(
                    f"source {files.public}: files and TFDS must have the same splits, "
                    f"got {', '.join(files.splits())} and {', '.join(self.tfds.splits())}; "
                    "add what is missing."
                )

    def splits(self) -> tuple[str, ...]:
        """Returns the splits, the same from every copy."""
        return self.tfds.splits()

    def describe(self) -> str:
        """Returns the names of the copies."""
        return " or ".join([self.tfds.describe(), *(files.describe() for files in self.originals)])

    def num_published(self, split: str) -> int | None:
        """Returns how many rows TFDS publishes of a split, None where not known."""
        name, rows = parse_file(self.tfds.tfds_splits[split])
        total = self.tfds.rows.get(name)
        return None if total is None else len(range(total)[rows])

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Returns the rows of a split in a fixed order; see `Source.records`.

        Raises:
          UnavailableError: No copy of the data is on this machine.
          ValueError: The copy that is there cannot be read.
        """
        files = self._files(data_dir)
        if files is not None:
            return self._conforming(files).records(split, data_dir=data_dir)
        try:
            return self.tfds.records(split)
        except UnavailableError as error:
            raise UnavailableError(
                f"{str(error).rstrip('.')}, {self._other_places(split)}."
            ) from None

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns what a split's rows follow from: the copy that counts, the schema.

        Raises:
          UnavailableError: No copy of the data is on this machine.
          ValueError: There is no such split, or the copies cannot be told apart.
        """
        files = self._files(data_dir)
        if files is None:
            return self.tfds.identity(split)
        return self.tfds.schema_identity() | files.identity(split, data_dir=data_dir)

    def place(self, split: str, *, data_dir: str | None) -> str:
        """Returns which copy a split is read from: a file and its rows, or TFDS."""
        files = self._files(data_dir)
        if files is None:
            return f"{self.tfds.describe()} {self.tfds.tfds_splits[split]}"
        return files.place(split, data_dir=data_dir)

    def _files(self, data_dir: str | None) -> LocalFiles | None:
        """Returns the copy in files that counts, None where there is none."""
        exports = self._exports(data_dir)
        copies = [files for files in (exports, *self.originals) if files is not None]
        whole = (files for files in copies if files.is_whole(data_dir))
        partial = (files for files in copies if files.is_present(data_dir))
        return next(whole, next(partial, None))

    def _other_places(self, split: str) -> str:
        file = f"{self._folder()}/{parse_file(self.tfds.tfds_splits[split])[0]}.jsonl"
        places = [f"or put its rows at DATA_DIR/{file}"]
        for files in self.originals:
            path = parse_file(files.files[split])[0]
            places.append(f"or get {files.public} and put it at DATA_DIR/{path}")
        return ", ".join(places)

    def _folder(self) -> str:
        return f"{EXPORTS}/{self.tfds.name.partition(':')[0]}"

    def _exports(self, data_dir: str | None) -> LocalFiles | None:
        """Returns the files in TFDS's names, or None where there are none."""
        folder = os.path.join(data_dir or "", self._folder())
        if data_dir is None or not os.path.isdir(folder):
            return None
        wanted = {parse_file(rows)[0] for rows in self.tfds.tfds_splits.values()}
        found = {
            extension
            for extension in _FORMATS
            if any(os.path.isfile(os.path.join(folder, f"{name}.{extension}")) for name in wanted)
        }
        if not found:
            held = sorted(os.listdir(folder))
            if not any(os.path.isfile(os.path.join(folder, name)) for name in held):
                return None  # the folder of another configuration, say
            raise ValueError(
                f"{folder} must hold {' and '.join(sorted(wanted))} as .parquet, .jsonl or .csv, "
                f"got {', '.join(held[:4])}; rename them."
            )
        if len(found) > 1:
            raise ValueError(
                f"{folder} must hold one format, got {' and '.join(sorted(found))}; remove one."
            )
        (extension,) = found
        files = {}
        for split, rows in self.tfds.tfds_splits.items():
            name, bracket, cut = rows.partition("[")
            files[split] = f"{self._folder()}/{name}.{extension}{bracket}{cut}"
        return _FORMATS[extension](files=files, public=self.tfds.describe())

    def _conforming(self, files: LocalFiles) -> LocalFiles:
        convert = files.to_record

        def to_record(row: Record) -> Record:
            return conform(self.tfds.features, convert(row) if convert else row)

        return dataclasses.replace(files, to_record=to_record)
