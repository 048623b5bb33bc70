"""AESLC: the subject line of an email."""

from flanjax.data.sources import Jsonl, LocalOrTfds
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds


def _to_record(row: Record) -> Record:
    return {name: row[name] for name in ("email_body", "subject_line")}


def to_fields(record: Record) -> Fields | None:
    body = record["email_body"].replace("\n", " ").strip()
    subject = record["subject_line"].replace("\n", "").strip()
    return {"body": body, "answer": subject} if body and subject else None


# As in FLAN, validation is the last 200 of the published development set. The local files have
# no test set: the rest of the development set is theirs. From TFDS it is the published one.
SOURCE = LocalOrTfds(
    local=Jsonl(
        files={
            "train": "summarization/aeslc/train.jsonl",
            "validation": "summarization/aeslc/dev.jsonl[-200:]",
            "test": "summarization/aeslc/dev.jsonl[:-200]",
        },
        public="https://github.com/ryanzhumich/AESLC (one mail a line: email_body, subject_line)",
        to_record=_to_record,
    ),
    tfds=Tfds(
        name="aeslc:1.0.0",
        tfds_splits={"train": "train", "validation": "validation[-200:]", "test": "test"},
        to_record=_to_record,
    ),
)

TEMPLATES = (
    Template("{body}\n\nWrite a subject line for this email."),
    Template("What would be a good subject for the message below?\n\n{body}"),
    Template("Email:\n{body}\n\nSubject:"),
    Template(
        "People with full inboxes decide by the topmost line what to open. In a few words, give "
        "them that line for the following mail.\n\n{body}"
    ),
    Template("Body of the mail: {body}\n\nThe sender left out the topic. Supply it."),
    Template(
        "Find a title under which I will recognise this note later.\n\nNote: {body}\n\nTitle:"
    ),
    Template("Under what heading should a secretary file the letter here?\n{body}"),
    Template("This reached me at work:\n\n{body}\n\nIn brief, what is it about?"),
    Template("Draft the full text of an email with the given subject.\n\n{answer}", "{body}", True),
    Template(
        "{answer}\n\nThat is all the preview shows of a message from a colleague. Guess the rest.",
        "{body}",
        True,
    ),
)

AESLC = Task(
    name="aeslc",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("body", "answer"),
    templates=TEMPLATES,
    mode="generate",
    metrics=("rouge",),
    corpora=("enron_email",),
    license="CC BY-NC-SA 4.0",
    citation=(
        "Zhang and Tetreault, This Email Could Save Your Life: Introducing the Task of Email "
        "Subject Line Generation, ACL 2019"
    ),
)
