"""CoQA: a conversation's questions about a passage, all of them at once."""

from collections.abc import Sequence

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def to_fields(record: Record) -> Fields | None:
    story = record["story"].strip()
    questions = [" ".join(text.split()) for text in record["questions"]]
    answers = [" ".join(text.split()) for text in record["answers"]["input_text"]]
    # The numbers pair questions with answers: a gap in either would shift them.
    if not (story and questions and all(questions + answers)) or len(questions) != len(answers):
        return None
    return {"story": story, "questions": _numbered(questions), "answer": _numbered(answers)}


# As in FLAN, validation is the end of the training set; TFDS calls the development set test.
SOURCE = Published(
    tfds=Tfds(
        name="coqa:1.0.0",
        tfds_splits={"train": "train[:-100]", "validation": "train[-100:]", "test": "test"},
        features={"story": str, "questions": [str], "answers": {"input_text": [str]}},
        rows={"train": 7_199, "test": 500},
        download_mib=55.4,
    ),
)

TEMPLATES = (
    Template(
        "{story}\n\nAnswer these in order, each on a numbered line of its own and in as few words "
        "as you can.\n\n{questions}"
    ),
    Template("Reading test\n\n{story}\n\nQuestions\n{questions}\n\nNumbered answers:"),
    Template(
        "Two friends talk about something both of them have just read. One keeps asking. Be the "
        "other: stay brief, and number what you say as the questions are numbered.\n\nWhat they "
        "read: {story}\n\nWhat is asked:\n{questions}"
    ),
    Template(
        "{questions}\n\nFill in the answer sheet for this list, one short numbered line for each "
        "item. The passage that follows is all you have to go by.\n\nPassage: {story}"
    ),
    Template(
        "Beware of “he”, “there” and bare “why”, for later questions lean on earlier ones. Take "
        "them one at a time.\n\n{questions}\n\nShort numbered replies are wanted, drawn from "
        "here:\n\n{story}"
    ),
    Template(
        "Read aloud to the class:\n{story}\n\nThen asked, one by one:\n{questions}\n\nWhat would "
        "a perfect pupil have said to each? List it by number, with “unknown” wherever the text "
        "gives no clue."
    ),
    Template(
        "Of a conversation only the interviewer's side survived.\n\n{questions}\n\nRestore the "
        "lost side, line by line with the same numbers, from what the two had in front of them.\n\n"
        "{story}"
    ),
    Template("{story}\n\n{questions}\n\nNo explanations. A word or a phrase after every number."),
    Template(
        "Could you make a key for my daughter's comprehension exercise? It needs one line per "
        "question, numbered, nothing long.\n\nFrom her book:\n{story}\n\nTo be answered:\n"
        "{questions}"
    ),
    Template(
        "{story}\n\nAll that is left of a dialogue about this are the answers below. Reconstruct "
        "the questions and give them the numbers of their answers.\n\n{answer}",
        "{questions}",
        True,
    ),
)

EXAMPLES = (
    {
        "story": (
            "Mila found a grey kitten behind the bakery. She carried it home in her hat.\n\n"
            "Her brother Jon gave it milk and named it Flour."
        ),
        "questions": ["Who found the kitten?", "Where?", "What did her brother call it?"],
        "answers": {"input_text": ["Mila", "behind the bakery", "Flour"]},
    },
    {
        "story": (
            "(CNN) -- A cargo ship ran aground near Porto on Sunday. All fourteen sailors were "
            "brought ashore by helicopter. The cause is being investigated."
        ),
        "questions": ["Did anybody drown?", "How were they saved?", "What caused the accident?"],
        "answers": {"input_text": ["No", "By helicopter", "unknown"]},
    },
    {
        "story": "The library of Mafra houses 36,000 books. Bats live there and eat the insects.",
        "questions": ["How many books\nare there?", "What guards them?"],
        "answers": {"input_text": ["36,000", " bats"]},
    },
)

TASK = Task(
    name="coqa",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("story", "questions", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("squad",),
    examples=EXAMPLES,
    corpora=("cnn_dailymail", "race", "mctest", "gutenberg"),
    license=(
        "By source: CC BY-SA 4.0 (literature, Wikipedia), MSR-LA (MCTest), Apache 2.0 (news), "
        "RACE's own terms"
    ),
    citation="Reddy et al., CoQA: A Conversational Question Answering Challenge, TACL 2019",
)
