"""The embedded collection: small tasks that need no files and no network.

A task is one file that exposes TASK; a cluster is a folder of such files and
one entry below. They share the words of `world`, the facts of `facts` and the
grammars' machinery of `source`, and import nothing of one another.
"""

from __future__ import annotations

import dataclasses

from flanjax.data.catalogue import Catalogue, Exclusion
from flanjax.data.task import Task, TaskCluster
from flanjax.tasks.mini.closed_book_qa import cities, neighbours, residents
from flanjax.tasks.mini.commonsense import endings, routines, uses
from flanjax.tasks.mini.coreference import its, ones, pronouns
from flanjax.tasks.mini.entailment import collections, comparisons, kinds
from flanjax.tasks.mini.paraphrase import orders, quantities, rewordings
from flanjax.tasks.mini.reading_comprehension import errands, events, homes
from flanjax.tasks.mini.sentiment import letters, reactions, reviews
from flanjax.tasks.mini.struct_to_text import objects, people, timetables
from flanjax.tasks.mini.summarization import diaries, notices, talks
from flanjax.tasks.mini.topics import headlines, questions, requests
from flanjax.tasks.mini.translation import from_veshi, into_veshi, veshi_numbers

_CLUSTERS = (
    TaskCluster("entailment", (comparisons.TASK, kinds.TASK, collections.TASK)),
    TaskCluster("reading_comprehension", (events.TASK, homes.TASK, errands.TASK)),
    TaskCluster("sentiment", (reactions.TASK, reviews.TASK, letters.TASK)),
    TaskCluster("struct_to_text", (objects.TASK, people.TASK, timetables.TASK)),
    TaskCluster("paraphrase", (orders.TASK, quantities.TASK, rewordings.TASK)),
    TaskCluster("coreference", (its.TASK, ones.TASK, pronouns.TASK)),
    TaskCluster("commonsense", (endings.TASK, routines.TASK, uses.TASK)),
    TaskCluster("closed_book_qa", (cities.TASK, neighbours.TASK, residents.TASK)),
    TaskCluster("topics", (headlines.TASK, questions.TASK, requests.TASK)),
    TaskCluster("summarization", (diaries.TASK, notices.TASK, talks.TASK)),
    TaskCluster("translation", (from_veshi.TASK, into_veshi.TASK, veshi_numbers.TASK)),
)

_EXCLUSIONS = (
    Exclusion("entailment", "paraphrase", "both ask what one sentence makes of another"),
    Exclusion("reading_comprehension", "coreference", "both ask who a short text means"),
)


def of_world(seed: int, *, num_train: int = 2000) -> Catalogue:
    """Returns the collection as a world of its own tells it: other people and facts.

    Args:
      seed: Of the world.
      num_train: Training records of each task; validation and test stay the same.
    """

    def told(task: Task) -> Task:
        source = dataclasses.replace(task.source, seed=seed, num_train=num_train)  # type: ignore[type-var]
        return dataclasses.replace(task, source=source)

    clusters = (TaskCluster(c.name, tuple(map(told, c.tasks))) for c in _CLUSTERS)
    return Catalogue("mini", tuple(clusters), _EXCLUSIONS)


CATALOGUE = Catalogue("mini", _CLUSTERS, _EXCLUSIONS)
