"""Lays a folder of sample files out as the FLAN 2021 tasks look for them.

  python benchmarks/original_files.py SAMPLES DATA_DIR

Each dataset's file goes where its task reads it, in the form in which its
authors distribute it, or, where the sample has the names of TFDS, as rows
below DATA_DIR/tfds. Where there is one file of a dataset and its task wants
several, the file is cut: its head stands for training, its tail for the test.
So the splits are good for trying things out, and no benchmark of a dataset.
"""

from __future__ import annotations

import csv
import io
import json
import pathlib
import sys
import xml.etree.ElementTree
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Cut = tuple[float, float]
WHOLE: Cut = (0.0, 1.0)
HEAD: Cut = (0.0, 0.75)
TAIL: Cut = (0.75, 1.0)

COPIES: Mapping[str, str] = {
    "nli/rte": "nli/rte",
    "nli/wnli": "nli/wnli",
    "nli/snli_sample": "nli/snli",
    "sentiment/sst2": "sentiment/sst2",
    "sentiment/imdb_sample": "sentiment/imdb",
    "paraphrase/mrpc": "paraphrase/mrpc",
    "summarization/aeslc": "summarization/aeslc",
    "misc/cola": "miscellaneous/cola",
    "misc/trec": "miscellaneous/trec",
    "coreference/wsc273": "coreference/wsc273",
}
"""Folders whose files are all there and have their names."""

LINES: Mapping[str, Mapping[str, Cut]] = {
    "nli/anli_r1/dev.jsonl": {
        "nli/anli_r1/train.jsonl": (0, 0.6),
        "nli/anli_r1/dev.jsonl": (0.6, 0.8),
        "nli/anli_r1/test.jsonl": (0.8, 1),
    },
    "nli/anli_r2/dev.jsonl": {
        "nli/anli_r2/train.jsonl": (0, 0.6),
        "nli/anli_r2/dev.jsonl": (0.6, 0.8),
        "nli/anli_r2/test.jsonl": (0.8, 1),
    },
    "nli/mnli_sample/validation_sample.jsonl": {
        "tfds/glue/mnli/train.jsonl": (0, 0.8),
        "tfds/glue/mnli/validation_matched.jsonl": (0.8, 0.9),
        "tfds/glue/mnli/validation_mismatched.jsonl": (0.9, 1),
    },
    "paraphrase/qqp_sample/train_sample.jsonl": {
        "tfds/glue/qqp/train.jsonl": HEAD,
        "tfds/glue/qqp/validation.jsonl": TAIL,
    },
    "misc/wic_sample/train_sample.jsonl": {
        "tfds/super_glue/wic/train.jsonl": HEAD,
        "tfds/super_glue/wic/validation.jsonl": TAIL,
    },
    "summarization/cnn_dailymail/train_head.jsonl": {
        "tfds/cnn_dailymail/train.jsonl": (0, 0.5),
        "tfds/cnn_dailymail/validation.jsonl": (0.5, 0.7),
        "tfds/cnn_dailymail/test.jsonl": (0.7, 1),
    },
    "summarization/gigaword/train_head.jsonl": {
        "tfds/gigaword/train.jsonl": (0, 0.5),
        "tfds/gigaword/validation.jsonl": (0.5, 0.7),
        "tfds/gigaword/test.jsonl": (0.7, 1),
    },
    "reading_comprehension/boolq/validation_head.jsonl": {
        "reading_comprehension/bool_q/train.jsonl": HEAD,
        "reading_comprehension/bool_q/dev.jsonl": TAIL,
    },
    "closed_book_qa/nq_open/NQ-open.dev.jsonl": {
        "closed_book_qa/natural_questions/NQ-open.train.jsonl": HEAD,
        "closed_book_qa/natural_questions/NQ-open.dev.jsonl": TAIL,
    },
    "closed_book_qa/arc_challenge/validation.jsonl": {
        "closed_book_qa/arc_challenge/train.jsonl": (0, 0.9),
        "closed_book_qa/arc_challenge/test.jsonl": (0.9, 1),
    },
    "closed_book_qa/arc_easy/validation.jsonl": {
        "closed_book_qa/arc_easy/train.jsonl": HEAD,
        "closed_book_qa/arc_easy/test.jsonl": TAIL,
    },
    "commonsense/piqa/valid.jsonl": {
        "commonsense/piqa/train.jsonl": HEAD,
        "commonsense/piqa/valid.jsonl": TAIL,
    },
    "commonsense/piqa/valid-labels.lst": {
        "commonsense/piqa/train-labels.lst": HEAD,
        "commonsense/piqa/valid-labels.lst": TAIL,
    },
    "struct_to_text/common_gen/commongen.dev.jsonl": {
        "struct_to_text/common_gen/commongen.train.jsonl": HEAD,
        "struct_to_text/common_gen/commongen.dev.jsonl": TAIL,
    },
    # Too few to train on: they are for the test alone.
    "reading_comprehension/fewglue_multirc/train.jsonl": {
        "reading_comprehension/multirc/val.jsonl": WHOLE
    },
    "coreference/fewglue_wsc/train.jsonl": {"coreference/wsc/val.jsonl": WHOLE},
    "rc_commonsense/fewglue_record/train.jsonl": {"rc_commonsense/record/val.jsonl": WHOLE},
}
"""A file of one row a line -> files, and which part of it each gets."""

