"""HellaSwag: which of four endings carries on a caption or a piece of advice?"""

import re

from flanjax.data.published import Published
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

NUM_ENDINGS = 4

_TAGS = re.compile(r"\[(?:header|title|step|substeps)\]")
_ENDS = tuple(".!?:;,")
_CLOSERS = "\"')\u201d\u2019"


def _clean(text: str) -> str:
    """Returns the text without wikiHow's tags; a heading ends in a full stop instead."""
    parts = (" ".join(part.split()) for part in _TAGS.split(text))
    *headings, last = [part for part in parts if part] or [""]
    stops = ("" if part.rstrip(_CLOSERS).endswith(_ENDS) else "." for part in headings)
    return " ".join([*map("".join, zip(headings, stops, strict=True)), last])


def _from_release(row: Record) -> Record:
    return {
        "context": row["ctx"],
        "endings": row["endings"],
        "activity_label": row["activity_label"],
        "label": row.get("label", -1),
    }


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # the published test split withholds its labels
        return None
    context = _clean(record["context"])
    options = tuple(map(_clean, record["endings"]))
    if not context or not all(options) or len(set(options)) != NUM_ENDINGS:
        return None
    return {
        "context": context,
        "activity": record["activity_label"].strip(),
        "options": options,
        "answer": options[record["label"]],
    }


# As in FLAN, validation is the end of the published training set, and the published validation
# split is the test: the same 10,042 records from both sources.
SOURCE = Published(
    tfds=Tfds(
        name="hellaswag:1.1.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"context": str, "endings": [str], "activity_label": str, "label": int},
        rows={"train": 39_905, "validation": 10_042, "test": 10_003},
        download_mib=68.2,
    ),
    originals=(
        Jsonl(
            files={
                "train": "commonsense/hellaswag/hellaswag_train.jsonl[:30000]",
                "validation": "commonsense/hellaswag/hellaswag_train.jsonl[-200:]",
                "test": "commonsense/hellaswag/hellaswag_val.jsonl",
            },
            public="https://github.com/rowanz/hellaswag (data)",
            to_record=_from_release,
        ),
    ),
)

TEMPLATES = (
    Template("{context}\n\nHow does it go on from here?\n{options}"),
    Template(
        "Topic: {activity}\nText so far: {context}\n\nAppend the one piece that belongs.\n{options}"
    ),
    Template(
        "Someone was interrupted in the middle of a description. Of the lines here only one "
        "carries on in a way that could really happen.\n\nDescription: {context}\n{options}\n\n"
        "Which line is it?"
    ),
    Template(
        "{options}\n\nAll but one of these turn into nonsense once you have read the passage. Find "
        "the exception.\n\n{context}"
    ),
    Template("Common-sense check (subject: {activity})\n{context}\nNext:\n{options}"),
    Template(
        "Carry on from the exact place where my draft stops, and write no more than the next "
        "sentence or two.\n\n{context}"
    ),
    Template(
        "A page on “{activity}” was torn in half. The top reads: {context}\n"
        "Hold each of these scraps against it and keep the one that fits.\n{options}"
    ),
    Template("Predict.\n\n{context}\n{options}"),
    Template(
        "“{context}”\n\nGoing by how people and things normally behave, what do you expect right "
        "after that?\n{options}"
    ),
    Template(
        "I am writing the voice-over for a video filed under “{activity}” and have four versions "
        "of the next line, three of them absurd. Please pick the one to record.\n{options}\n\n"
        "Recorded so far: {context}"
    ),
)

EXAMPLES = (
    {
        "context": "A man stands at a sink with a muddy boot. He turns on the tap and",
        "endings": [
            "rinses the mud off the sole.",
            "paints the boot on a canvas.",
            "sails the sink out of the room.",
            ", the tap ties the laces.",
        ],
        "activity_label": "Cleaning shoes",
        "label": 0,
    },
    {
        "context": (
            "[header] How to keep herbs fresh [title] Trim the stems. [step] Cut off the lower end "
            "of every stem with sharp scissors."
        ),
        "endings": [
            "[title] Bake the scissors. [step] Set the oven to its lowest heat.",
            "Then count the leaves and phone the gardener. [substeps] Ask for seeds.",
            "[substeps] Stand them in a glass with some water, like flowers.",
            "Leave the stems in the sun until they crumble.",
        ],
        "activity_label": "Home and Garden",
        "label": 2,
    },
    {
        "context": "Two girls climb to the top of a slide in a playground. the first girl",
        "endings": [
            "puts the slide in her bag.",
            "sits down and lets go of the rail.",
            "melts into the ladder.",
            "wins the election by a wide margin.",
        ],
        "activity_label": "Playing outdoors",
        "label": 1,
    },
)

TASK = Task(
    name="hellaswag",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("context", "activity", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("activitynet_captions", "wikihow"),
    license="MIT",
    citation="Zellers et al., HellaSwag: Can a Machine Really Finish Your Sentence?, ACL 2019",
)
