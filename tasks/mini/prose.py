"""The plain text of a world as something to go on with: the rest of a paragraph.

An encoder-decoder reads the beginning and writes the end, as T5 was adapted to language modelling;
a causal model may take its loss on both (`causal_lm`).
"""

from __future__ import annotations

import re

from flanjax.base import stable_hash
from flanjax.data.catalogue import Catalogue
from flanjax.data.task import Fields, Record, Task, TaskCluster, Template
from flanjax.tasks.mini.text import TextSource

_ENDS = re.compile(r"(?<=\.) ")


def to_fields(record: Record) -> Fields:
    """Parts a paragraph after one of its sentences, or a sentence after a word."""
    text = record["text"]
    pieces = _ENDS.split(text)
    if len(pieces) < 2:
        pieces = text.split(" ")
    cut = 1 + stable_hash("cut", text) % (len(pieces) - 1)
    return {"beginning": " ".join(pieces[:cut]), "answer": " ".join(pieces[cut:])}


def of_world(seed: int) -> Catalogue:
    """Returns the catalogue that holds a world's text and nothing else."""
    task = Task(
        name="mini_text",
        version=1,
        source=TextSource(seed=seed),
        to_fields=to_fields,
        fields=("beginning", "answer"),
        templates=(Template("{beginning}"),),
        mode="generate",
        metrics=("rouge",),
        license="Apache-2.0",
        citation="flanjax, generated",
    )
    return Catalogue("mini_texts", (TaskCluster("text", (task,)),))


CATALOGUE = of_world(0)
