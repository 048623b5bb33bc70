"""How fast the peers turn text into packed batches: tokens that are not padding, per second.

  P=benchmarks.data.peers_feeding                      # one core each: put taskset -c 0 before
  .venv-bench-seqio/bin/python -m $P seqio FOLDER      # FOLDER as benchmarks.data.lengths writes it
  .venv-bench-hf/bin/python    -m $P hf    FOLDER
  .venv-bench-seqio/bin/python -m $P grain FOLDER      # from rows that are packed already

Prints one JSON line. Imports, reading the text file and making the vocabulary are not timed;
`clock` says what is. Where a peer has start-up that does not grow with the data, it is given
apart as startup_s, and tokens_per_s is without it; SeqIO gains by that a little, as the examples
that it packs at one go, 512 here, are packed by then.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.data.lengths import VOCABULARY, read_texts

INPUTS, TARGETS = 512, 128
BATCH_SIZE = 32
_EOS_ID = 1
_NUM_BINS = 64
_RECORD_OPTIONS = "group_size:1,uncompressed"  # one row a read, nothing to unpack
_LEAST_SECONDS = 4.0
_BESIDE = {
    "seqio": ("tensorflow", "tensorflow-text"),
    "trl": ("datasets", "tokenizers", "transformers", "torch"),
    "grain": ("array_record",),
}
_MOST_HF_TOKENS = 1 << 20  # no text is cut: only the packer cuts


def seqio_feeding(folder: pathlib.Path, num_examples: int | None) -> dict[str, Any]:
    """Feeds by a SeqIO task: tokenise, end token, encoder-decoder rows, batches."""
    import seqio
    import tensorflow as tf

    texts = read_texts(folder, num_examples)
    columns = {
        "inputs": [text.inputs for text in texts],
        "targets": [text.targets for text in texts],
    }
    feature = seqio.Feature(seqio.SentencePieceVocabulary(str(folder / VOCABULARY)))
    started = time.perf_counter()
    task = seqio.Task(
        "feeding",
        source=seqio.FunctionDataSource(
            lambda split, shuffle_files: tf.data.Dataset.from_tensor_slices(columns),
            splits=["train"],
        ),
        preprocessors=[
            functools.partial(seqio.preprocessors.tokenize, copy_pretokenized=False),
            seqio.preprocessors.append_eos,
        ],
        output_features={"inputs": feature, "targets": feature},
    )
    lengths = {"inputs": INPUTS, "targets": TARGETS}
    examples = task.get_dataset(lengths, split="train", shuffle=False)
    rows = seqio.EncDecFeatureConverter(pack=True)(examples, lengths)
    batches = rows.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    next(batches)  # tf.data makes its graph and its threads
    startup_s = time.perf_counter() - started
    num_tokens, num_rows, seconds, processor_s = _drain(batches, _seqio_tokens)
    return {
        **_result("seqio", num_tokens, num_rows * (INPUTS + TARGETS), seconds, processor_s),
        "capacities": [INPUTS, TARGETS],
        "examples": len(texts),
        "rows": num_rows,
        "startup_s": round(startup_s, 2),
        "clock": "second to last batch: tokenize, append_eos, trim, pack, batch; in file order",
    }


def _seqio_tokens(batch: Mapping[str, np.ndarray]) -> tuple[int, int]:
    segments = batch["encoder_segment_ids"], batch["decoder_segment_ids"]
    return sum(int(np.count_nonzero(ids)) for ids in segments), len(segments[0])


def _drain(
    batches: Iterator[Any], count: Callable[[Any], tuple[int, int]]
) -> tuple[int, int, float, float]:
    """Returns tokens and rows of the batches, and the seconds of clock and processor."""
    started, processor = time.perf_counter(), time.process_time()
    num_tokens = num_rows = 0
    for batch in batches:
        tokens, rows = count(batch)
        num_tokens += tokens
        num_rows += rows
    return (
        num_tokens,
        num_rows,
        time.perf_counter() - started,
        time.process_time() - processor,
    )


def hf_feeding(folder: pathlib.Path, num_examples: int | None) -> dict[str, Any]:
    """Feeds by transformers' T5 tokenizer, datasets' map, TRL's packing and its collator."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets
    import torch
    import transformers
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    datasets.disable_progress_bars()
    datasets.disable_caching()
    tokenizer = _hf_tokenizer(transformers, folder / VOCABULARY)
    texts = read_texts(folder, num_examples)
    dataset = datasets.Dataset.from_list([text._asdict() for text in texts])

    def tokenize(rows: Mapping[str, list[str]]) -> dict[str, list[list[int]]]:
        pairs = list(
            zip(
                tokenizer(rows["inputs"], add_special_tokens=False)["input_ids"],
                tokenizer(rows["targets"])["input_ids"],
                strict=True,
            )
        )
        return {
            "input_ids": [inputs + targets for inputs, targets in pairs],
            "labels": [[-100] * len(inputs) + targets for inputs, targets in pairs],
        }

    length = INPUTS + TARGETS
    started, processor = time.perf_counter(), time.process_time()
    tokenized = dataset.map(tokenize, batched=True, remove_columns=["inputs", "targets"])
    tokenized_at = time.perf_counter()
    packed = pack_dataset(tokenized, length, "bfd")
    packed_at = time.perf_counter()
    collator = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    loader = torch.utils.data.DataLoader(packed, batch_size=BATCH_SIZE, collate_fn=collator)
    num_tokens, _, collate_s, _ = _drain(
        iter(loader), lambda batch: (batch["input_ids"].numel(), 0)
    )
    seconds, processor_s = time.perf_counter() - started, time.process_time() - processor
    return {
        **_result("trl", num_tokens, len(packed) * length, seconds, processor_s),
        "capacities": [length],
        "examples": len(texts),
        "rows": len(packed),
        "stages_s": {
            "tokenize": round(tokenized_at - started, 2),
            "pack": round(packed_at - tokenized_at, 2),
            "collate": round(collate_s, 2),
        },
        "clock": "batched map of a fast tokenizer, bfd packing of 1000 rows a map batch, "
        "padding-free collator in a DataLoader; in file order",
    }


