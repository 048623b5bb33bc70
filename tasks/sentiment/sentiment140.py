"""Sentiment140: is a tweet in good or in bad spirits?"""

import html

from flanjax.data.published import Published
from flanjax.data.sources import Csv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("negative", "positive")

_ANSWERS = {0: "negative", 4: "positive"}


def to_fields(record: Record) -> Fields | None:
    # Twitter's interface gave out "&", "<" and ">" escaped.
    text = html.unescape(record["text"]).strip()
    answer = _ANSWERS.get(record["polarity"])  # 2 is neutral, in the test set alone: left out
    return {"text": text, "options": LABELS, "answer": answer} if text and answer else None


_TRAINING = "sentiment/sentiment140/training.1600000.processed.noemoticon.csv"

# The training file holds 800,000 negative tweets and then 800,000 positive ones. TFDS shuffles it;
# from the file, training and validation are cut around the middle, so that both have both kinds:
# 30,000 tweets and 200, as many as from TFDS.
SOURCE = Published(
    tfds=Tfds(
        name="sentiment140:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "test"},
        features={"text": str, "polarity": int},
        rows={"train": 1_600_000, "test": 498},
        download_mib=77.6,
    ),
    originals=(
        Csv(
            files={
                "train": f"{_TRAINING}[784900:815100]",
                "validation": f"{_TRAINING}[799900:800100]",
                "test": "sentiment/sentiment140/testdata.manual.2009.06.14.csv",
            },
            columns=("polarity", "id", "date", "query", "user", "text"),
            encoding="latin-1",
            public="http://help.sentiment140.com/for-students",
        ),
    ),
)

TEMPLATES = (
    Template("Tweet: {text}\n{options}\nMood:"),
    Template(
        "Somebody tweeted:\n{text}\n\nGood spirits or bad? Write positive for the former and "
        "negative for the latter."
    ),
    Template(
        "{text}\n\nIf you had to put a single emoticon behind this message, would it smile "
        "(positive) or frown (negative)?\n{options}"
    ),
    Template(
        "The social media team codes every incoming post for its weekly report. Which code goes "
        "here?\n{options}\n\nPost: {text}"
    ),
    Template(
        "Read the next line the way a follower would. Does its writer come across as positive or "
        "as negative?\n\n{text}\n\n{options}"
    ),
    Template(
        "There is not much room in 140 characters, but enough to let a feeling slip out. "
        "Which one slips out here?\n{options}\n\n{text}"
    ),
    Template("Polarity scan of a timeline\n\n@someone: {text}\n\n{options}"),
    Template(
        "Put something {answer} on Twitter. Hashtags, slang and typing errors are welcome.",
        "{text}",
        True,
    ),
    Template("Platform: Twitter\nFeeling: {answer}\nWhat the user posted:", "{text}", True),
    Template(
        "We are testing a mood detector. Make up a short status update that it ought to flag as "
        "{answer} at once.",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {"text": "@mo_bakes my bread ROSE &lt;3 best sunday ever", "polarity": 4},
    {"text": "bus late again, phone dead, rain &amp; no umbrella", "polarity": 0},
    {"text": "exam over!!! off to the beach with the girls", "polarity": 4},
    {"text": "cant sleep... why did I drink that coffee", "polarity": 0},
)

TASK = Task(
    name="sentiment140",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("sentiment140_tweets",),
    license="None stated by its authors",
    citation=(
        "Go, Bhayani and Huang, Twitter Sentiment Classification using Distant Supervision, "
        "Stanford CS224N project report, 2009"
    ),
)
