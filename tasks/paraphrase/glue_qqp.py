"""QQP: do two questions asked on Quora want to know the same?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("no", "yes")


def _from_glue(row: Record) -> Record:
    return {
        "question1": row["question1"],
        "question2": row["question2"],
        "label": row["is_duplicate"],
    }


def _clean(question: str) -> str:
    # GLUE kept the quoting of Quora's own table: a question with quotes in it stands in quotes,
    # and those inside it are doubled.
    question = question.strip()
    if '""' in question and question.startswith('"') and question.endswith('"'):
        question = question[1:-1]
    return question.replace('""', "'").strip()


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # GLUE keeps the labels of its own test split to itself
        return None
    first, second = _clean(record["question1"]), _clean(record["question2"])
    if not first or not second:
        return None
    return {
        "question1": first,
        "question2": second,
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is GLUE's validation split, and validation is the end of training.
SOURCE = Published(
    tfds=Tfds(
        name="glue/qqp:2.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={
            "question1": str,
            "question2": str,
            "label": Labels(("not_duplicate", "duplicate")),
        },
        rows={"train": 363_846, "validation": 40_430, "test": 390_965},
        download_mib=39.8,
    ),
    originals=(
        Tsv(
            files={
                "train": "paraphrase/qqp/train.tsv[:30000]",
                "validation": "paraphrase/qqp/train.tsv[-200:]",
                "test": "paraphrase/qqp/dev.tsv",
            },
            public="https://gluebenchmark.com/tasks (QQP)",
            to_record=_from_glue,
        ),
    ),
)

TEMPLATES = (
    Template(
        "Thread: {question1}\nThread: {question2}\n\nIs either of these threads superfluous, given "
        "that the other exists?\n{options}"
    ),
    Template(
        "Our help desk closes a ticket when somebody has raised the point before.\n\n"
        "Earlier ticket: {question1}\nNew ticket: {question2}\n\nClose the new one?\n{options}"
    ),
    Template("{question1}\n{question2}\n\nSame question in other words?\n{options}"),
    Template(
        "I typed “{question1}” into the search box and the site offered me “{question2}” instead. "
        "Is that what I wanted to know?\n\n{options}"
    ),
    Template(
        "{options}\n\nPick yes when one of these two entries can go from the FAQ because the other "
        "covers it, and no when both have to stay.\n\nEntry: {question1}\nEntry: {question2}"
    ),
    Template(
        "Duplicate check\n\nPosted: {question1}\nAlready on the site: {question2}\n{options}\n"
        "Duplicate:"
    ),
    Template(
        "A pupil asked: {question1}\nThe teacher replied in full. Then another hand went up: "
        "{question2}\n\nIs it enough for the teacher to repeat that reply?\n{options}"
    ),
    Template(
        "Judge by intent and not by wording: is only one thing being asked here?\n\n"
        "- {question1}\n- {question2}\n\nSay yes if so and no if there are two."
    ),
    Template(
        "The host of tonight's panel picks cards from the audience and never puts a question twice."
        "\n\nCard already read out: {question1}\nCard in hand: {question2}\n\n"
        "Would reading the card in hand break the rule?\n{options}"
    ),
    Template(
        "My guess is that whoever asks “{question2}” merely rephrases “{question1}” and would be "
        "happy with the same answers. Am I right?\n\n{options}"
    ),
)

EXAMPLES = (
    {
        "question1": "How do I get rid of ants in my kitchen?",
        "question2": "What is the best way of keeping ants out of a kitchen?",
        "label": 1,
    },
    {
        "question1": '"Why is the song called ""Hey Jude""?"',
        "question2": "Who sang on Hey Jude?",
        "label": 0,
    },
    {
        "question1": "Is it worth learning Latin today",
        "question2": "Is it worth learning Greek today?",
        "label": 0,
    },
)

TASK = Task(
    name="glue_qqp",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("question1", "question2", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("f1", "accuracy"),
    examples=EXAMPLES,
    corpora=("quora_question_pairs",),
    license="Quora's terms of service, for non-commercial use",
    citation="Iyer, Dandekar and Csernai, First Quora Dataset Release: Question Pairs, 2017",
)
