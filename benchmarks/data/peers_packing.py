"""How full the rows are that the peers' own packers make of the same lengths.

  P=benchmarks.data.peers_packing
  .venv-bench-hf/bin/python    -m $P trl   FOLDER     # FOLDER as benchmarks.data.lengths writes it
  .venv-bench-seqio/bin/python -m $P grain FOLDER     # 10 minutes; the others 1 and 5
  .venv-bench-seqio/bin/python -m $P seqio FOLDER     # of the first 20,000 examples: it is slow

Prints a JSON line for each packer, set and capacity. Fill is tokens over slots of the rows that
the packer gave out, counted in those rows; a packer that loses a token is an error. Examples
too long for a capacity are cut on the right beforehand, and counted. A packer's last, half-full
rows are an accident of where a set ends: where a set makes few rows it is given up to eight times
over, each time in an order of its own.

Where a packer has settings, the best that its documents name is taken; `setting` says which.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data.lengths import read_lengths, repeated

CAUSAL: Sequence[tuple[int, ...]] = ((1024,), (2048,), (4096,))
ENCODER_DECODER: Sequence[tuple[int, ...]] = (
    (512, 128),
    (512, 512),
    (1024, 128),
    (1024, 256),
    (2048, 256),
    (2048, 512),
)
FEATURES = ("inputs", "targets")
_ENOUGH_ROWS = 2000
_MOST_REPEATS = 8
_NUM_BINS = 64
_NUM_SEQIO_EXAMPLES = 20_000


class Packed(NamedTuple):
    """What a packer made.

    Attributes:
      num_rows: Rows given out.
      num_tokens: Tokens in them, for each feature.
      seconds: From the first example asked for to the last row given out.
    """

    num_rows: int
    num_tokens: tuple[int, ...]
    seconds: float


Packer = Callable[[np.ndarray, tuple[int, ...]], Packed]


class Entry(NamedTuple):
    """A packer, and what it is asked.

    Attributes:
      package: Where it comes from.
      setting: How it is called.
      pack: Packs lengths [examples, features] into rows of the capacities.
      capacities: What it can pack into.
      most: Examples that it gets at most.
    """

    package: str
    setting: str
    pack: Packer
    capacities: Sequence[tuple[int, ...]]
    most: int | None = None


def _count(rows: Iterator[Sequence[np.ndarray]], num_features: int, started: float) -> Packed:
    num_rows, num_tokens = 0, [0] * num_features
    for segments in rows:
        num_rows += len(segments[0])
        for feature, ids in enumerate(segments):
            num_tokens[feature] += int(np.count_nonzero(ids))
    return Packed(num_rows, tuple(num_tokens), time.perf_counter() - started)


def trl_bfd(lengths: np.ndarray, capacities: tuple[int, ...], *, batch_size: int) -> Packed:
    """Packs by TRL's best fit decreasing over batches of a dataset's map; 0 for all at once."""
    import datasets
    import pyarrow as pa
    from trl import pack_dataset  # TRL imports a name when it is asked for, so before the clock

    datasets.disable_progress_bars()
    datasets.disable_caching()
    ends = np.concatenate([[0], np.cumsum(lengths[:, 0])]).astype(np.int64)
    ids = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(np.ones(ends[-1], np.int32)))
    dataset = datasets.Dataset(pa.table({"input_ids": ids}))
    started = time.perf_counter()
    packed = pack_dataset(dataset, capacities[0], "bfd", {"batch_size": batch_size or len(dataset)})
    seconds = time.perf_counter() - started
    # Rows are not padded to the capacity; what a row lacks is counted as empty slots all the same.
    num_tokens = sum(len(row) for row in packed.with_format("numpy")["input_ids"])
    return Packed(len(packed), (num_tokens,), seconds)


class _Ones(Sequence[dict[str, np.ndarray]]):
    """Examples of the given lengths whose tokens are all one."""

    def __init__(self, lengths: np.ndarray) -> None:
        self._lengths = lengths.tolist()
        self._ones = np.ones(lengths.max(), np.int32)

    def __len__(self) -> int:
        return len(self._lengths)

    def __getitem__(self, index: Any) -> Any:
        row = self._lengths[index]
        return {name: self._ones[:size] for name, size in zip(FEATURES, row, strict=False)}


def grain_packer(lengths: np.ndarray, capacities: tuple[int, ...], *, kind: str) -> Packed:
    """Packs by one of Grain's packing datasets, read by the thread that asks."""
    import grain
    import grain.experimental

    features = FEATURES[: len(capacities)]
    started = time.perf_counter()
    dataset = getattr(grain.experimental, kind)(
        grain.MapDataset.source(_Ones(lengths)).to_iter_dataset(grain.ReadOptions(num_threads=0)),
        length_struct=dict(zip(features, capacities, strict=True)),
        num_packing_bins=_NUM_BINS,
        shuffle_bins=False,
    )
    rows = ([row[f"{name}_segment_ids"][None] for name in features] for row in dataset)
    return _count(rows, len(features), started)