TABLES: Mapping[str, Mapping[str, Cut]] = {
    "misc/ag_news/test.csv": {
        "summarization/ag_news/train.csv": HEAD,
        "summarization/ag_news/test.csv": TAIL,
    },
    "struct_to_text/e2e_nlg/devset.csv": {
        "struct_to_text/e2e_nlg/trainset.csv": HEAD,
        "struct_to_text/e2e_nlg/devset.csv": TAIL,
    },
    "rc_commonsense/cosmos_qa/valid.csv": {
        "rc_commonsense/cosmos_qa/train.csv": HEAD,
        "rc_commonsense/cosmos_qa/valid.csv": TAIL,
    },
}
"""A quoted table with a header -> the same."""


def lay_out(samples: pathlib.Path, data_dir: pathlib.Path) -> list[str]:
    """Writes every file and returns their paths below data_dir."""
    written: list[str] = []

    def write(path: str, text: str | bytes) -> None:
        target = data_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        written.append(path)

    for source, target in COPIES.items():
        for file in sorted((samples / source).iterdir()):
            write(f"{target}/{file.name}", file.read_bytes())
    for source, parts in LINES.items():
        rows = (samples / source).read_bytes().removesuffix(b"\n").split(b"\n")
        for target, cut in parts.items():
            write(target, b"\n".join(part(rows, cut)) + b"\n")
    for source, parts in TABLES.items():
        with (samples / source).open(encoding="utf-8", newline="") as file:
            header, *cells = csv.reader(file)
        for target, cut in parts.items():
            text = io.StringIO()
            csv.writer(text).writerows([header, *part(cells, cut)])
            write(target, text.getvalue())
    for convert in (_squad, _drop, _copa, _blocks, _stsb, _trivia_qa, _web_nlg):
        for target, text in convert(samples).items():
            write(target, text)
    return written


def part(rows: Sequence[Any], cut: Cut) -> Sequence[Any]:
    """Returns a share of the rows, from the first of them to the second."""
    return rows[int(cut[0] * len(rows)) : int(cut[1] * len(rows))]


def _head_and_tail(
    rows: Sequence[Any], head: str, tail: str, join: Callable[[Sequence[Any]], str]
) -> dict[str, str]:
    return {head: join(part(rows, HEAD)), tail: join(part(rows, TAIL))}


