"""AG News: which section of the news does an item belong to?"""

import html
import re

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Csv
from flanjax.data.task import Fields, Record, Task, Template
from flanjax.data.tfds_source import Tfds

TOPICS = ("World", "Sports", "Business", "Science/Tech")

# The corpus lost the "&" of its entities ("doesn #39;t"), has backslashes for line breaks, and
# keeps some tags of web pages. What is not a tag stays: "<TXN.N>" names a share.
_ENTITY = re.compile(r"(?:^| )(?=(?:#\d+|quot|amp|lt|gt);)")
_TAG = re.compile(r"</?(?:a|b|br|em|font|i|img|nobr|p|strong)(?:\s[^<>]*)?/?>", re.IGNORECASE)


def _from_release(row: Record) -> Record:
    number = int(row["Class Index"])
    if not 1 <= number <= len(TOPICS):
        raise ValueError(f"Class Index must be 1 to {len(TOPICS)}, got {number}.")
    return {"title": row["Title"], "description": row["Description"], "label": number - 1}


def _readable(text: str) -> str:
    restored = html.unescape(_ENTITY.sub("&", text))
    return " ".join(_TAG.sub(" ", restored).replace("\\", " ").split())


def to_fields(record: Record) -> Fields | None:
    title, text = _readable(record["title"]), _readable(record["description"])
    if not title or not text:
        return None
    return {"title": title, "text": text, "options": TOPICS, "answer": TOPICS[record["label"]]}


# As in FLAN, validation is the end of the training set. The authors' files have no row of column
# names, those that other sites offer begin with one.
SOURCE = Published(
    tfds=Tfds(
        name="ag_news_subset:1.0.0",
        tfds_splits={"train": "train[:30000]", "validation": "train[-200:]", "test": "test"},
        features={
            "title": str,
            "description": str,
            "label": Labels(("World", "Sports", "Business", "Sci/Tech")),
        },
        rows={"train": 120_000, "test": 7_600},
        download_mib=11.2,
    ),
    originals=(
        Csv(
            files={
                "train": "summarization/ag_news_csv/train.csv[:30000]",
                "validation": "summarization/ag_news_csv/train.csv[-200:]",
                "test": "summarization/ag_news_csv/test.csv",
            },
            public=(
                "https://drive.google.com/uc?export=download&id=0Bz8a_Dbh9QhbUDNpeUdjb0wxRms "
                "(ag_news_csv.tar.gz)"
            ),
            columns=("Class Index", "Title", "Description"),
            to_record=_from_release,
        ),
        Csv(
            files={
                "train": "summarization/ag_news/train.csv[:30000]",
                "validation": "summarization/ag_news/train.csv[-200:]",
                "test": "summarization/ag_news/test.csv",
            },
            public="https://www.kaggle.com/datasets/amananandrai/ag-news-classification-dataset",
            to_record=_from_release,
        ),
    ),
)

TEMPLATES = (
    Template("{title}\n\n{text}\n\nFile this dispatch in one of the drawers.\n{options}\nDrawer:"),
    Template(
        "Suppose I read only one section of the newspaper. Which must it be for me to come across "
        "the story below?\n{options}\n\nHeadline: {title}\nOpening: {text}"
    ),
    Template("ROUTING SLIP\nSlug: {title}\nLead: {text}\n{options}\nSend to the desk for:"),
    Template(
        "Of the topics listed, name the one that suits “{title}” best. For context, the wire "
        "carried this underneath: {text}\n\n{options}"
    ),
    Template("{options}\n\nTag the blurb with exactly one label from above.\n\n{title}\n{text}"),
    Template(
        "Sort it for my feed reader, please: World, Sports, Business or Science/Tech?\n\n"
        "{title}\n{text}"
    ),
    Template(
        "A visitor to our site clicked on the following.\n\n{title}\n{text}\n\n"
        "Judging by that click, what kind of news should we show next?\n{options}"
    ),
    Template(
        "Children, I have cut something out for you. It is called “{title}” and begins like "
        "this: {text}\n\nCan you tell which page of the paper has a hole in it now?\n{options}"
    ),
    Template(
        "Our {answer} editor filed a paragraph but forgot the headline. Suggest one.\n\n{text}",
        "{title}",
        True,
    ),
    Template(
        "Section: {answer}\nHeadline: {title}\n\nContinue with a news item of a sentence or two.",
        "{text}",
        True,
    ),
)

EXAMPLES = (
    {
        "title": "Ministers meet in Lima to end border row",
        "description": "LIMA (Reuters) - Envoys of both countries\\sat down on Monday, the "
        "first talks since the crossing was closed.",
        "label": 0,
    },
    {
        "title": "Keeper saves two penalties, Rovers go through",
        "description": "The visitors hadn #39;t won a shoot-out in nine years.",
        "label": 1,
    },
    {
        "title": "Bakery chain to shut 40 shops",
        "description": "Rising rents cost the firm  #36;3 million last year, a spokesman said.",
        "label": 2,
    },
    {
        "title": "New probe sends first pictures of comet",
        "description": " quot;We are stunned, quot; said one of the engineers.",
        "label": 3,
    },
)

TASK = Task(
    name="ag_news_subset",
    version=1,
    source=SOURCE,
    to_fields=to_fields,
    fields=("title", "text", "options", "answer"),
    templates=TEMPLATES,
    mode="rank",
    metrics=("accuracy",),
    examples=EXAMPLES,
    corpora=("ag_news",),
    license="Non-commercial use; terms of AG's corpus of news articles",
    citation=(
        "Zhang, Zhao and LeCun, Character-level Convolutional Networks for Text Classification, "
        "NIPS 2015"
    ),
)