def seqio_packer(lengths: np.ndarray, capacities: tuple[int, ...]) -> Packed:
    """Packs by SeqIO's converter: LM for one length, encoder-decoder for two."""
    import seqio
    import tensorflow as tf

    names = FEATURES if len(capacities) == 2 else ("targets",)

    def ones(sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.ones([sizes[i]], tf.int32) for i, name in enumerate(names)}

    made = seqio.EncDecFeatureConverter if len(names) == 2 else seqio.LMFeatureConverter
    started = time.perf_counter()
    dataset = tf.data.Dataset.from_tensor_slices(lengths).map(ones)
    packed = made(pack=True)(dataset, dict(zip(names, capacities, strict=True)))
    keys = ("encoder_segment_ids", "decoder_segment_ids")[-len(names) :]
    rows = ([batch[key] for key in keys] for batch in packed.batch(64).as_numpy_iterator())
    return _count(rows, len(names), started)


def _trl(batch_size: int) -> Packer:
    return lambda lengths, capacities: trl_bfd(lengths, capacities, batch_size=batch_size)


def _grain(kind: str) -> Packer:
    return lambda lengths, capacities: grain_packer(lengths, capacities, kind=kind)


PEERS: Mapping[str, Sequence[Entry]] = {
    "trl": (
        Entry("trl", "bfd, whole set, overflow truncated", _trl(0), CAUSAL),
        Entry("trl", "bfd, 1000 rows a map batch, overflow truncated", _trl(1000), CAUSAL),
    ),
    "grain": tuple(
        Entry("grain", f"{kind}, {_NUM_BINS} bins", _grain(kind), capacities)
        for kind in ("FirstFitPackIterDataset", "BestFitPackIterDataset")
        for capacities in (CAUSAL, ENCODER_DECODER)
    ),
    "seqio": (
        Entry("seqio", "LMFeatureConverter", seqio_packer, CAUSAL, _NUM_SEQIO_EXAMPLES),
        Entry(
            "seqio", "EncDecFeatureConverter", seqio_packer, ENCODER_DECODER, _NUM_SEQIO_EXAMPLES
        ),
    ),
}


def least_rows(lengths: np.ndarray, capacities: Sequence[int]) -> int:
    """Returns how many rows even a perfect packer needs, by the fuller feature."""
    return int(np.ceil(lengths.sum(0) / np.asarray(capacities)).max())


def measure(entry: Entry, lengths: np.ndarray, capacities: tuple[int, ...]) -> dict[str, Any]:
    """Packs a set into one capacity and returns the result's fields."""
    if len(capacities) == 1:
        lengths = lengths.sum(1, keepdims=True)
    cut = np.minimum(lengths, capacities)
    repeats = min(_MOST_REPEATS, math.ceil(_ENOUGH_ROWS / least_rows(cut, capacities)))
    whole = repeated(lengths, repeats)[: entry.most]
    given = np.minimum(whole, capacities)
    packed = entry.pack(given, capacities)
    expected = tuple(int(tokens) for tokens in given.sum(0))
    if packed.num_tokens != expected:
        raise ValueError(
            f"{entry.setting} must keep every token at {capacities}, got {packed.num_tokens} of "
            f"{expected}; its fill means nothing."
        )
    slots = packed.num_rows * np.asarray(capacities)
    least = least_rows(given, capacities)
    return {
        "capacities": list(capacities),
        "fill": round(sum(expected) / int(slots.sum()), 4),
        "fill_by_feature": [round(float(fill), 4) for fill in np.asarray(expected) / slots],
        "fill_bound": round(sum(expected) / (least * sum(capacities)), 4),
        "rows": packed.num_rows,
        "least_rows": least,
        "examples": len(given),
        "repeats": math.ceil(len(given) / len(lengths)),
        "truncated": int((whole > given).any(1).sum()),
        "seconds": round(packed.seconds, 3),
    }


def main() -> None:
    """Reads the command line and prints a line for each measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=pathlib.Path, help="as benchmarks.data.lengths writes it")
    parser.add_argument("--set", action="append", dest="sets", help="only this set; repeatable")
    arguments = parser.parse_args()
    sets = read_lengths(arguments.folder)
    for name in arguments.sets or sets:
        for entry in PEERS[arguments.peer]:
            for capacities in entry.capacities:
                line = {
                    "peer": entry.package,
                    "version": importlib.metadata.version(entry.package),
                    "setting": entry.setting,
                    "set": name,
                    **measure(entry, sets[name], capacities),
                }
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