def _jsonl(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _squad(samples: pathlib.Path) -> dict[str, str]:
    whole = json.loads((samples / "reading_comprehension/squad_v1/xquad.en.json").read_text())
    folder = "reading_comprehension/squad_v1"
    return _head_and_tail(
        whole["data"],
        f"{folder}/train-v1.1.json",
        f"{folder}/dev-v1.1.json",
        lambda articles: json.dumps({"version": "1.1", "data": list(articles)}),
    )


def _drop(samples: pathlib.Path) -> dict[str, str]:
    path = samples / "reading_comprehension/drop_contrast/drop_contrast_sets_test.json"
    folder = "reading_comprehension/drop"
    return _head_and_tail(
        list(json.loads(path.read_text()).items()),
        f"{folder}/drop_dataset_train.json",
        f"{folder}/drop_dataset_dev.json",
        lambda passages: json.dumps(dict(passages)),
    )


def _copa(samples: pathlib.Path) -> dict[str, str]:
    root = xml.etree.ElementTree.parse(samples / "commonsense/copa/copa-dev.xml").getroot()
    items = [xml.etree.ElementTree.tostring(item, "unicode") for item in root.iter("item")]
    return _head_and_tail(
        items,
        "commonsense/copa/copa-dev.xml",
        "commonsense/copa/copa-test.xml",
        lambda part: f"<copa-corpus>{''.join(part)}</copa-corpus>",
    )


def _blocks(samples: pathlib.Path) -> dict[str, str]:
    folder = "coreference/definite_pronoun_resolution"
    blocks = (samples / folder / "train.c.txt").read_text().strip().split("\n\n")
    return _head_and_tail(
        blocks,
        f"{folder}/train.c.txt",
        f"{folder}/test.c.txt",
        lambda part: "\n\n".join(part) + "\n\n",
    )


def _stsb(samples: pathlib.Path) -> dict[str, str]:
    rows = [
        line.split("\t")
        for file in sorted((samples / "paraphrase/stsb_semeval").glob("*.tsv"))
        for line in file.read_text().strip().split("\n")
    ]
    return _head_and_tail(
        [(a, b, score) for score, a, b in (row[:3] for row in rows)],
        "paraphrase/stsb/train.tsv",
        "paraphrase/stsb/dev.tsv",
        lambda part: "\n".join(map("\t".join, [("sentence1", "sentence2", "score"), *part])) + "\n",
    )


def _trivia_qa(samples: pathlib.Path) -> dict[str, str]:
    path = samples / "closed_book_qa/triviaqa_sample/triviaqa_sm_sub.jsonl"
    rows = [json.loads(line) for line in path.read_text().strip().split("\n")]
    records = [
        {
            "question": row["context"].removeprefix("Question: ").removesuffix("\nAnswer:"),
            "answer": {"value": row["answer"], "aliases": row["aliases"]},
        }
        for row in rows
    ]
    folder = "tfds/trivia_qa/rc"
    return _head_and_tail(records, f"{folder}/train.jsonl", f"{folder}/validation.jsonl", _jsonl)


def _web_nlg(samples: pathlib.Path) -> dict[str, str]:
    records = []
    for file in sorted((samples / "struct_to_text/web_nlg").rglob("*.xml")):
        for entry in xml.etree.ElementTree.parse(file).getroot().iter("entry"):
            texts = [lex.findtext("text") for lex in entry.iter("lex")]
            texts = [text.strip() for text in texts if text and text.strip()]
            triples = entry.find("modifiedtripleset")
            if triples is None or not texts:
                continue
            triples_text = [str(triple.text).strip() for triple in triples]
            records.append({"input": triples_text, "target": texts[0], "references": texts})
    folder = "tfds/gem/web_nlg_en"
    return _head_and_tail(records, f"{folder}/train.jsonl", f"{folder}/validation.jsonl", _jsonl)


if __name__ == "__main__":
    for name in lay_out(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])):
        print(name)
