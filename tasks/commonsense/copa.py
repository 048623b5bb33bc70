"""COPA: which of two sentences is the cause, or the effect, of an everyday event?"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Document, Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

# What is asked for -> what joins the event to it, and a question.
RELATIONS = {
    "cause": (" because", "What brought this about?"),
    "effect": (", so", "What came of this?"),
}


def _items(text: str) -> Iterator[Record]:
    for item in ElementTree.fromstring(text).iter("item"):
        yield {
            "premise": item.findtext("p"),
            "choice1": item.findtext("a1"),
            "choice2": item.findtext("a2"),
            "question": item.get("asks-for"),
            "label": f"choice{item.get('most-plausible-alternative')}",
        }


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # SuperGLUE keeps the labels of its own test split to itself
        return None
    premise = record["premise"].strip()
    conjunction, query = RELATIONS[record["question"]]
    options = (record["choice1"].strip(), record["choice2"].strip())
    if options[0] == options[1]:
        return None
    return {
        "premise": premise,
        "relation": record["question"],
        "query": query,
        "opening": premise.rstrip(".!") + conjunction,
        "options": options,
        "answer": options[record["label"]],
    }


# As in FLAN, validation is the end of the published training set, and SuperGLUE's validation split
# is the test. COPA's own release has that data in one development set, and a test set with labels.
SOURCE = Published(
    tfds=Tfds(
        name="super_glue/copa:1.0.2",
        tfds_splits={"train": "train[:-50]", "validation": "train[-50:]", "test": "validation"},
        features={
            "premise": str,
            "choice1": str,
            "choice2": str,
            "question": str,
            "label": Labels(("choice1", "choice2")),
        },
        rows={"train": 400, "validation": 100, "test": 500},
        download_mib=0.04,
    ),
    originals=(
        Jsonl(
            files={
                "train": "commonsense/copa/train.jsonl[:-50]",
                "validation": "commonsense/copa/train.jsonl[-50:]",
                "test": "commonsense/copa/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (COPA)",
        ),
        Document(
            files={
                "train": "commonsense/copa/copa-dev.xml[:-50]",
                "validation": "commonsense/copa/copa-dev.xml[-50:]",
                "test": "commonsense/copa/copa-test.xml",
            },
            public="https://people.ict.usc.edu/~gordon/copa.html (COPA-resources.tgz)",
            read=_items,
        ),
    ),
)

TEMPLATES = (
    Template("{premise}\n{query} Pick the likelier sentence.\n{options}"),
    Template(
        "What is the more believable {relation} of the situation below?\n\n{premise}\n\n{options}"
    ),
    Template(
        "“{opening} …”\n\nThe speaker was cut off there. Continue with whichever makes sense.\n"
        "{options}"
    ),
    Template(
        "A witness says: {premise}\nThe inspector wants to know the {relation} and has been told "
        "two stories. Which of them should she believe?\n{options}"
    ),
    Template("Event: {premise}\nCandidates for its {relation}:\n{options}\nPlausible one:"),
    Template("{premise}\n{query} Use common sense and reply in one short sentence."),
    Template(
        "My little sister never stops asking. I told her: {premise} Now she insists on hearing "
        "the {relation} too. Tell me what to say.\n{options}"
    ),
    Template(
        "Two scenarios and one fact. Cross out the scenario that will not do as the {relation} of "
        "the fact, and give the one left over.\n\n{options}\n\nFact: {premise}"
    ),
    Template(
        "“{answer}” is the {relation} of something. Describe that something in one sentence.",
        "{premise}",
        True,
    ),
    Template(
        "{options}\n\nFor what event is “{answer}” a likely {relation} while the other line is "
        "not? Invent it and put it into one sentence.",
        "{premise}",
        True,
    ),
)

EXAMPLES = (
    {
        "premise": "The ice cream turned to soup.",
        "choice1": "It was left in the sun.",
        "choice2": "It was served in a cone.",
        "question": "cause",
        "label": 0,
    },
    {
        "premise": "I forgot to set my alarm.",
        "choice1": "I bought a new pillow.",
        "choice2": "I missed the first train.",
        "question": "effect",
        "label": 1,
    },
    {
        "premise": "The dog barked all night.",
        "choice1": "Its owner had fed it twice.",
        "choice2": "Somebody was walking in the yard.",
        "question": "cause",
        "label": 1,
    },
    {
        "premise": "The baker doubled her prices.",
        "choice1": "Fewer people came to her shop.",
        "choice2": "The bread took longer to bake.",
        "question": "effect",
        "label": 0,
    },
)

TASK = Task(
    name="copa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("premise", "relation", "query", "opening", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("copa",),
    license="BSD 2-Clause",
    citation=(
        "Roemmele et al., Choice of Plausible Alternatives: An Evaluation of Commonsense Causal "
        "Reasoning, AAAI Spring Symposium 2011"
    ),
)
