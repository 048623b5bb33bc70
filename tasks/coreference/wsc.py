"""WSC: does a pronoun in a text stand for a given expression?"""

import re

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _from_superglue(row: Record) -> Record:
    return {
        "text": row["text"],
        "span1_text": row["target"]["span1_text"],
        "span2_text": row["target"]["span2_text"],
        "span2_index": row["target"]["span2_index"],
        "label": str(row["label"]),  # true or false; the classes are called "True" and "False"
    }


def _mark(text: str, pronoun: str, index: int) -> str | None:
    """Returns a text with asterisks around the pronoun meant, None if it lacks it.

    Args:
      text: The text.
      pronoun: The pronoun, which may stand in the text more than once.
      index: How many words stand before the one that is meant.
    """
    meant = min(
        re.finditer(rf"(?<!\w){re.escape(pronoun)}(?!\w)", text, re.IGNORECASE),
        key=lambda match: abs(len(re.findall(r"\s+", text[: match.start()])) - index),
        default=None,
    )
    if meant is None:
        return None
    return f"{text[: meant.start()]}*{meant.group()}*{text[meant.end() :]}"


def to_fields(record: Record) -> Fields | None:
    # Some spans hold a line break where the text has a blank.
    noun, pronoun = (" ".join(record[name].split()) for name in ("span1_text", "span2_text"))
    text = _mark(record["text"].strip(), pronoun, record["span2_index"])
    # SuperGLUE keeps the labels of its own test split to itself.
    if record["label"] == -1 or text is None:
        return None
    return {
        "text": text,
        "noun": noun,
        "pronoun": pronoun,
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


SOURCE = Published(
    tfds=Tfds(
        name="super_glue/wsc:1.0.2",
        tfds_splits={"train": "train[:-50]", "validation": "train[-50:]", "test": "validation"},
        features={
            "text": str,
            "span1_text": str,
            "span2_text": str,
            "span2_index": int,
            "label": Labels(("False", "True")),
        },
        rows={"train": 554, "validation": 104, "test": 146},
        download_mib=0.03,
    ),
    originals=(
        Jsonl(
            files={
                "train": "coreference/wsc/train.jsonl[:-50]",
                "validation": "coreference/wsc/train.jsonl[-50:]",
                "test": "coreference/wsc/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (WSC)",
            to_record=_from_superglue,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{text}\n\nIs the “{pronoun}” between asterisks a way of saying “{noun}” here?\n{options}"
    ),
    Template(
        "Text: {text}\nFirst expression: {noun}\nSecond expression: *{pronoun}*\n{options}\n"
        "Same referent?"
    ),
    Template(
        "With the starred word, does the author have “{noun}” in mind?\n\n{text}\n\n{options}"
    ),
    Template(
        "Suppose *{pronoun}* were struck out and “{noun}” written over it. Would the lines below "
        "still tell the story that they tell now?\n{text}\n{options}"
    ),
    Template(
        "Draw an arrow from the marked “{pronoun}” to whatever it stands for. Does your arrow end "
        "at “{noun}”?\n\nPassage: {text}\n\n{options}"
    ),
    Template(
        "{options}\n\nExpressions are coreferent when they pick out one and the same thing, "
        "person or group. Determine whether “{noun}” and *{pronoun}* are.\n\n{text}"
    ),
    Template(
        "In my view the “{pronoun}” that I put asterisks around in this excerpt is about “{noun}” "
        "but my sister won't have it. Am I right?\n\n{text}\n{options}"
    ),
    Template(
        "Grade the answer of a pupil.\nReading: {text}\nQuestion: What does *{pronoun}* refer to?\n"
        "Pupil: {noun}\n{options}\nCorrect?"
    ),
    Template("Yes or no: whoever wrote “{text}” used the asterisked “{pronoun}” for “{noun}”"),
    Template(
        "{text}\n\nSo “{noun}” and *{pronoun}* are one and the same, are they? Please reply with a "
        "yes or a no."
    ),
)

EXAMPLES = (
    {
        "text": "Lena thanked her aunt because she had fixed the kite .",
        "span1_text": "her aunt",
        "span2_text": "she",
        "span2_index": 5,
        "label": 1,
    },
    {
        "text": "Nils gave the beggar his coat because he was cold, though he had only one.",
        "span1_text": "Nils",
        "span2_text": "he",
        "span2_index": 7,
        "label": 0,
    },
    {
        "text": "The guides led the hikers down before they lost their way again.",
        "span1_text": "The\nhikers",
        "span2_text": "they",
        "span2_index": 7,
        "label": 1,
    },
)

TASK = Task(
    name="wsc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "noun", "pronoun", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("winograd_schemas",),
    license="CC BY 4.0",
    citation=(
        "Levesque et al., The Winograd Schema Challenge, KR 2012; Wang et al., SuperGLUE: A "
        "Stickier Benchmark for General-Purpose Language Understanding Systems, NeurIPS 2019"
    ),
)
