"""QNLI: does a sentence of an encyclopedia hold the answer to a question?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("yes", "no")


def to_fields(record: Record) -> Fields | None:
    if record["label"] == -1:  # GLUE keeps the labels of its test split to itself
        return None
    return {
        "sentence": record["sentence"].strip(),
        "question": record["question"].strip(),
        "options": LABELS,
        "answer": LABELS[record["label"]],
    }


# As in FLAN, the test split is the published development set, and validation is the end of the
# training set, of which 30,000 pairs are trained on.
SOURCE = Published(
    tfds=Tfds(
        name="glue/qnli:2.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={
            "sentence": str,
            "question": str,
            "label": Labels(("entailment", "not_entailment")),
        },
        rows={"train": 104_743, "validation": 5_463, "test": 5_463},
        download_mib=10.1,
    ),
)

TEMPLATES = (
    Template(
        "I typed “{question}” into a search box, and the top result was this line:\n{sentence}\n\n"
        "Do I have what I wanted to know?\n{options}"
    ),
    Template(
        "Line from an encyclopedia: {sentence}\nReader's question: {question}\n"
        "Can the reader stop looking now?\n{options}"
    ),
    Template(
        "A visitor to the library asks: {question}\nThe librarian opens a book and points to one "
        "sentence: {sentence}\n\nWill the visitor find the answer there?\n{options}"
    ),
    Template(
        "Suppose the question “{question}” came up in an exam where you may consult nothing but "
        "“{sentence}” for your answer. Would that be enough? Just say yes or no."
    ),
    Template("{sentence}\n\nEnough to answer what comes after?\n{question}\n{options}"),
    Template(
        "Students highlight a sentence when it solves the exercise. Should this one be "
        "highlighted?\n\nExercise: {question}\n\n“{sentence}”\n\n{options}"
    ),
    Template(
        "{options}\n\nChoose the right word: is what Ada wants to know stated in Ben's reply?\n\n"
        "Ada: {question}\nBen: {sentence}"
    ),
    Template(
        "Our help bot may show people a line of text only if the line contains what they asked "
        "for.\n\nLine: {sentence}\n\nAsked for: {question}\n\nMay the bot show it?\n{options}"
    ),
    Template(
        "Retrieval check. A hit is a sentence from which searchers learn what they were after.\n"
        "Query: {question}\nResult: {sentence}\nA hit?\n{options}"
    ),
    Template(
        "Here is a sentence: {sentence}\n\nThink up a question on the same subject. When an expert "
        "is asked if the sentence answers it, the expert has to say: {answer}",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "question": "In which year did the observatory open?",
        "sentence": "After four years of building, the observatory opened to the public in 1932.",
        "label": 0,
    },
    {
        "question": "Who designed the old harbour bridge?",
        "sentence": 'The old harbour bridge, known as "the Comb", carries two lanes of traffic.',
        "label": 1,
    },
    {
        "question": "What do the island's finches eat in winter?",
        "sentence": "In winter, when insects are rare, the island's finches live on cactus seeds.",
        "label": 0,
    },
)

TASK = Task(
    name="qnli",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("sentence", "question", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("squad",),
    license="CC BY-SA 4.0 (SQuAD)",
    citation=(
        "Wang et al., GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language "
        "Understanding, ICLR 2019; Rajpurkar et al., SQuAD: 100,000+ Questions for Machine "
        "Comprehension of Text, EMNLP 2016"
    ),
)
