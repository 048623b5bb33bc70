"""PIQA: which of two ways of doing an everyday thing works?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import LabelledJsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    goal = record["goal"].strip()
    options = (record["sol1"].strip(), record["sol2"].strip())
    if record["label"] == -1 or not goal or not all(options) or options[0] == options[1]:
        return None
    return {"goal": goal, "options": options, "answer": options[record["label"]]}


# As in FLAN, validation is the end of the published training set, and the published validation
# split is the test.
SOURCE = Published(
    tfds=Tfds(
        name="piqa:1.0.0",
        tfds_splits={"train": "train[:-100]", "validation": "train[-100:]", "test": "validation"},
        features={"goal": str, "sol1": str, "sol2": str, "label": Labels(("0", "1"))},
        rows={"train": 16_113, "validation": 1_838},
        download_mib=1.7,
    ),
    originals=(
        LabelledJsonl(
            files={
                "train": "commonsense/piqa/train.jsonl[:-100]",
                "validation": "commonsense/piqa/train.jsonl[-100:]",
                "test": "commonsense/piqa/valid.jsonl",
            },
            public="https://yonatanbisk.com/piqa (train, valid; each with its labels)",
        ),
    ),
)

TEMPLATES = (
    Template("What I have in mind: {goal}\n\nWhich of these would actually work?\n{options}"),
    Template(
        "Two handymen disagree.\n{options}\n\nTheir customer had asked about the following. Which "
        "advice is sound?\n\n{goal}"
    ),
    Template(
        "Household tips desk, subject of the day: {goal}\n\nPrint the line that holds up in "
        "practice.\n{options}"
    ),
    Template("{goal}\n\nOnly one of these makes physical sense.\n{options}\nSay which."),
    Template(
        "My grandfather can mend, cook or build anything, so I went to him with this: {goal}\n"
        "A friend of mine replied as well, and got it wrong. What did my grandfather reply?\n"
        "{options}"
    ),
    Template(
        "Complete or answer this for a beginner, in plain words and no longer than needed.\n\n"
        "{goal}"
    ),
    Template(
        "Review form for a craft website\nEntry: {goal}\nSubmitted by users:\n{options}\nApproved:"
    ),
    Template(
        "Try both of these out in your head, then quote the better one in full.\n{options}\n\n"
        "The matter at hand: {goal}"
    ),
    Template(
        "“{answer}”\n\nThat comes from a do-it-yourself manual. Under which heading or question "
        "would it stand there?",
        "{goal}",
        True,
    ),
    Template(
        "{options}\n\nBoth were meant to follow the same question or phrase, yet only “{answer}” "
        "is of any use after it. Guess what it said.",
        "{goal}",
        True,
    ),
)

EXAMPLES = (
    {
        "goal": "How do I get candle wax off a wooden table?",
        "sol1": "Warm it with a hair dryer and wipe it away with a cloth.",
        "sol2": "Warm it with a torch and wipe it away with your tongue.",
        "label": 0,
    },
    {"goal": "sieve", "sol1": "can hold water ", "sol2": "can hold noodles ", "label": 1},
    {
        "goal": "To keep a door from slamming,",
        "sol1": "hang a towel over its top edge.",
        "sol2": "hang a towel on the wall beside it",
        "label": 0,
    },
)

TASK = Task(
    name="piqa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("goal", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("instructables",),
    license="Academic Free License 3.0",
    citation=(
        "Bisk et al., PIQA: Reasoning about Physical Commonsense in Natural Language, AAAI 2020"
    ),
)
