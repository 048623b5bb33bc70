"""Natural Questions: the short answer to what people asked a search engine."""

from flanjax.data.published import Published
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _question(text: str) -> str:
    # People type without capitals and question marks, and paste zero-width spaces.
    bare = " ".join(text.replace("\u200b", " ").split()).rstrip(" ?")
    return f"{bare[0].upper()}{bare[1:]}?" if bare else ""


def to_fields(record: Record) -> Fields | None:
    question = _question(record["question"])
    answers = tuple(dict.fromkeys(filter(None, map(str.strip, record["answer"]))))
    if not question or not answers:
        return None
    return {"question": question, "answer": answers[0], "references": answers}


# As in FLAN, validation is the end of the published training set, and the test is the published
# development set: the same 3,610 questions from both sources.
SOURCE = Published(
    tfds=Tfds(
        name="natural_questions_open:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={"question": str, "answer": [str]},
        rows={"train": 87_925, "validation": 3_610},
        download_mib=8.5,
    ),
    originals=(
        Jsonl(
            files={
                "train": "closed_book_qa/natural_questions/NQ-open.train.jsonl[:30000]",
                "validation": "closed_book_qa/natural_questions/NQ-open.train.jsonl[-200:]",
                "test": "closed_book_qa/natural_questions/NQ-open.dev.jsonl",
            },
            public="https://github.com/google-research-datasets/natural-questions (nq_open)",
        ),
    ),
)

TEMPLATES = (
    Template(
        "Someone typed this into a search engine:\n{question}\n\n"
        "Show the short answer that should appear above the results."
    ),
    Template("{question} Just the fact, thanks."),
    Template("Query: {question}\nFact:"),
    Template(
        "Quick one while I have you on the phone. {question} No need to explain, I only want the "
        "name, the date or whatever it is."
    ),
    Template(
        "Suppose you have read all of Wikipedia. From memory, and in no more than a few words:\n"
        "{question}"
    ),
    Template(
        "A librarian finds the enquiry below at the reference desk. Reply to it as she would, on "
        "a very small card.\n\n{question}"
    ),
    Template(
        "My daughter wants to know something: “{question}” Help me out with a phrase that I can "
        "repeat to her."
    ),
    Template(
        "Resolve the request to one entity, date, number or short expression.\n\n"
        "Request: {question}\nResolved to:"
    ),
    Template("You have three seconds. What do you blurt out?\n\n{question}"),
    Template(
        "Voice assistant, log of Tuesday\nHeard: {question}\nSpoken in return (under ten words):"
    ),
)

EXAMPLES = (
    {
        "question": "who painted the ceiling of the chapel with the pointing hands",
        "answer": ["Michelangelo", "Michelangelo Buonarroti"],
    },
    {"question": "when did tower bridge in london open \u200b??", "answer": ["1894"]},
    {
        "question": "the organ that filters blood and makes urine is called ____",
        "answer": ["the kidney", "kidneys"],
    },
)

TASK = Task(
    name="natural_questions",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("question", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("trivia_qa",),  # as FLAN judges it; T5's closed-book task joins words at punctuation
    examples=EXAMPLES,
    corpora=("google_natural_questions",),
    license="CC BY-SA 3.0",
    citation=(
        "Kwiatkowski et al., Natural Questions: A Benchmark for Question Answering Research, "
        "TACL 2019; Lee et al., Latent Retrieval for Weakly Supervised Open Domain Question "
        "Answering, ACL 2019"
    ),
)
