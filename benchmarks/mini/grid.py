"""The runs of the miniature: what is trained, on what, and what it is scored on.

```
  text      a model of a family, size and seed reads plain text of the world
  tune      it then learns the instructions of all clusters but those held out
  score     the held-out cluster in its own wordings, and the clusters that were trained on
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flanjax.base import stable_hash
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out

FAMILIES = ("t5", "decoder")
SIZES = ("small", "base", "large")
SEEDS = (0, 1, 2)
NUM_TEMPLATES = (1, 2, 4, 7, 10)

QUESTIONS = ("clusters", "templates", "wording", "size")
"""The studies that ask what FLAN 2021 asked, each by a gin file of its own.

"together" is the run that they are compared with: it holds out the same and changes nothing else.
"""

NEAREST = {
    "closed_book_qa": "reading_comprehension",
    "commonsense": "coreference",
    "coreference": "commonsense",
    "entailment": "reading_comprehension",
    "paraphrase": "coreference",
    "reading_comprehension": "closed_book_qa",
    "sentiment": "topics",
    "struct_to_text": "summarization",
    "summarization": "struct_to_text",
    "topics": "sentiment",
    "translation": "struct_to_text",
}
"""Cluster -> the most alike of those that may be trained on for it.

Chosen before anything was scored; exclusions of the catalogue leave out the nearest of all.
"""

PROBED = ("entailment", "commonsense", "closed_book_qa")
"""The clusters that FLAN 2021, section 4.1, holds out together to ask its questions; ours do so."""


_UNINVERTED = "AblationConfig.has_inverted=False"
"""No other wording, and no task's first seven templates, asks for what another gives: what they
are compared with must not either."""


class Run(NamedTuple):
    """One run of the grid.

    Attributes:
      study: The question that it belongs to.
      family: Of FAMILIES.
      seed: Of parameters, order and wordings.
      hold_out: The cluster that is held out, or several joined by "+"; None for
        a model of plain text.
      size: Of SIZES.
      changed: What the study changes, for the name and the table: "4", "none".
      bindings: gin bindings that make the change.
    """

    study: str
    family: str
    seed: int
    hold_out: str | None = None
    size: str = "base"
    changed: str = ""
    bindings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its result is called; no two runs share it."""
        parts = (self.study, self.changed, self.hold_out, self.family, self.size, str(self.seed))
        return "-".join(part for part in parts if part)

    @property
    def held(self) -> list[str]:
        """The clusters that are held out."""
        return self.hold_out.split("+") if self.hold_out else []

    @property
    def gin_file(self) -> str:
        """The settings that its bindings change."""
        if self.study == "text":
            return f"runs/miniature_{self.family}_text.gin"
        if self.study in QUESTIONS:
            return f"runs/miniature_{self.study}.gin"
        return f"runs/miniature_{self.family}_tuned.gin"

    @property
    def text(self) -> Run:
        """The run whose parameters it starts from."""
        return Run("text", self.family, self.seed, size=self.size)


def every_run(catalogue: Catalogue) -> Iterator[Run]:
    """Yields the runs in the order in which they are made.

    A grid that is cut short is whole in what it has: of one seed every question is asked,
    then the tuned models of the others tell how far a seed matters, a family at a time, then all
    the rest follows.
    """
    in_turn = held_in_turn(catalogue)
    first, *others = SEEDS
    for family in FAMILIES:
        yield from _tuned(in_turn, family, first)
    yield from _controls(in_turn, FAMILIES[0], first)
    yield from _scale(catalogue, first)
    for family in FAMILIES:
        for seed in others:
            yield from _tuned(in_turn, family, seed)
    yield from _controls(in_turn, FAMILIES[1], first)
    for seed in others:
        yield from _controls(in_turn, FAMILIES[0], seed)
        yield from _scale(catalogue, seed)
        yield from _controls(in_turn, FAMILIES[1], seed)


def _tuned(in_turn: list[str], family: str, seed: int) -> Iterator[Run]:
    """Yields a seed's model of text, and what it learns with each cluster held out."""
    yield Run("text", family, seed)
    for held in in_turn:
        yield Run("tuned", family, seed, held)


def held_in_turn(catalogue: Catalogue) -> list[str]:
    """Returns what is held out in turn, as `Run.hold_out`: every cluster once.

    Clusters that are near each other leave the same to be trained on, so one run answers for both.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for cluster in catalogue.clusters:
        found.setdefault(tuple(allowed(catalogue, cluster.name)), []).append(cluster.name)
    return ["+".join(names) for names in found.values()]


def _controls(in_turn: list[str], family: str, seed: int) -> Iterator[Run]:
    """Yields what the tuned models are compared with."""
    for wording in ("shuffled", "dataset_name"):
        for held in in_turn:
            bindings = (f"AblationConfig.wording='{wording}'",)
            yield Run(wording, family, seed, held, bindings=bindings)
    for held in in_turn:
        yield Run("uninverted", family, seed, held, bindings=(_UNINVERTED,))
    for nearest in sorted(set(NEAREST.values())):
        held = "+".join(name for name in NEAREST if NEAREST[name] == nearest)
        bindings = (f"AblationConfig.clusters=('{nearest}',)",)
        yield Run("nearest", family, seed, held, bindings=bindings)


def _scale(catalogue: Catalogue, seed: int) -> Iterator[Run]:
    """Yields the runs of FLAN's questions, of the encoder-decoder alone."""
    held = "+".join(PROBED)
    yield Run("together", "t5", seed, held)
    added = added_in_turn(catalogue, held, seed)
    for num in range(1, len(added)):
        bindings = (f"AblationConfig.clusters={tuple(added[:num])}",)
        yield Run("clusters", "t5", seed, held, changed=str(num), bindings=bindings)
    for num in NUM_TEMPLATES[:-1]:
        bindings = (f"AblationConfig.num_templates={num}",)
        yield Run("templates", "t5", seed, held, changed=str(num), bindings=bindings)
    for wording in ("none", "dataset_name", "shuffled"):
        bindings = (f"AblationConfig.wording='{wording}'",)
        yield Run("wording", "t5", seed, held, changed=wording, bindings=bindings)
    bindings = ("AblationConfig.wording='instruction'", _UNINVERTED)
    yield Run("wording", "t5", seed, held, changed="instruction", bindings=bindings)
    for size in ("small", "large"):
        yield Run("text", "t5", seed, size=size)
        yield Run("size", "t5", seed, held, size=size)


def allowed(catalogue: Catalogue, held: str) -> list[str]:
    """Returns the clusters that may be trained on where some are held out."""
    tasks = {task.name for task in hold_out(catalogue, held).train.tasks()}
    return [c.name for c in catalogue.clusters if any(task.name in tasks for task in c.tasks)]


def added_in_turn(catalogue: Catalogue, held: str, seed: int) -> list[str]:
    """Returns the clusters that a run may train on, in an order that each seed draws.

    One order would tell of its clusters rather than of their number.
    """
    return sorted(allowed(catalogue, held), key=lambda name: stable_hash("added", held, seed, name))
