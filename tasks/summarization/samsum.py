"""SAMSum: what a chat on a messenger came to."""

import json
import re
from collections.abc import Iterable

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

_ATTACHMENT = re.compile(r"<\w+>")
_SPEAKER_ALONE = re.compile(r"[^:]*:")


def _read(text: str) -> Iterable[Record]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise ValueError(f"a file must be a JSON list of chats, got {type(rows).__name__}")
    return rows


def to_fields(record: Record) -> Fields | None:
    # <file_photo> stands for what was sent; a heart, as in "<3", is part of the message.
    lines = [_ATTACHMENT.sub(" ", line) for line in record["dialogue"].splitlines()]
    lines = [" ".join(line.split()) for line in lines]
    dialogue = "\n".join(line for line in lines if line and not _SPEAKER_ALONE.fullmatch(line))
    answer = " ".join(record["summary"].split())
    return {"dialogue": dialogue, "answer": answer} if dialogue and answer else None


# As in FLAN, validation is the first 200 chats of its own split.
SOURCE = Published(
    tfds=Tfds(
        name="samsum:1.0.0",
        tfds_splits={"train": "train", "validation": "validation[:200]", "test": "test"},
        features={"dialogue": str, "summary": str},
        rows={"train": 14_732, "validation": 818, "test": 819},
        manual=(
            "get https://arxiv.org/src/1911.12237v2/anc/corpus.7z and put its train.json, val.json "
            "and test.json into ~/tensorflow_datasets/downloads/manual"
        ),
    ),
    originals=(
        Document(
            files={
                "train": "summarization/samsum/train.json",
                "validation": "summarization/samsum/val.json[:200]",
                "test": "summarization/samsum/test.json",
            },
            public="https://arxiv.org/src/1911.12237v2/anc/corpus.7z",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template("{dialogue}\n\nIn the third person and in a sentence or two: what came of this chat?"),
    Template(
        "I joined the group late and missed these messages. Catch me up, briefly?\n\n{dialogue}"
    ),
    Template(
        "Recount the conversation for somebody who was not part of it. A few short sentences will "
        "do.\n\n{dialogue}"
    ),
    Template("Chat log:\n{dialogue}\n\nMinutes, kept to the essentials:"),
    Template(
        "A lock screen has room for one short note on a thread. What should it tell the owner of "
        "the phone about the messages below?\n\n{dialogue}"
    ),
    Template(
        "Grandma looks over your shoulder at the phone and asks “What are they on about?” Tell "
        "her in one or two sentences.\n{dialogue}"
    ),
    Template(
        "Condense the exchange of texts that follows. Keep the names and whatever was agreed, "
        "planned or revealed, and drop the greetings and jokes.\n\n{dialogue}"
    ),
    Template(
        "Make up a messenger conversation, each message on its own line after the sender's name, "
        "of which the following is a fair account.\n\n{answer}",
        "{dialogue}",
        True,
    ),
    Template(
        "{answer}\n\nShow me the texts behind this, in order, each as “Name: message” on a line.",
        "{dialogue}",
        True,
    ),
    Template(
        "Outline of a scene that takes place on phone screens: {answer}\n\n"
        "Script what the characters type to each other.",
        "{dialogue}",
        True,
    ),
)

EXAMPLES = (
    {
        "dialogue": (
            "Nora: Are you still up for the lake on Saturday? <3\r\nTim: Sure! Who drives?\r\n"
            "Tim: <file_photo>\r\nNora: My brother <file_gif> he leaves at 8\r\nTim: I'll be there."
        ),
        "summary": "Nora's brother will drive her and Tim to the lake on Saturday at 8.",
    },
    {
        "dialogue": (
            "Priya: Boss wants the slides by noon\nOmar: which ones??\nPriya: The ones for Oslo\n"
            "Omar: ok sending in 10 min\nPriya: Lifesaver :)"
        ),
        "summary": "Omar will send Priya the slides for Oslo, which their boss wants by noon.",
    },
    {
        "dialogue": "Lena: I passed!!!\nPapa: All three exams?\nLena: Yes :D\nPapa: So proud",
        "summary": "Lena has passed her three exams. Papa is proud of her.",
    },
)

TASK = Task(
    name="samsum",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("dialogue", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("samsum",),
    license="CC BY-NC-ND 4.0",
    citation=(
        "Gliwa et al., SAMSum Corpus: A Human-annotated Dialogue Dataset for Abstractive "
        "Summarization, NewSum 2019"
    ),
)
