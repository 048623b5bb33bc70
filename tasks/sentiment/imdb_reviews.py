"""IMDb reviews: does a viewer's review praise the film?"""

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

LABELS = ("negative", "positive")

_CLASSES = {"Negative": "neg", "Positive": "pos"}


def _from_table(row: Record) -> Record:
    # A word that is no class stays as it is: the schema says what is wrong with it.
    return {"text": row["Text"], "label": _CLASSES.get(row["Sentiment"], row["Sentiment"])}


def to_fields(record: Record) -> Fields | None:
    text = record["text"].replace("<br />", "\n").strip()
    if not text or record["label"] == -1:
        return None
    return {"text": text, "options": LABELS, "answer": LABELS[record["label"]]}


# The local files are a part of the reviews, 2,440, with a validation set of their own. TFDS is
# split as in FLAN: validation is the end of training.
SOURCE = Published(
    tfds=Tfds(
        name="imdb_reviews/plain_text:1.0.0",
        tfds_splits={"train": "train[:-200]", "validation": "train[-200:]", "test": "test"},
        features={"text": str, "label": Labels(("neg", "pos"))},
        rows={"train": 25_000, "test": 25_000, "unsupervised": 50_000},
        download_mib=80.2,
    ),
    originals=(
        Tsv(
            files={
                "train": "sentiment/imdb/train.tsv",
                "validation": "sentiment/imdb/dev.tsv",
                "test": "sentiment/imdb/test.tsv",
            },
            is_quoted=True,
            public=("https://github.com/acmi-lab/counterfactually-augmented-data (sentiment/orig)"),
            to_record=_from_table,
        ),
    ),
)

TEMPLATES = (
    Template(
        "{text}\n\nWould you say that the author of these lines got their money's worth (positive) "
        "or wants the evening back (negative)?\n{options}"
    ),
    Template("IMDb user review\n\n{text}\n\n{options}\n\nTendency:"),
    Template(
        "Reviews that come with a rating of seven or more we call positive, those with four or "
        "less negative. This one has lost its rating. Which kind is it?\n\n{text}\n\n{options}"
    ),
    Template(
        "A friend has just sent me all this about a film and I am at work. Quick, is it negative "
        "or positive?\n\n{text}\n\n{options}"
    ),
    Template(
        "Read to the end before you decide, because some reviewers open with the good parts and "
        "save the bad ones for later, or the other way round. Negative or positive on the whole?"
        "\n\n{text}"
    ),
    Template(
        "A distributor wants quotes for a poster. So that nobody prints the wrong kind, put the "
        "proper label on this review.\n{options}\n\nReview:\n{text}"
    ),
    Template(
        "Someone has seen a film and reports:\n\n{text}\n\n"
        "Name the attitude to the film that comes through in the report.\n{options}"
    ),
    Template(
        "Compose a user review for an online film database. Give reasons, and leave no doubt that "
        "you hold a {answer} opinion of the film.",
        "{text}",
        True,
    ),
    Template(
        "Verdict: {answer}\n\nNothing else of this film review is left in our archive. Restore the "
        "text as it may have been.",
        "{text}",
        True,
    ),
    Template(
        "You have just seen a film and come away with a {answer} impression. Tell other viewers "
        "all about it.",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {
        "text": "I laughed twice, both times at the subtitles.<br /><br />Stay at home.",
        "label": 0,
    },
    {
        "text": 'My third time with "The Long Harbour" and I still cry at the end. See it!',
        "label": 1,
    },
    {
        "text": "Good music, fine cast, no idea what to do with either. Two hours I miss.",
        "label": 0,
    },
)

TASK = Task(
    name="imdb_reviews",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("text", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("imdb_reviews",),
    license="None stated by its authors",
    citation="Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011",
)
