"""The letters of the embedded collection: answers and cues."""

from __future__ import annotations

import collections
import re

from flanjax.data.task import Record
from flanjax.tasks.mini.sentiment.letters import TASK

GLAD = {"beamed", "danced", "blessed", "hummed", "laughed", "spirits", "moon", "leapt"}
SAD = {"cheated", "tears", "grumbled", "groaned", "sulked", "despair", "foul", "sank"}


def records(split: str) -> list[Record]:
    return list(TASK.source.records(split))  # type: ignore[arg-type]


def solve(letter: str) -> str:
    """Answers by the mood that is left once the passing one is struck out."""
    lasting = re.sub(r"(?i)\b(at first|for a moment) [^,.]+", "", letter)
    words = set(re.findall(r"\w+", lasting))
    assert bool(words & GLAD) != bool(words & SAD), letter
    return "positive" if words & GLAD else "negative"


def naive_score(train: list[Record], test: list[Record]) -> float:
    """Returns the share of answers found by adding up how labels go with words."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in train:
        for word in set(re.findall(r"\w+", record["letter"].lower())):
            counts[word][record["label"]] += 1
    num_right = 0
    for record in test:
        votes: collections.Counter[str] = collections.Counter()
        for word in set(re.findall(r"\w+", record["letter"].lower())):
            for label, count in counts[word].items():
                votes[label] += count / counts[word].total()  # type: ignore[assignment]
        num_right += votes.most_common(1)[0][0] == record["label"]
    return num_right / len(test)


def is_turned(record: Record) -> bool:
    words = set(re.findall(r"\w+", record["letter"]))
    return bool(words & GLAD) and bool(words & SAD)


def test_the_lasting_mood_is_the_answer():
    for record in records("train"):
        assert solve(record["letter"]) == record["label"], record


def test_words_alone_do_not_tell_the_mood_of_a_letter_that_turns():
    train = [record for record in records("train") if is_turned(record)]
    test = [record for record in records("test") if is_turned(record)]
    assert len(train) > 0.6 * 2000
    assert naive_score(train, test) <= 0.5 + 0.1


def test_the_later_mood_of_the_text_is_the_lasting_one_half_of_the_time():
    turned = [record for record in records("train") if is_turned(record)]
    num_last = 0
    for record in turned:
        moods = [w for w in re.findall(r"\w+", record["letter"]) if w in GLAD | SAD]
        num_last += (moods[-1] in GLAD) == (record["label"] == "positive")
    assert abs(num_last / len(turned) - 0.5) < 0.05


def test_a_letter_becomes_the_fields_a_reader_expects():
    letter = "Dear Bo, we saw the zoo on Friday. At first I sulked, but in the end I felt blessed."
    record = {"letter": letter, "subject": "day out", "label": "positive"}
    assert TASK.to_fields(record) == {
        "letter": letter,
        "subject": "day out",
        "options": ("positive", "negative"),
        "answer": "positive",
    }
