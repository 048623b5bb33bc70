"""Records from TensorFlow Datasets, as plain Python values."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flanjax.data.local_files import parse_file
from flanjax.data.schema import Feature, Features, Labels, check_features, conform
from flanjax.data.task import SPLITS, BadRecord, Record, UnavailableError, nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tfds:
    """A TensorFlow Datasets builder, read in its stored order.

    TFDS keeps its data where TFDS_DATA_DIR says, or under the home directory.
    Nothing is downloaded here: a dataset that is not prepared is an error that
    says what to run. TensorFlow is imported only when records are read, and
    sees no accelerator.

    Attributes:
      name: With configuration and version, as "glue/sst2:2.0.0".
      tfds_splits: Split -> how TFDS writes it, as "train[:-200]".
      features: The fields to read, in the builder's names and types; it is
        checked against the builder's own, label names and their order too.
      rows: TFDS split -> its published rows, where known.
      download_mib: Size of the download in MiB, where known.
      manual: Where a dataset that TFDS may not download is found, and what to
        put into TFDS's folder `downloads/manual`; None where TFDS downloads.
    """

    name: str
    tfds_splits: Mapping[str, str]
    features: Features
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    download_mib: float | None = None
    manual: str | None = None

    def __post_init__(self) -> None:
        if ":" not in self.name:
            raise ValueError(
                f"a TFDS name must state its version, got {self.name!r}; write name:1.0.0."
            )
        for split in self.tfds_splits:
            if split not in SPLITS:
                raise ValueError(
                    f"TFDS {self.name}: a split must be one of {', '.join(SPLITS)}, got {split!r}; "
                    f"{nearest(split, SPLITS)}"
                )
        for rows in self.tfds_splits.values():
            if "+" in rows:
                raise ValueError(
                    f"TFDS {self.name}: rows must be of one split, got {rows!r}; name one."
                )
            parse_file(rows)
        check_features(self.features, where=f"TFDS {self.name}")

    def splits(self) -> tuple[str, ...]:
        """Returns the splits that `tfds_splits` names, in the order of SPLITS."""
        return tuple(split for split in SPLITS if split in self.tfds_splits)

    def describe(self) -> str:
        """Returns the builder's name."""
        return f"TFDS {self.name}"

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Returns the rows of a split in their stored order.

        Args:
          split: One of `splits()`.
          data_dir: Not read: TFDS has its own directory.

        Raises:
          UnavailableError: The package is missing, or the data is not prepared.
          ValueError: TFDS has no such data, or other fields or labels.
        """
        self._check_split(split)
        return self._converted(split, self._load(self.tfds_splits[split]))

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        """Returns what a split's rows follow from: the prepared dataset, the schema.

        Args:
          split: One of `splits()`.
          data_dir: Not read: TFDS has its own directory.

        Raises:
          UnavailableError: The package is missing, or the data is not prepared.
          ValueError: TFDS has no such data, or other fields or labels.
        """
        self._check_split(split)
        rows = self.tfds_splits[split]
        builder = self._prepared(self._import())
        try:
            info = builder.info.splits[parse_file(rows)[0]]
        except (KeyError, ValueError) as error:
            raise self._no_rows(rows, error) from None
        return self.schema_identity() | {
            "format": "TFDS",
            "name": self.name,
            "version": str(builder.version),
            "rows": rows,
            "num_examples": str(int(info.num_examples)),
            "num_bytes": str(int(info.num_bytes)),
        }

    def schema_identity(self) -> dict[str, str]:
        """Returns a hash of the fields, their types and their classes, in order."""
        digest = hashlib.blake2b(repr(self.features).encode(), digest_size=16)
        return {"features": f"blake2b {digest.hexdigest()}"}

    def _check_split(self, split: str) -> None:
        if split not in self.tfds_splits:
            raise ValueError(
                f"TFDS {self.name}: split must be one of {', '.join(self.splits())}, "
                f"got {split!r}; {nearest(split, self.splits())}"
            )

    def remedy(self) -> str:
        """Returns what to do where the data is not prepared, and its size."""
        builder = self.name.partition(":")[0]
        size = "" if self.download_mib is None else f" (downloads {self.download_mib:,.1f} MiB)"
        by_hand = f"{self.manual}, then " if self.manual else ""
        return f"{by_hand}run `tfds build {builder}`{size}"

    def _converted(self, split: str, rows: Iterator[Any]) -> Iterator[Record | BadRecord]:
        for number, row in enumerate(rows, start=1):
            try:
                yield conform(self.features, _plain(row))
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                place = f"{self.name} {self.tfds_splits[split]}:{number}"
                yield BadRecord(place, f"{type(error).__name__}: {error}")

    def _load(self, rows: str) -> Iterator[Any]:
        tfds = self._import()
        builder = self._prepared(tfds)
        try:
            dataset = builder.as_dataset(split=rows, shuffle_files=False)
        except (ValueError, AssertionError, OSError) as error:
            raise self._no_rows(rows, error) from None
        return iter(tfds.as_numpy(dataset))

    def _no_rows(self, rows: str, error: Exception) -> ValueError:
        return ValueError(
            f"TFDS {self.name} must have the rows {rows}, got {_first_line(error)}; "
            "check the split, or prepare the dataset again."
        )

    def _prepared(self, tfds: Any) -> Any:
        """Returns the builder; its fields are the task's and its data is there."""
        try:
            builder = tfds.builder(self.name)
        except (ValueError, AssertionError, OSError) as error:
            raise ValueError(
                f"TFDS must have {self.name}, got {_first_line(error)}; "
                "check the name, the version and the release of tensorflow-datasets."
            ) from None
        found = _mismatch(self.features, builder.info.features)
        if found:
            raise ValueError(
                f"TFDS {self.name} must have the task's fields, got {found}; "
                "write the task's features as this version has them."
            )
        if not builder.is_prepared():
            raise UnavailableError(
                f"TFDS {self.name} must be prepared, got nothing at {builder.data_path}; "
                f"{self.remedy()}."
            )
        return builder

    def _import(self) -> Any:
        try:
            import tensorflow
            import tensorflow_datasets
        except ImportError as error:
            raise UnavailableError(
                f"TFDS {self.name} must have the package tensorflow-datasets, got {error}; "
                f"pip install 'flanjax[seqio]', then {self.remedy()}."
            ) from None
        # Where the process has started TensorFlow's devices itself, they are its own choice.
        with contextlib.suppress(RuntimeError):
            for kind in ("GPU", "TPU"):
                tensorflow.config.set_visible_devices([], kind)
        return tensorflow_datasets


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _mismatch(ours: Feature, theirs: Any, place: str = "") -> str | None:
    """Returns how a builder's feature differs from the one that a task reads."""
    if isinstance(ours, Labels):
        names = tuple(getattr(theirs, "names", ()) or ())
        shown = ", ".join(names) or type(theirs).__name__
        wanted = ", ".join(ours.names)
        return None if names == ours.names else f"{place!r} with {shown} instead of {wanted}"
    if isinstance(ours, Mapping):
        # TFDS writes a list of nests as a nest of lists.
        inner = getattr(theirs, "feature", theirs)
        for name, feature in ours.items():
            path = f"{place}.{name}" if place else name
            if name not in inner:
                return f"no {path!r} among {', '.join(inner)}"
            if inner is not theirs and isinstance(feature, list):
                feature = feature[0]
            found = _mismatch(feature, inner[name], path)
            if found:
                return found
        return None
    if isinstance(ours, list):
        if not hasattr(theirs, "feature"):
            return f"{place!r} as {type(theirs).__name__} instead of a sequence"
        return _mismatch(ours[0], theirs.feature, f"{place}[]")
    kinds = {str: "OSU", int: "iu", float: "f", bool: "b"}
    kind = np.dtype(theirs.np_dtype).kind if hasattr(theirs, "np_dtype") else "?"
    return None if kind in kinds[ours] else f"{place!r} as {theirs!r}"


def _plain(value: Any) -> Any:
    """Returns bytes as text, NumPy values and nests of them as Python's own."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if hasattr(value, "to_list"):  # a ragged tensor
        return _plain(value.to_list())
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
