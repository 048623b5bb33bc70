"""Is a short review positive or negative?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("positive", "negative")

_ASPECTS = {
    "book": ("cover", "ending", "plot", "story"),
    "concert": ("band", "music", "singer", "sound"),
    "film": ("acting", "ending", "music", "plot"),
    "hotel": ("bed", "breakfast", "room", "view"),
    "museum": ("building", "garden", "guide", "shop"),
    "phone": ("battery", "camera", "screen", "sound"),
}
"""What is reviewed -> what there is to say about it."""

_WORDS = {
    "positive": (
        "excellent", "fabulous", "good", "great", "impressive", "lovely", "splendid", "superb",
    ),
    "negative": (
        "awful", "bad", "disappointing", "dreadful", "dull", "poor", "terrible", "weak",
    ),
}  # fmt: skip

_DEGREES = ("", "quite ", "really ", "simply ", "truly ")

_OPPOSITE = {"positive": "negative", "negative": "positive"}


def _opinion(draw: Draw, label: str, subject: str) -> str:
    """Writes a clause of that sentiment, by praise or by denying blame."""
    word = draw.choice(_WORDS[label])
    denied = draw.choice(_WORDS[_OPPOSITE[label]])
    return draw.choice(
        (
            f"{subject} was {draw.choice(_DEGREES)}{word}",
            f"{subject} was {draw.choice(_DEGREES)}{word}",
            f"{subject} was not {denied} at all",
            f"{subject} was anything but {denied}",
        )
    )


def make(draw: Draw) -> Record:
    """Writes a review of one or two clauses; where they differ, the last wins.

    Every clause denies what it does not mean as often as it says what it does,
    so that a word of praise is as frequent in either kind of review.
    """
    label = draw.choice(OPTIONS)
    subject = draw.choice(tuple(_ASPECTS))
    first, second = (f"the {aspect}" for aspect in draw.sample(_ASPECTS[subject], 2))
    expected = draw.choice(_WORDS[_OPPOSITE[label]])
    denied = draw.choice(_WORDS[label])
    hope = draw.choice(
        (
            f"I expected {world.with_article(expected)} {subject}",
            f"I did not expect {world.with_article(denied)} {subject}",
        )
    )
    called = draw.choice((expected, f"anything but {denied}"))
    review = draw.choice(
        (
            _opinion(draw, label, f"the {subject}"),
            f"{_opinion(draw, label, first)} and {_opinion(draw, label, second)}",
            f"{hope}, but {_opinion(draw, label, first)}",
            f"friends called the {subject} {called}, yet {_opinion(draw, label, 'it')}",
        )
    )
    return {"review": world.sentence(review), "subject": subject, "label": label}


def to_fields(record: Record) -> Fields:
    """Gives the review and what it is about."""
    return {
        "review": record["review"],
        "subject": record["subject"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_reviews",
    version=1,
    source=GrammarSource(name="mini_reviews", make=make, topic=("review",)),
    to_fields=to_fields,
    fields=("review", "subject", "options", "answer"),
    templates=(
        Template("{review}\nIs this review positive or negative?\n{options}"),
        Template("Review: {review}\nSentiment?\n{options}"),
        Template(
            'Somebody wrote about a {subject}: "{review}" What feeling does it express?\n{options}'
        ),
        Template("Would you call this remark positive or negative? {review}"),
        Template("{options}\nWhich label suits the following {subject} review?\n{review}"),
        Template("Sort the comment into one of two piles.\n{options}\nComment: {review}"),
        Template(
            "Here is a customer's opinion of a {subject}. In a single word, "
            "is it negative or positive? {review}"
        ),
        Template(
            "The editor tags every {subject} review by its mood. Next: {review} "
            "Which tag should it get?\n{options}"
        ),
        Template("How does the writer feel about the {subject}, all in all?\n{review}\n{options}"),
        Template("{review} Sum up that verdict.\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
