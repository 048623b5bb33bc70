"""QuAC: a student's question about a section of Wikipedia, from a dialogue."""

from flanjax.data.published import Published
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

UNANSWERABLE = "CANNOTANSWER"
UNANSWERED = "I don't know"


def _in_words(answer: str) -> str:
    return UNANSWERED if answer.strip() == UNANSWERABLE else answer.strip()


def to_fields(record: Record) -> Fields | None:
    answer = _in_words(record["orig_answer"]["text"])
    others = [_in_words(text) for text in record["answers"]["text"]]
    fields = {
        "title": record["title"].strip(),
        "section": record["section_title"].strip(),
        "background": record["background"].strip(),
        # The release ends every passage with the mark of a question that it does not answer.
        "context": record["context"].strip().removesuffix(UNANSWERABLE).strip(),
        "question": record["question"].strip(),
        "answer": answer,
        "references": tuple(text for text in dict.fromkeys([answer, *others]) if text),
    }
    return fields if all(fields.values()) else None


# As in FLAN, the test split is the published development set, and validation is the end of the
# published training set. Questions stand alone: their dialogue is no part of the record.
SOURCE = Published(
    tfds=Tfds(
        name="quac:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "validation"},
        features={
            "title": str,
            "section_title": str,
            "background": str,
            "context": str,
            "question": str,
            "orig_answer": {"text": str},
            "answers": {"text": [str]},
        },
        rows={"train": 83_568, "validation": 7_354},
        download_mib=73.5,
    ),
)

TEMPLATES = (
    Template(
        "Article: {title}\nSection: {section}\n\n{context}\n\nQuestion: {question}\n\n"
        "Quote the words of the section that answer the question. If none do, reply “I don't "
        "know”."
    ),
    Template(
        "A student wants to learn about {title} but cannot see the text. You are the teacher, and "
        "you can.\n\nText: {context}\n\nStudent: {question}\n\nRespond with a short excerpt, or "
        "with “I don't know” where the text is silent."
    ),
    Template(
        "{background}\n\n{section}\n\n{context}\n\nUse phrases found above, exactly as they "
        "stand, to settle the following. Write “I don't know” if they are not there.\n\n"
        "{question}"
    ),
    Template(
        "{question}\n\nThat came up in the middle of a chat about {title} and may hark back to "
        "things said before. Copy out the piece of the passage below that deals with it. Should "
        "there be none, say “I don't know”.\n\n{context}"
    ),
    Template(
        "Topic: {title}\nIntroduction: {background}\nNotes on “{section}”: {context}\nQ: "
        "{question}\nA (from the notes, else “I don't know”):"
    ),
    Template(
        "Host of a phone-in: Today we talk about {title}\nCaller: {question}\n\nWhich lines of "
        "the script should the host read out to the caller? The honest reply to anything that the "
        "script leaves open is “I don't know”.\n\nScript: {context}"
    ),
    Template(
        "Underline the answer.\n\n{context}\n\n{question}\n\n(Nothing to underline? Then it is “I "
        "don't know”.)"
    ),
    Template(
        "I am reading the encyclopedia entry “{title}” and have reached the heading “{section}” "
        "with this beneath it:\n{context}\n\nPlease look something up for me there: {question}\n\n"
        "I need the precise wording. Don't guess: if it isn't covered, say “I don't know”."
    ),
    Template(
        "{context}\n\nA reader of this account of {title} was interviewed about it. One of the "
        "replies was:\n{answer}\n\nFormulate the question that led to the reply.",
        "{question}",
        True,
    ),
    Template(
        "Play the curious learner. All you have seen is the start of an article: {background}\n\n"
        "What do you ask about the part called “{section}”, if this is what you are going to "
        "hear?\n{answer}",
        "{question}",
        True,
    ),
)

EXAMPLES = (
    {
        "title": "Ines Varga",
        "section_title": "Early career",
        "background": "Ines Varga (born 1951) is a Hungarian cellist and teacher.",
        "context": (
            "Varga joined the Budapest Radio Orchestra at nineteen. She left after two seasons to "
            "study in Vienna, where she won the city's chamber music prize. CANNOTANSWER"
        ),
        "question": "Why did she leave the orchestra?",
        "orig_answer": {"text": "to study in Vienna,"},
        "answers": {
            "text": [
                "to study in Vienna,",
                "She left after two seasons to study in Vienna,",
                "CANNOTANSWER",
            ]
        },
    },
    {
        "title": "Ines Varga",
        "section_title": "Early career",
        "background": "Ines Varga (born 1951) is a Hungarian cellist and teacher.",
        "context": (
            "Varga joined the Budapest Radio Orchestra at nineteen. She left after two seasons to "
            "study in Vienna, where she won the city's chamber music prize. CANNOTANSWER"
        ),
        "question": "Was she married at that time?",
        "orig_answer": {"text": "CANNOTANSWER"},
        "answers": {"text": ["CANNOTANSWER"]},
    },
    {
        "title": "Harbour Lights F.C.",
        "section_title": "The 1974 season",
        "background": "Harbour Lights were an amateur football club from Aberdeen.",
        "context": (
            "The club opened the season with nine wins in a row. In November a fire destroyed the "
            "main stand, and the remaining home games were played in Dundee. CANNOTANSWER"
        ),
        "question": "What happened in November?",
        "orig_answer": {"text": "a fire destroyed the main stand,"},
        "answers": {"text": ["a fire destroyed the main stand,"]},
    },
)

TASK = Task(
    name="quac",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("title", "section", "background", "context", "question", "answer", "references"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("squad",),
    examples=EXAMPLES,
    corpora=("quac",),
    is_extractive=True,
    license="CC BY-SA 4.0",
    citation="Choi et al., QuAC: Question Answering in Context, EMNLP 2018",
)