def _hf_tokenizer(transformers: Any, model: pathlib.Path) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "spiece.model").write_bytes(model.read_bytes())
        return transformers.T5Tokenizer.from_pretrained(folder, model_max_length=_MOST_HF_TOKENS)


def grain_feeding(folder: pathlib.Path, num_examples: int | None) -> dict[str, Any]:
    """Feeds by Grain from an ArrayRecord of packed rows, shuffled anew each epoch."""
    import grain

    with tempfile.TemporaryDirectory() as scratch:
        path = str(pathlib.Path(scratch) / "rows.array_record")
        num_examples, num_tokens = _write_packed(folder, num_examples, path)
        source = grain.sources.ArrayRecordDataSource([path])

        def epoch(seed: int) -> Iterator[np.ndarray]:
            rows = grain.MapDataset.source(source).shuffle(seed)
            batches = rows.map(lambda row: np.frombuffer(row, np.int32)).batch(BATCH_SIZE)
            return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=1)))

        num_rows = sum(len(batch) for batch in epoch(0))  # brings the file into memory
        epochs, started, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - started < _LEAST_SECONDS:
            epochs += 1
            for batch in epoch(epochs):
                if batch.shape[1] != 3 * (INPUTS + TARGETS):
                    raise ValueError(f"a row must hold three arrays, got {batch.shape}; mend it.")
        seconds, processor_s = time.perf_counter() - started, time.process_time() - processor
    slots = num_rows * (INPUTS + TARGETS)
    return {
        **_result("grain", epochs * num_tokens, epochs * slots, seconds, processor_s),
        "capacities": [INPUTS, TARGETS],
        "examples": num_examples,
        "rows": num_rows,
        "epochs": epochs,
        "clock": "whole epochs: shuffle, read, batch; text was tokenised and packed before",
    }


def _write_packed(folder: pathlib.Path, num_examples: int | None, path: str) -> tuple[int, int]:
    """Writes rows of ids, segments and positions; returns examples and tokens."""
    import grain
    import grain.experimental
    import sentencepiece
    from array_record.python.array_record_module import ArrayRecordWriter

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / VOCABULARY))
    texts = read_texts(folder, num_examples)
    capacities = {"inputs": INPUTS, "targets": TARGETS}
    columns = {name: pieces.encode([getattr(text, name) for text in texts]) for name in capacities}
    examples = [
        {
            name: np.array([*columns[name][i], _EOS_ID][: capacities[name]], np.int32)
            for name in capacities
        }
        for i in range(len(texts))
    ]
    packed = grain.experimental.FirstFitPackIterDataset(
        grain.MapDataset.source(examples).to_iter_dataset(),
        length_struct=capacities,
        num_packing_bins=_NUM_BINS,
    )
    keys = [name + suffix for suffix in ("", "_segment_ids", "_positions") for name in capacities]
    writer = ArrayRecordWriter(path, _RECORD_OPTIONS)
    num_tokens = 0
    for row in packed:
        writer.write(np.concatenate([row[key] for key in keys], dtype=np.int32).tobytes())
        num_tokens += sum(int(np.count_nonzero(row[f"{name}_segment_ids"])) for name in capacities)
    writer.close()
    return len(texts), num_tokens


def _result(
    peer: str, num_tokens: int, num_slots: int, seconds: float, processor_s: float
) -> dict[str, Any]:
    return {
        "peer": peer,
        "version": importlib.metadata.version(peer),
        "packages": {name: importlib.metadata.version(name) for name in (peer, *_BESIDE[peer])},
        "tokens_per_s": round(num_tokens / seconds),
        "tokens": num_tokens,
        "seconds": round(seconds, 3),
        "processor_s": round(processor_s, 3),
        "fill": round(num_tokens / num_slots, 4),
        "batch_size": BATCH_SIZE,
        "cores": len(os.sched_getaffinity(0)),
    }


PEERS: Mapping[str, Callable[[pathlib.Path, int | None], dict[str, Any]]] = {
    "seqio": seqio_feeding,
    "hf": hf_feeding,
    "grain": grain_feeding,
}


def main() -> None:
    """Reads the command line, feeds once and prints the line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=pathlib.Path, help="as benchmarks.data.lengths writes it")
    parser.add_argument("--examples", type=int, help="only the first so many")
    arguments = parser.parse_args()
    print(json.dumps(PEERS[arguments.peer](arguments.folder, arguments.examples)), flush=True)


if __name__ == "__main__":
    main()
