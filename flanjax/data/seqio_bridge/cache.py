"""A task's examples in the files that SeqIO reads as its cache.

```
  DIR/rte_10templates/train.tfrecord-00000-of-00004   tf.train.Examples
                      info.train.json                 shards, and the features' shapes and types
                      stats.train.json                examples and tokens
                      COMPLETED                       without which SeqIO does not look at it
```

Training examples lie in an order drawn by the seed, all passes mixed. Sequences are stored whole
and without end ids: SeqIO cuts and ends them at the lengths it is asked for. Source: SeqIO's
`_CachedDataSource` and `beam_utils`, 0.0.20.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import seqio
import tensorflow as tf

from flanjax.data.seqio_bridge.source import (
    SIGNATURE,
    BridgeConfig,
    Records,
    Wording,
    examples,
)

_MAX_PER_SHARD = 50_000
_COMPLETED = "COMPLETED"


class Written(NamedTuple):
    """What was written of a split.

    Attributes:
      split: Its name.
      num_examples: Examples.
      num_tokens: Ids of their inputs and targets.
    """

    split: str
    num_examples: int
    num_tokens: int


def check_free(folder: pathlib.Path) -> None:
    """Checks that a task is not cached yet.

    Raises:
      ValueError: It is.
    """
    if folder.exists():
        raise ValueError(
            f"a cached task must go to a new directory, got {folder}; remove it, or name another "
            "--out."
        )


def write_task(
    folder: pathlib.Path,
    wording: Wording,
    records: Records,
    config: BridgeConfig,
    *,
    splits: Iterable[str],
    on_progress: Callable[[int], None] = lambda num_examples: None,
) -> list[Written]:
    """Writes a task aside, then renames it: it is never half there.

    Args:
      folder: Where SeqIO will look: its cache directory and the task's name.
      wording: The task and its wording.
      records: Where its records are read.
      config: How they are rendered and tokenized.
      splits: What is written, of those that the task has.
      on_progress: Told of each example.

    Raises:
      ValueError: The folder is there.
    """
    check_free(folder)
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        aside.mkdir(parents=True)
        kept = [split for split in wording.task.source.splits() if split in splits]
        written = [
            _write_split(aside, split, wording, records, config, on_progress) for split in kept
        ]
        (aside / _COMPLETED).write_text("flanjax\n", "utf-8")
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written


def _write_split(
    folder: pathlib.Path,
    split: str,
    wording: Wording,
    records: Records,
    config: BridgeConfig,
    on_progress: Callable[[int], None],
) -> Written:
    read = records.read(wording.task, split)
    pool = records.read(wording.task, "train").records if wording.num_shots else ()
    num = len(read.records) * (config.passes if wording.template is None else 1)
    num_shards = -(-num // _MAX_PER_SHARD)
    lengths: dict[str, list[int]] = {"inputs": [], "targets": []}
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(
                tf.io.TFRecordWriter(str(folder / f"{split}.tfrecord-{i:05d}-of-{num_shards:05d}"))
            )
            for i in range(num_shards)
        ]
        order = np.arange(num)
        if split == "train":  # SeqIO shuffles files and a small buffer; no wording comes last
            np.random.default_rng(config.seed).shuffle(order)
        made = examples(wording, read, pool, config, order.tolist())
        for number, example in enumerate(made):
            files[number % num_shards].write(_serialized(example))
            for side, found in lengths.items():
                found.append(len(example[side]))
            on_progress(number + 1)
    info = {"num_shards": num_shards, "features": _FEATURES, "seqio_version": seqio.__version__}
    stats = {"examples": len(lengths["inputs"]), "records": len(read.records)}
    for side, found in lengths.items():
        stats |= {f"{side}_tokens": sum(found), f"{side}_max_tokens": max(found)}
    for name, content in (("info", info), ("stats", stats)):
        (folder / f"{name}.{split}.json").write_text(json.dumps(content, indent=2), "utf-8")
    num_tokens = stats["inputs_tokens"] + stats["targets_tokens"]
    return Written(split, stats["examples"], num_tokens)


_FEATURES = {
    name: {"shape": [None] * spec.shape.rank, "dtype": spec.dtype.name}
    for name, spec in SIGNATURE.items()
}


def _serialized(example: Mapping[str, Any]) -> bytes:
    feature = {name: _feature(name, value) for name, value in example.items()}
    content: bytes = tf.train.Example(
        features=tf.train.Features(feature=feature)
    ).SerializeToString()
    return content


def _feature(name: str, value: Any) -> tf.train.Feature:
    values = value if SIGNATURE[name].shape.rank else [value]
    if SIGNATURE[name].dtype == tf.string:
        texts = [text.encode("utf-8") for text in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(v) for v in values]))
