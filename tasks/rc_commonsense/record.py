"""ReCoRD: which name in a news article was cut out of a sentence about it?"""

import json
from collections.abc import Iterable, Iterator

from flanjax.data.published import Published
from flanjax.data.sources import Document
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

BLANK = "_____"
_PLACEHOLDER = "@placeholder"


def _read(text: str) -> Iterator[Record]:
    for line in filter(str.strip, text.split("\n")):
        row = json.loads(line)
        passage = row["passage"]["text"]
        spans = row["passage"]["entities"]
        for entry in row["qas"]:
            yield {
                "passage": passage,
                "query": entry["query"],
                "entities": sorted({passage[span["start"] : span["end"] + 1] for span in spans}),
                "answers": sorted({answer["text"] for answer in entry.get("answers", ())}),
                "idx": {"query": entry["idx"]},
            }


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    tidy = (" ".join(name.split()) for name in names)
    return tuple(dict.fromkeys(name for name in tidy if name))


def to_fields(record: Record) -> Fields | None:
    # The points under an article belong to it: some answers are named nowhere else.
    article, *points = (part.strip() for part in record["passage"].split("@highlight"))
    passage = "\n- ".join([article, *points])
    options = _distinct(record["entities"])
    references = tuple(name for name in _distinct(record["answers"]) if name in options)
    # SuperGLUE keeps the answers of its own test split to itself.
    if not references or not passage or _PLACEHOLDER not in record["query"]:
        return None
    return {
        "passage": passage,
        "query": record["query"].strip().replace(_PLACEHOLDER, BLANK),
        "options": options,
        "answer": references[0],
        "references": references,
        "group": str(record["idx"]["query"]),
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set. A row is one query; entities and answers are in alphabetical order.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/record:1.0.2",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={
            "passage": str,
            "query": str,
            "entities": [str],
            "answers": [str],
            "idx": {"query": int},
        },
        rows={"train": 100_730, "validation": 10_000, "test": 10_000},
        download_mib=49.4,
    ),
    originals=(
        Document(
            files={
                "train": "rc_commonsense/record/train.jsonl[:30000]",
                "validation": "rc_commonsense/record/train.jsonl[-200:]",
                "test": "rc_commonsense/record/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (ReCoRD)",
            read=_read,
        ),
    ),
)

TEMPLATES = (
    Template("{passage}\n\nThe article goes on:\n{query}\n\nWhat belongs in the blank?\n{options}"),
    Template("Fill the gap from the list.\n\nNews: {passage}\n\nGap: {query}\n\n{options}"),
    Template(
        "{options}\n\nOne of these was cut out of the last line of a report. Say which one.\n\n"
        "Report: {passage}\n\nLast line: {query}"
    ),
    Template(
        "Some ink was spilt on a newspaper and hides a name here:\n{query}\n\nThis is how the "
        "story begins:\n{passage}\n\nRestore the name and write nothing else."
    ),
    Template(
        "Who or what stands behind the row of underscores?\n{query}\n\n{options}\n\n"
        "Background: {passage}"
    ),
    Template(
        "A copy editor has set these paragraphs:\n\n{passage}\n\nFurther down the page, however, "
        "a sentence has come out with a hole in it: {query}\n\nWhich entry fills it?\n{options}"
    ),
    Template(
        "You have seen today's paper:\n{passage}\n\nOver lunch a colleague reads out one more "
        "line of the story, but a passing lorry drowns part of it. Use your common sense: what "
        "did you miss?\n{query}\n{options}"
    ),
    Template("entity cloze\npassage: {passage}\nquery: {query}\n{options}\nentity:"),
    Template(
        "{passage}\n\n{query}\n\nWhich person, place, organisation or other name completes the "
        "second text? Give the name alone."
    ),
    Template(
        "Try each candidate in turn and keep the one that makes the statement agree with the "
        "events.\n\nEvents: {passage}\n\nStatement: {query}\n\n{options}"
    ),
)

EXAMPLES = (
    {
        "passage": (
            "(CNN) -- Lena Ort won the Tern Island race on Sunday, eleven minutes ahead of "
            "Paul Reyes of Chile. Ort, 19, had never sailed the course before.\n@highlight\n"
            "Lena Ort is the youngest winner in the race's history"
        ),
        "query": (
            "“I saw her sail go past and knew it was over,” said @placeholder, who took second "
            "place."
        ),
        "entities": ["CNN", "Chile", "Lena Ort", "Ort", "Paul Reyes", "Tern Island"],
        "answers": ["Paul Reyes"],
        "idx": {"query": 0},
    },
    {
        "passage": (
            "The village of Brackwell lost its only bus in April. Since then Moira Dean has "
            "driven pensioners to Hexton in her own van, twice a week and free of charge."
        ),
        "query": "Without @placeholder I would not see a doctor from one month to the next.",
        "entities": ["Brackwell", "Dean", "Hexton", "Moira Dean"],
        "answers": ["Dean", "Moira Dean"],
        "idx": {"query": 1},
    },
    {
        "passage": (
            "Astronomers at the Paranal observatory have photographed a ring around the asteroid "
            "Ilse. Until now only Saturn and its fellow giants were thought to have any."
        ),
        "query": "@placeholder's ring may be what is left of a small moon.",
        "entities": ["Ilse", "Paranal", "Saturn"],
        "answers": ["Ilse"],
        "idx": {"query": 2},
    },
)

TASK = Task(
    name="record",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("passage", "query", "options", "answer", "references", "group"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("record",),
    is_extractive=True,
    examples=EXAMPLES,
    corpora=("cnn_dailymail",),
    license="Stated by its authors for each news source (sheng-z.github.io/ReCoRD-explorer)",
    citation=(
        "Zhang et al., ReCoRD: Bridging the Gap between Human and Machine Commonsense Reading "
        "Comprehension, 2018; Wang et al., SuperGLUE, NeurIPS 2019"
    ),
)
