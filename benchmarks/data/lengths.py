"""Lengths and texts of real instruction data, which every packer and feeder is given alike.

  python -m benchmarks.data.lengths OUTPUT [--data DATA]      # a few seconds

DATA, or FLANJAX_TEST_DATA, is a folder with p3/ (T0 renders), sni/tasks/ (the tasks of
Super-NaturalInstructions), cot/flan_cot/ (FLAN's chains of thought) and reference/t5_vocab/ (the
T5 vocabulary). OUTPUT gets lengths.npz, an int32 array [examples, 2] of tokens in and out for
each set; texts.jsonl, the texts of the set p3+sni+cot, row by row; and the vocabulary. Inputs
and targets each count their end token.

Rows are in an order drawn once: files lie sorted by template, which no training job reads in
turn, and which would flatter or harm a packer that sees a few examples at a time.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

SEED = 2021
LENGTHS = "lengths.npz"
TEXTS = "texts.jsonl"
VOCABULARY = "vocabulary.model"
ALL_TEXTS = "p3+sni+cot"
_END_OF_P3_COMPLETION = "<|endoftext|>"
_NUM_FLAN_LIKE = 20_000


class Text(NamedTuple):
    """One example before it is tokenised."""

    inputs: str
    targets: str


def read_p3(data: pathlib.Path) -> Iterator[Text]:
    """Yields the T0 renders, less the end-of-text mark of their source."""
    for path in sorted((data / "p3").rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
            row = json.loads(line)
            yield Text(row["prompt"], row["completion"].removesuffix(_END_OF_P3_COMPLETION))


def read_sni(data: pathlib.Path) -> Iterator[Text]:
    """Yields every instance below its task's definition, with its first output."""
    for path in sorted((data / "sni" / "tasks").glob("*.json")):
        task = json.loads(path.read_text(encoding="utf-8"))
        definition = _first(task["Definition"])
        for instance in task["Instances"]:
            yield Text(f"{definition}\n\n{instance['input']}", _first(instance["output"]))


def read_cot(data: pathlib.Path) -> Iterator[Text]:
    r"""Yields question, and rationale followed by answer; the files write line ends as \n."""
    for path in sorted((data / "cot" / "flan_cot").glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                question, answer, rationale = (cell.replace("\\n", "\n") for cell in row)
                yield Text(question, f"{rationale}\n{answer}")


READERS: Mapping[str, Callable[[pathlib.Path], Iterator[Text]]] = {
    "p3": read_p3,
    "sni": read_sni,
    "cot": read_cot,
}


def _first(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else text[0]


def count_tokens(texts: Sequence[Text], model: pathlib.Path) -> np.ndarray:
    """Returns int32 [examples, 2]: tokens of inputs and targets, one end token in each."""
    import sentencepiece  # readers of the result need no tokeniser

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    columns = [
        [len(ids) + 1 for ids in pieces.encode([text[side] for text in texts], num_threads=2)]
        for side in range(2)
    ]
    return np.array(columns, np.int32).T


def flan_like(num_examples: int = _NUM_FLAN_LIKE) -> np.ndarray:
    """Returns drawn lengths [examples, 2] in the manner of FLAN's mixture.

    Inputs are lognormal, median 90 and sigma 0.85. Of the targets 60 % are
    labels of 2 to 6 tokens and the rest lognormal, median 40 and sigma 0.7.
    What is drawn lognormal gets two tokens more.
    """
    rng = np.random.default_rng(SEED)
    inputs = rng.lognormal(np.log(90), 0.85, num_examples).astype(np.int32) + 2
    labels = rng.integers(2, 7, num_examples)
    answers = rng.lognormal(np.log(40), 0.7, num_examples).astype(np.int32) + 2
    targets = np.where(rng.random(num_examples) < 0.6, labels, answers)
    return np.stack([inputs, targets], axis=1).astype(np.int32)


def read_lengths(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the lengths of every set that a folder holds, [examples, 2] each."""
    with np.load(folder / LENGTHS) as file:
        return {name: file[name] for name in file.files}


def read_texts(folder: pathlib.Path, num_examples: int | None = None) -> list[Text]:
    """Returns the first texts of p3+sni+cot, or all of them."""
    with (folder / TEXTS).open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in itertools.islice(file, num_examples)]
    return [Text(row["inputs"], row["targets"]) for row in rows]


def repeated(lengths: np.ndarray, repeats: int) -> np.ndarray:
    """Returns the rows as they are, then as often as asked in an order of its own."""
    rng = np.random.default_rng(SEED)
    again = [rng.permutation(lengths) for _ in range(repeats - 1)]
    return np.concatenate([lengths, *again])


def write(data: pathlib.Path, output: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads, tokenises and writes every set; returns its lengths."""
    texts = {name: list(read(data)) for name, read in READERS.items()}
    texts[ALL_TEXTS] = [text for name in READERS for text in texts[name]]
    model = data / "reference" / "t5_vocab" / "sentencepiece.model"
    everything = count_tokens(texts[ALL_TEXTS], model)
    ends = np.cumsum([len(texts[name]) for name in READERS])[:-1]
    lengths = dict(zip(READERS, np.split(everything, ends), strict=True))
    lengths[ALL_TEXTS] = everything

    rng = np.random.default_rng(SEED)
    orders = {name: rng.permutation(len(rows)) for name, rows in lengths.items()}
    lengths = {name: rows[orders[name]] for name, rows in lengths.items()}
    lengths["flan_like"] = flan_like()

    output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, output / VOCABULARY)
    with (output / f"{TEXTS}.partial").open("w", encoding="utf-8") as file:
        for i in orders[ALL_TEXTS]:
            row = json.dumps(texts[ALL_TEXTS][i]._asdict(), ensure_ascii=False)
            file.write(row + "\n")
    os.replace(output / f"{TEXTS}.partial", output / TEXTS)
    with (output / f"{LENGTHS}.partial").open("wb") as file:
        np.savez(file, **lengths)
    os.replace(output / f"{LENGTHS}.partial", output / LENGTHS)
    return lengths


def table(lengths: Mapping[str, np.ndarray]) -> str:
    """Returns a line a set: examples, how long, and how much in all."""
    titles = (f"{title} in/out".rjust(11) for title in ("p50", "p95", "p99"))
    head = [f"{'set':<12}{'examples':>9}{'empty':>7}", "mean in/out".rjust(13), *titles]
    lines = ["  ".join([*head, "tokens in/out".rjust(19)])]
    for name, rows in lengths.items():
        cells = [f"{name:<12}{len(rows):>9,}{np.sum(rows[:, 1] == 1):>7}"]
        cells.append("{:.1f} / {:.1f}".format(*rows.mean(0)).rjust(13))
        for percent in (50, 95, 99):
            cells.append("{:.0f} / {:.0f}".format(*np.percentile(rows, percent, axis=0)).rjust(11))
        cells.append("{:,} / {:,}".format(*rows.sum(0)).rjust(19))
        lines.append("  ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Reads the command line, writes and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=pathlib.Path, help="folder to write to")
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        default=os.environ.get("FLANJAX_TEST_DATA"),
        help="folder of records; default: FLANJAX_TEST_DATA",
    )
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data must be given where FLANJAX_TEST_DATA is unset.")
    print(table(write(pathlib.Path(arguments.data), arguments.output)))


if __name__ == "__main__":
    main()
