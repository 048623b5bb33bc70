"""ARC: which of four choices answers a question from a school's science test?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

KEYS = ("A", "B", "C", "D", "E")
NUM_CHOICES = 4

_LETTERS = dict(zip("12345", KEYS, strict=True))


def _letter(key: str) -> str:
    letter = _LETTERS.get(key, key)
    if letter not in KEYS:  # the schema would take "0" for an index
        raise ValueError(f"a choice must be A to E or 1 to 5, got {key!r}.")
    return letter


def _from_release(row: Record) -> Record:
    choices = row["question"]["choices"]
    return {
        "question": row["question"]["stem"],
        "choices": {
            "text": [choice["text"] for choice in choices],
            "label": [_letter(choice["label"]) for choice in choices],
        },
        "answerKey": _letter(row["answerKey"]),
    }


def _from_flat(row: Record) -> Record:
    return {
        "question": row["question"],
        "choices": {
            "text": row["choices"]["text"],
            "label": [_letter(label) for label in row["choices"]["label"]],
        },
        "answerKey": _letter(row["answerKey"]),
    }


def to_fields(record: Record) -> Fields | None:
    options = tuple(text.strip() for text in record["choices"]["text"])
    # As in FLAN, a few questions with three or five choices are left out.
    if len(options) != NUM_CHOICES or len(set(options)) != NUM_CHOICES:
        return None
    return {
        "question": record["question"].strip(),
        "options": options,
        "answer": options[record["choices"]["label"].index(record["answerKey"])],
    }


def _source(config: str, folder: str, rows: dict[str, int]) -> Published:
    """Returns a set's source; validation is the end of the published training."""
    return Published(
        tfds=Tfds(
            name=f"ai2_arc/{config}:1.0.0",
            tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "test"},
            features={
                "question": str,
                "choices": {"text": [str], "label": [Labels(KEYS)]},
                "answerKey": Labels(KEYS),
            },
            rows=rows,
            download_mib=649.3,
        ),
        originals=(
            Jsonl(
                files={
                    "train": f"closed_book_qa/{folder}/{config}-Train.jsonl[:-200]",
                    "validation": f"closed_book_qa/{folder}/{config}-Train.jsonl[-200:]",
                    "test": f"closed_book_qa/{folder}/{config}-Test.jsonl",
                },
                public=f"https://allenai.org/data/arc ({config})",
                to_record=_from_release,
            ),
            Jsonl(
                files={
                    "train": f"closed_book_qa/{folder}/train.jsonl[:-200]",
                    "validation": f"closed_book_qa/{folder}/train.jsonl[-200:]",
                    "test": f"closed_book_qa/{folder}/test.jsonl",
                },
                public=f"https://huggingface.co/datasets/allenai/ai2_arc ({config}, as JSON lines)",
                to_record=_from_flat,
            ),
        ),
    )


TEMPLATES = (
    Template("Science test, multiple choice\n\n{question}\n\n{options}\n\nCopy out the right one:"),
    Template(
        "Imagine that you teach science and have to prepare the answer key. Which of the "
        "choices goes into it?\n\n{options}\n\nItem: {question}"
    ),
    Template(
        "I'm stuck on my science homework. It says: {question}\n{options}\n\n"
        "Could you tell me what to tick?"
    ),
    Template(
        "Rule out three of these on scientific grounds, then state what remains.\n\n{question}\n"
        "{options}"
    ),
    Template(
        "A pupil reads this aloud: {question}\n{options}\n\nNow the whole class votes. What "
        "should get every vote?"
    ),
    Template(
        "{options}\n\nAbove are the lines that may be entered on the answer sheet. Enter the "
        "right one for question 12.\n\n12. {question}"
    ),
    Template(
        "Reply to the examiner with a word, a phrase or one short statement. If the question "
        "breaks off, finish it.\n\nExaminer: {question}"
    ),
    Template(
        "“{answer}”\n\nWrite an exam question in natural science to which this is the answer.",
        "{question}",
        True,
    ),
    Template(
        "Four choices were printed below a question in a science paper:\n{options}\n\n"
        "Marked as correct: {answer}\n\nWhat was asked?",
        "{question}",
        True,
    ),
    Template(
        "Help with my lesson plan, please. I want to end on a science question to which my "
        "students will reply: {answer}\nWhat could I ask them?",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "question": "A puddle is gone an hour after the rain. What happened to the water?",
        "choices": {
            "text": ["It froze.", "It evaporated.", "It melted.", "It condensed."],
            "label": [0, 1, 2, 3],
        },
        "answerKey": 1,
    },
    {
        "question": "An oak tree makes most of its sugar in its",
        "choices": {"text": ["leaves", "roots", "bark", "acorns"], "label": [0, 1, 2, 3]},
        "answerKey": 0,
    },
    {
        "question": "Which tool is best for measuring the mass of a pebble?",
        "choices": {
            "text": ["a ruler", "a thermometer", "a stopwatch", "a balance"],
            "label": [0, 1, 2, 3],
        },
        "answerKey": 3,
    },
    {
        "question": "Which animals lay eggs in water and breathe with gills when young?",
        "choices": {
            "text": ["birds", "mammals", "amphibians", "reptiles"],
            "label": [0, 1, 2, 3],
        },
        "answerKey": 2,
    },
)


def _task(name: str, config: str, rows: dict[str, int]) -> Task:
    return Task(
        name=name,
        version=1,
        source=_source(config, name, rows),
        to_fields=to_fields,
        fields=("question", "options", "answer"),
        templates=TEMPLATES,
        mode="rank",
        metrics=("accuracy",),
        examples=EXAMPLES,
        corpora=("arc_science_questions",),
        license="CC BY-SA 4.0",
        citation=(
            "Clark et al., Think you have Solved Question Answering? Try ARC, the AI2 Reasoning "
            "Challenge, 2018"
        ),
    )


TASKS = (
    _task("arc_challenge", "ARC-Challenge", {"train": 1_119, "validation": 299, "test": 1_172}),
    _task("arc_easy", "ARC-Easy", {"train": 2_251, "validation": 570, "test": 2_376}),
)
