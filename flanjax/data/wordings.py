"""How alike the wordings of a catalogue are, within a task and across tasks.

Variants of a dataset share one tuple of templates; it is compared once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from flanjax.data.catalogue import Catalogue
from flanjax.data.task import Task, Template

Fault: TypeAlias = tuple[str, int, str]
"""A task's name, a template's index, and what is wrong."""


class Pair(NamedTuple):
    """Two templates and the ROUGE-L of their inputs, fields left out.

    Attributes:
      rouge: 0 to 1.
      first: Task name and template index.
      second: Another's.
    """

    rouge: float
    first: tuple[str, int]
    second: tuple[str, int]


class Likeness(NamedTuple):
    """ROUGE-L between templates, fields left out, each pair once.

    Attributes:
      distinctness: Task name -> mean of 1 - ROUGE-L over its pairs.
      within: The most alike pair of each task, the most alike first.
      across: The most alike pair of two tasks, templates of nothing but fields
        left out; None where there is none.
    """

    distinctness: dict[str, float]
    within: tuple[Pair, ...]
    across: Pair | None

    @property
    def mean_distinctness(self) -> float:
        """Returns the mean over tasks, each counting once."""
        return float(np.mean(list(self.distinctness.values()))) if self.distinctness else 1.0

    def too_high(self, limit: float) -> Iterator[Fault]:
        """Yields the tasks with a pair above a limit."""
        for pair in self.within:
            if pair.rouge > limit:
                task, index = pair.first
                what = (
                    f"wordings must have a ROUGE-L of {limit} at most, got {pair.rouge:.2f} "
                    f"with template {index}"
                )
                yield task, pair.second[1], what


def measure_likeness(catalogue: Catalogue) -> Likeness:
    """Measures ROUGE-L (F1 over words) between all templates of a catalogue.

    Source: Lin, 2004. With both texts cut into words, the F-measure of their
    longest common subsequence is the normalized Indel similarity.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    groups = _groups(catalogue)
    places = [(task.name, index) for task in groups for index in range(len(task.templates))]
    encoded = _as_characters(
        [_word_list(template) for task in groups for template in task.templates]
    )
    rouge = process.cdist(encoded, encoded, scorer=Indel.normalized_similarity, dtype=np.float32)
    owners = np.repeat(np.arange(len(groups)), [len(task.templates) for task in groups])
    is_pair = np.triu(np.ones_like(rouge, dtype=bool), k=1)
    is_within = owners[:, None] == owners[None, :]
    distinctness, within = {}, []
    for number, task in enumerate(groups):
        mine = is_pair & is_within & (owners == number)[:, None]
        if mine.any():
            distinctness[task.name] = 1.0 - float(rouge[mine].mean())
            within.append(_highest(rouge, mine, places))
    has_words = np.array([bool(text) for text in encoded])
    across = is_pair & ~is_within & has_words[:, None] & has_words[None, :]
    return Likeness(
        distinctness,
        tuple(sorted(within, key=lambda pair: -pair.rouge)),
        _highest(rouge, across, places) if across.any() else None,
    )


def near_duplicates(catalogue: Catalogue, threshold: float) -> Iterator[Fault]:
    """Yields templates whose words are nearly those of an earlier one.

    Args:
      catalogue: The catalogue.
      threshold: Jaccard similarity of the sets of words that is too high.
    """
    templates = [
        (task.name, index, frozenset(_word_list(template, with_targets=True)))
        for task in _groups(catalogue)
        for index, template in enumerate(task.templates)
        if template.inputs.strip()  # one still to be written is told by other checks
    ]
    for (task, index, words), (other, other_index, other_words) in itertools.combinations(
        templates, 2
    ):
        num_words = len(words | other_words)
        if not num_words and task != other:  # nothing but fields, and the fields are not the same
            continue
        similarity = len(words & other_words) / num_words if num_words else 1.0
        if similarity >= threshold:
            what = (
                f"wordings must be less than {threshold} alike, got {similarity:.2f} "
                f"with {task} template {index}"
            )
            yield other, other_index, what


def shared_sentences(catalogue: Catalogue) -> Iterator[Fault]:
    """Yields sentences that a template shares with one of another task."""
    owners: dict[str, str] = {}
    found = (
        (task.name, index, sentence)
        for task in _groups(catalogue)
        for index, template in enumerate(task.templates)
        for sentence in _sentences(template)
    )
    for task_name, index, sentence in found:
        owner = owners.setdefault(sentence, task_name)
        if owner != task_name:
            what = f"a sentence must belong to one task, got {sentence!r} in {owner} too"
            yield task_name, index, what


def _groups(catalogue: Catalogue) -> list[Task]:
    """Returns a task for each tuple of templates, the first that has it."""
    first: dict[tuple[Template, ...], Task] = {}
    for task in catalogue.tasks():
        first.setdefault(task.templates, task)
    return list(first.values())


def _highest(rouge: np.ndarray, where: np.ndarray, places: Sequence[tuple[str, int]]) -> Pair:
    flat = int(np.argmax(np.where(where, rouge, -1.0)))
    row, column = np.unravel_index(flat, rouge.shape)
    return Pair(float(rouge[row, column]), places[int(row)], places[int(column)])


def _as_characters(texts: Sequence[Sequence[str]]) -> list[str]:
    """Writes each distinct word as one character, which is compared the fastest."""
    codes: dict[str, str] = {}
    first = 0x10000  # beyond the surrogates, which are no characters
    return [
        "".join(codes.setdefault(word, chr(first + len(codes))) for word in words)
        for words in texts
    ]


def _word_list(template: Template, *, with_targets: bool = False) -> list[str]:
    texts = [template.parsed_inputs] + [template.parsed_targets] * with_targets
    literals = (literal for parsed in texts for literal, _ in parsed.pieces)
    return re.findall(r"\w+", " ".join(literals).casefold())


def _sentences(template: Template) -> Iterator[str]:
    """Yields the sentences of four words or more that hold no field."""
    text = template.parsed_inputs.substitute(
        dict.fromkeys(template.parsed_inputs.field_names(), "\n")
    )
    for sentence in re.split(r"(?<=[.?!:])\s|\n", text.casefold()):
        if len(sentence.split()) >= 4:
            yield sentence.strip()
