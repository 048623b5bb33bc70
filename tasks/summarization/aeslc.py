"""AESLC: the subject line of an email."""

from flanjax.data.published import Published
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def to_fields(record: Record) -> Fields | None:
    body = record["email_body"].replace("\n", " ").strip()
    subject = record["subject_line"].replace("\n", "").strip()
    return {"body": body, "answer": subject} if body and subject else None


# As in FLAN, validation is the last 200 of the published development set. The local files have
# no test set: the rest of the development set is theirs. From TFDS it is the published one.
SOURCE = Published(
    tfds=Tfds(
        name="aeslc:1.0.0",
        tfds_splits={"train": "train", "validation": "validation[-200:]", "test": "test"},
        features={"email_body": str, "subject_line": str},
        rows={"train": 14_436, "validation": 1_960, "test": 1_906},
        download_mib=11.1,
    ),
    originals=(
        Jsonl(
            files={
                "train": "summarization/aeslc/train.jsonl",
                "validation": "summarization/aeslc/dev.jsonl[-200:]",
                "test": "summarization/aeslc/dev.jsonl[:-200]",
            },
            public="https://github.com/ryanzhumich/AESLC (a mail a line)",
        ),
    ),
)

TEMPLATES = (
    Template("{body}\n\nWrite a subject line for this email."),
    Template("What would be a good subject for the message below?\n\n{body}"),
    Template("Email:\n{body}\n\nSubject:"),
    Template(
        "People with full inboxes read the subject and decide whether to go on. In a few words, "
        "give them one that fits the following mail.\n\n{body}"
    ),
    Template("Body of the mail: {body}\n\nThe sender left the subject field empty. Fill it in."),
    Template(
        "Find a title under which I will recognise this note later.\n\nNote: {body}\n\nTitle:"
    ),
    Template("Under what heading should a secretary file the letter below?\n{body}"),
    Template("This reached me at work:\n\n{body}\n\nIn a handful of words, what is it about?"),
    Template("Draft the full text of an email with the given subject.\n\n{answer}", "{body}", True),
    Template(
        "{answer}\n\nThat is all my phone shows of an email that has just come in. Guess the rest.",
        "{body}",
        True,
    ),
)

EXAMPLES = (
    {
        "email_body": "Ann,\nthe room is booked for ten.\nBob",
        "subject_line": "Meeting on Tuesday",
    },
    {"email_body": "Please send the signed forms by noon.", "subject_line": "Forms"},
    {"email_body": "The server is down again. We are on it.", "subject_line": "Outage\n report"},
)

TASK = Task(
    name="aeslc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("body", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    examples=EXAMPLES,
    corpora=("enron_email",),
    license="CC BY-NC-SA 4.0",
    citation=(
        "Zhang and Tetreault, This Email Could Save Your Life: Introducing the Task of Email "
        "Subject Line Generation, ACL 2019"
    ),
)
