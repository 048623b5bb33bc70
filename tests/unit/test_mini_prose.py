"""Half a paragraph, and the rest of it."""

from __future__ import annotations

import itertools

from flanjax.tasks.mini import prose
from flanjax.tasks.mini.text import paragraphs

TEXT = "One came. Two went. Three stayed."


def test_a_paragraph_is_parted_after_one_of_its_sentences() -> None:
    fields = prose.to_fields({"text": TEXT})
    assert fields in (
        {"beginning": "One came.", "answer": "Two went. Three stayed."},
        {"beginning": "One came. Two went.", "answer": "Three stayed."},
    )


def test_every_paragraph_is_parted_somewhere_and_nothing_is_lost() -> None:
    cuts = set()
    for text in itertools.islice(paragraphs(0, "train"), 300):
        fields = prose.to_fields({"text": text})
        assert f"{fields['beginning']} {fields['answer']}" == text
        assert fields["beginning"].endswith(".") or ". " not in text
        cuts.add(fields["beginning"].count("."))
    assert len(cuts) > 2


def test_a_sentence_alone_is_parted_after_a_word() -> None:
    fields = prose.to_fields({"text": "nothing but words"})
    assert fields["beginning"] in ("nothing", "nothing but")


def test_the_text_of_another_seed_is_of_another_world() -> None:
    (task,) = prose.of_world(5).tasks()
    (first,) = itertools.islice(task.source.records("train"), 1)
    (other,) = itertools.islice(prose.CATALOGUE.tasks()[0].source.records("train"), 1)
    assert first != other
