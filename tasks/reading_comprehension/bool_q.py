"""BoolQ: answer a web searcher's yes/no question from a passage."""

from flanjax.data.published import Published
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _from_superglue(row: Record) -> Record:
    # SuperGLUE writes "Title -- " before each passage; the authors' files have the title apart.
    _, dash, passage = row["passage"].partition(" -- ")
    return {
        "question": row["question"],
        "passage": passage if dash else row["passage"],
        "answer": row["label"],
    }


def to_fields(record: Record) -> Fields:
    # People type queries without a question mark.
    return {
        "passage": record["passage"].strip(),
        "question": record["question"].strip().rstrip("? ") + "?",
        "options": LABELS,
        "answer": LABELS[record["answer"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set. SuperGLUE has the same rows.
SOURCE = Published(
    tfds=Tfds(
        name="bool_q:1.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "validation"},
        features={"question": str, "passage": str, "answer": bool},
        rows={"train": 9_427, "validation": 3_270},
        download_mib=8.4,
    ),
    originals=(
        Jsonl(
            files={
                "train": "reading_comprehension/bool_q/train.jsonl[:-200]",
                "validation": "reading_comprehension/bool_q/train.jsonl[-200:]",
                "test": "reading_comprehension/bool_q/dev.jsonl",
            },
            public="https://github.com/google-research-datasets/boolean-questions",
        ),
        Jsonl(
            files={
                "train": "reading_comprehension/superglue_boolq/train.jsonl[:-200]",
                "validation": "reading_comprehension/superglue_boolq/train.jsonl[-200:]",
                "test": "reading_comprehension/superglue_boolq/val.jsonl",
            },
            public="https://super.gluebenchmark.com/tasks (BoolQ)",
            to_record=_from_superglue,
        ),
    ),
)

TEMPLATES = (
    Template("{passage}\n\nGoing by this, {question}\n{options}"),
    Template(
        "Search query: {question}\nTop result: {passage}\n\n"
        "Which word should the search engine show in large print?\n{options}"
    ),
    Template(
        "Somebody just typed “{question}” into their phone. Reply once you have read the snippet "
        "below.\n\n{passage}\n\n{options}"
    ),
    Template(
        "Your nephew wants a straight answer: {question}\nThe page you found for him says:\n\n"
        "{passage}\n\n{options}\n\nWhat do you tell him?"
    ),
    Template("Skim the text, then give a one-word verdict.\n{options}\n\n{question}\n\n{passage}"),
    Template(
        "{question} Settle it with a yes or a no, relying on nothing but the following.\n\n"
        "{passage}"
    ),
    Template("{passage}\n{question} (yes/no)"),
    Template(
        "Evidence first:\n{passage}\n\nThen the matter in doubt:\n{question}\n\nAnd now your "
        "choice:\n{options}"
    ),
    Template(
        "The article may not say it in so many words, so draw the conclusion yourself.\n\n"
        "Article: {passage}\nQuestion: {question}\n{options}\nConclusion:"
    ),
    Template(
        "Trivia night! The host reads out “{question}” and hands your table a card with some "
        "background.\n\nCard: {passage}\n\nYou have two paddles. Raise one.\n{options}"
    ),
)

EXAMPLES = (
    {
        "question": "can you swim in the lake at elmstead",
        "passage": (
            "Elmstead Water is a reservoir. Sailing and fishing are permitted all year, but "
            "bathing has been forbidden since 1974 because of the cold undercurrents."
        ),
        "answer": False,
    },
    {
        "question": "is a tomato a fruit ",
        "passage": (
            "The tomato is the edible berry of a plant of the nightshade family. Cooks treat it "
            "as a vegetable, while to a botanist every berry is a fruit."
        ),
        "answer": True,
    },
    {
        "question": "was the second ferry bigger than the first?",
        "passage": (
            "The first ferry carried 12 cars. Its successor, in service from 1962, had room for "
            "thirty cars and two buses."
        ),
        "answer": True,
    },
)

TASK = Task(
    name="bool_q",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("passage", "question", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("google_natural_questions",),
    license="CC BY-SA 3.0",
    citation=(
        "Clark et al., BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions, "
        "NAACL 2019"
    ),
)
