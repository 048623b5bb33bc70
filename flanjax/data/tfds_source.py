"""Records from TensorFlow Datasets, as plain Python values."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flanjax.data.task import SPLITS, BadRecord, Record, nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tfds:
    """A TensorFlow Datasets builder, read in its stored order.

    TFDS keeps its data where TFDS_DATA_DIR says, or under the home directory,
    and downloads what is not there. TensorFlow is imported only when records
    are read, and sees no accelerator.

    Attributes:
      name: With configuration and version, as "glue/sst2:2.0.0".
      tfds_splits: Split -> how TFDS writes it, as "train[:-200]".
      to_record: Turns a row into the record that the task reads; None leaves
        it as it is. Where it raises KeyError or ValueError, the row is bad.
    """

    name: str
    tfds_splits: Mapping[str, str]
    to_record: Callable[[Record], Record] | None = None

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
          ValueError: The package is missing, or TFDS has no such data.
        """
        if split not in self.tfds_splits:
            raise ValueError(
                f"TFDS {self.name}: split must be one of {', '.join(self.splits())}, "
                f"got {split!r}; {nearest(split, self.splits())}"
            )
        return self._converted(split, _load(self.name, self.tfds_splits[split]))

    def _converted(self, split: str, rows: Iterator[Any]) -> Iterator[Record | BadRecord]:
        for number, row in enumerate(rows, start=1):
            try:
                record = _plain(row)
                yield record if self.to_record is None else self.to_record(record)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                place = f"{self.name} {self.tfds_splits[split]}:{number}"
                yield BadRecord(place, f"{type(error).__name__}: {error}")


def _load(name: str, split: str) -> Iterator[Any]:
    try:
        import tensorflow
        import tensorflow_datasets
    except ImportError as error:
        raise ValueError(
            f"TFDS {name} must have the package tensorflow-datasets, got {error}; "
            "pip install 'flanjax[seqio]'."
        ) from None
    # Where the process has started TensorFlow's devices itself, they are its own choice.
    with contextlib.suppress(RuntimeError):
        for kind in ("GPU", "TPU"):
            tensorflow.config.set_visible_devices([], kind)
    try:
        dataset = tensorflow_datasets.load(name, split=split, shuffle_files=False)
    except (ValueError, AssertionError, OSError) as error:
        first_line = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"TFDS must have {name} with the rows {split}, got {first_line}; "
            "check the name, the version and the network."
        ) from None
    return iter(tensorflow_datasets.as_numpy(dataset))


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
