"""The embedded collection: small tasks that need no files and no network.

A task is one file that exposes TASK; a cluster is a folder of such files and
one entry below. They share the words of `world` and the grammars' machinery
of `source`, and import nothing of one another.
"""

from __future__ import annotations

from flanjax.data.catalogue import Catalogue
from flanjax.data.task import TaskCluster
from flanjax.tasks.mini.entailment import comparisons, kinds
from flanjax.tasks.mini.reading_comprehension import events, homes
from flanjax.tasks.mini.sentiment import reactions, reviews
from flanjax.tasks.mini.struct_to_text import objects, people

CATALOGUE = Catalogue(
    name="mini",
    clusters=(
        TaskCluster("entailment", (comparisons.TASK, kinds.TASK)),
        TaskCluster("reading_comprehension", (events.TASK, homes.TASK)),
        TaskCluster("sentiment", (reactions.TASK, reviews.TASK)),
        TaskCluster("struct_to_text", (objects.TASK, people.TASK)),
    ),
)
