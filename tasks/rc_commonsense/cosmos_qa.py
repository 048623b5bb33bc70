"""Cosmos QA: what lies behind or ahead of the events in a personal blog?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Csv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    options = tuple(record[f"answer{number}"].strip() for number in range(4))
    if record["label"] == -1:  # the published test set comes without labels
        return None
    if len(set(options)) < len(options) or not all(options):
        return None  # a choice that stands there twice cannot be right once
    return {
        "context": record["context"].strip(),
        "question": record["question"].strip(),
        "options": options,
        "answer": options[record["label"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set.
SOURCE = Published(
    tfds=Tfds(
        name="cosmos_qa:1.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={
            "context": str,
            "question": str,
            "answer0": str,
            "answer1": str,
            "answer2": str,
            "answer3": str,
            "label": Labels(("0", "1", "2", "3")),
        },
        rows={"train": 25_262, "validation": 2_985, "test": 6_963},
        download_mib=23.3,
    ),
    originals=(
        Csv(
            files={
                "train": "rc_commonsense/cosmos_qa/train.csv[:-200]",
                "validation": "rc_commonsense/cosmos_qa/train.csv[-200:]",
                "test": "rc_commonsense/cosmos_qa/valid.csv",
            },
            public="https://github.com/wilburOne/cosmosqa (data)",
        ),
    ),
)

# Every scored wording shows the options: one of them is often "None of the above choices ."
TEMPLATES = (
    Template("From a personal blog:\n{context}\n\n{question}\n{options}"),
    Template(
        "Read between the lines of what a blogger wrote.\n\n{context}\n\nQuestion: {question}\n"
        "Most plausible of the four:\n{options}"
    ),
    Template(
        "{question}\n\nThe writer may never say so directly; choose what is likeliest.\n{options}"
        "\n\nPost: {context}"
    ),
    Template(
        "Imagine that a stranger on the train tells you this:\n\n{context}\n\nAnswer from what "
        "you know of people and everyday life: {question}\n{options}"
    ),
    Template("Tick one.\n{options}\n\nWeblog: {context}\nQ: {question}"),
    Template(
        "What would a thoughtful reader reply to “{question}” after coming across the passage "
        "below?\n\n{context}\n\n{options}"
    ),
    Template(
        "My friend is stuck on an exercise and has sent me a photo of it.\n\n{context}\n\n"
        "{question}\n\nHelp her make up her mind.\n{options}"
    ),
    Template(
        "Text: {context}\n\nInference wanted: {question}\n\nWeigh causes, motives and likely "
        "consequences, then copy out the choice that convinces you most.\n{options}\n\nChoice:"
    ),
    Template(
        "{context}\n\nInvent a question on what you have just read. Among the choices listed here, "
        "“{answer}” must come out as the right one.\n{options}",
        "{question}",
        True,
    ),
    Template(
        "Write a few sentences such as somebody might post on their blog. A reader who is then "
        "asked “{question}” ought to settle on “{answer}” out of this list.\n{options}",
        "{context}",
        True,
    ),
)

EXAMPLES = (
    {
        "context": (
            "So I finally told the landlord about the leak . He came over with a bucket , looked "
            "at the ceiling and said he would be back in a week . I am typing this from my "
            "sister 's sofa ."
        ),
        "question": "Why is the writer at their sister 's place ?",
        "answer0": "The landlord lives there .",
        "answer1": "The flat is not fit to sleep in for now .",
        "answer2": "They wanted to borrow a bucket .",
        "answer3": "None of the above choices .",
        "label": 1,
    },
    {
        "context": (
            "Twenty minutes before the concert I could not find my reeds anywhere . Then Jo "
            "walked in with a grin and a small plastic box . I owe her a very large coffee ."
        ),
        "question": "What may have been in the box ?",
        "answer0": "None of the above choices .",
        "answer1": "A cup of coffee .",
        "answer2": "Two tickets for the concert .",
        "answer3": "The reeds that had gone missing .",
        "label": 3,
    },
    {
        "context": (
            "We had been warned about the queue , so we got up at four . By noon we were home "
            "again , sunburnt and without the new phone ."
        ),
        "question": "What happened at the shop ?",
        "answer0": "The phones were sold out before their turn came .",
        "answer1": "They were given two phones for free .",
        "answer2": "They overslept and missed the opening .",
        "answer3": "None of the above choices .",
        "label": 0,
    },
    {
        "context": (
            "Dad gave up his seat on the bus to a lady with a cello today . She got off at the "
            "next stop and thanked him by name ."
        ),
        "question": "What did the lady do for a living ?",
        "answer0": "She drove the bus .",
        "answer1": "She sold newspapers .",
        "answer2": "None of the above choices .",
        "answer3": "She repaired seats .",
        "label": 2,
    },
)

TASK = Task(
    name="cosmos_qa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("context", "question", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("cosmos_blogs",),
    license="CC BY 4.0",
    citation=(
        "Huang et al., Cosmos QA: Machine Reading Comprehension with Contextual Commonsense "
        "Reasoning, EMNLP 2019"
    ),
)
