"""TREC: what type of answer does a question ask for?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import TextLines
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("description", "entity", "abbreviation", "human", "numeric", "location")


def _parse(line: str) -> Record:
    label, space, text = (
        line.replace("\xf0", " ").strip().partition(" ")
    )  # a stray byte, as in TFDS
    coarse, colon, _ = label.partition(":")
    if not space or not colon:
        raise ValueError(f"a line must be 'COARSE:fine question', got {line[:40]!r}.")
    return {"text": text, "label-coarse": coarse}


def to_fields(record: Record) -> Fields | None:
    text = record["text"].strip()
    if record["label-coarse"] == -1 or not text:
        return None
    return {"text": text, "options": LABELS, "answer": LABELS[record["label-coarse"]]}


# As in FLAN, validation is the end of the published training set. The same files go by two names.
SOURCE = Published(
    tfds=Tfds(
        name="trec:1.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "test"},
        features={
            "text": str,
            "label-coarse": Labels(("DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC")),
        },
        rows={"train": 5_452, "test": 500},
        download_mib=0.3,
    ),
    originals=(
        TextLines(
            files={
                "train": "miscellaneous/trec/train_5500.label[:-200]",
                "validation": "miscellaneous/trec/train_5500.label[-200:]",
                "test": "miscellaneous/trec/TREC_10.label",
            },
            public="https://cogcomp.seas.upenn.edu/Data/QA/QC (train_5500.label, TREC_10.label)",
            parse=_parse,
            encoding="latin-1",
        ),
        TextLines(
            files={
                "train": "miscellaneous/trec/TREC.train[:-200]",
                "validation": "miscellaneous/trec/TREC.train[-200:]",
                "test": "miscellaneous/trec/TREC.test",
            },
            public="https://github.com/harvardnlp/sent-conv-torch (data/raw/TREC.*)",
            parse=_parse,
            encoding="latin-1",
        ),
    ),
)

TEMPLATES = (
    Template("{text}\n\nWhat sort of answer is called for?\n{options}"),
    Template(
        "A search engine keeps a separate index for each kind of fact. Route the query to one of "
        "them.\nQuery: {text}\n{options}"
    ),
    Template(
        "Before anyone goes looking for the answer to “{text}” it helps to know what kind of thing "
        "it is going to be. Which of these?\n{options}"
    ),
    Template("Question: {text}\n{options}\nExpected answer type:"),
    Template(
        "Six trays stand on the quizmaster's desk, with a category on each.\n{options}\n\nInto "
        "which one do you drop the following card?\n{text}"
    ),
    Template(
        "Someone types: {text}\n\nReply with a single word for the class of thing they are after: "
        "description, entity, abbreviation, human, numeric or location."
    ),
    Template(
        "Don't answer the question at the end, only classify its answer. Reasons, definitions and "
        "ways of doing things are a description; persons and groups are human; amounts, dates and "
        "codes are numeric; places are a location; short forms and what they stand for are an "
        "abbreviation; any other thing is an entity.\n{options}\n\n{text}"
    ),
    Template(
        "Request received at the reference desk: {text}\n\nUnder what heading will the librarian "
        "find something to satisfy it?\n{options}"
    ),
    Template(
        "Imagine the perfect reply to “{text}” and name the group that the reply belongs to.\n"
        "{options}"
    ),
    Template(
        "Questions can be sorted by what they ask for: description, entity, abbreviation, human, "
        "numeric, location. Write a trivia question of the sort “{answer}” for my collection.",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {"text": "Why do cats purr ?", "label-coarse": 0},
    {"text": "What metal conducts heat best ?", "label-coarse": 1},
    {"text": "What does NATO stand for ?", "label-coarse": 2},
    {"text": "Who painted the ceiling of the Paris opera ?", "label-coarse": 3},
    {"text": "How many strings does a harp have ?", "label-coarse": 4},
    {"text": "Where is the Atacama Desert ?", "label-coarse": 5},
)

TASK = Task(
    name="trec",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("trec_questions",),
    license="None stated by its authors",
    citation=(
        "Li and Roth, Learning Question Classifiers, COLING 2002; Hovy et al., Toward "
        "Semantics-Based Answer Pinpointing, HLT 2001"
    ),
)
