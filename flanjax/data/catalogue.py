"""Catalogues, mixtures, and what may not be trained on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, Union

from flanjax.data.task import Task, TaskCluster, nearest

MAX_EXAMPLES = 30_000
"""Examples used of each task, unless a run says otherwise (FLAN 2021, section 2.1)."""


class Exclusion(NamedTuple):
    """Two clusters so close that neither is trained on for the other's test.

    Attributes:
      first: A cluster's name.
      second: Another's.
      reason: Why, in a few words; it is printed in the run's certificate.
    """

    first: str
    second: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Tasks drawn from together, in proportion to their size up to a cap.

    Attributes:
      name: What logs and reports call it.
      members: Tasks, or mixtures whose tasks count as members.
      max_examples: At most so many examples are used of each task.
      rate_cap: A task's size counts as at most this much when rates are set
        (FLAN 2021, section 2.4: no task gains from more than 3,000).
      temperature: Rates are raised to 1 / temperature (T5, section 3.5.2).
      weights: Explicit rates by task name, in place of sizes.
    """

    name: str
    members: tuple["Member", ...]
    max_examples: int = MAX_EXAMPLES
    rate_cap: int = 3_000
    temperature: float = 1.0
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks()]
        if not names:
            raise ValueError(f"mixture {self.name}: members must hold a task, got none; add one.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"mixture {self.name}: a task must stand in it once, got {', '.join(twice)} twice; "
                "remove one."
            )
        for name, value in (("max_examples", self.max_examples), ("rate_cap", self.rate_cap)):
            if value < 1:
                raise ValueError(
                    f"mixture {self.name}: {name} must be positive, got {value}; raise it."
                )
        if not self.temperature > 0:
            raise ValueError(
                f"mixture {self.name}: temperature must be positive, got {self.temperature}; "
                "use 1.0 for proportional rates."
            )
        for name, weight in (self.weights or {}).items():
            if not 0 <= weight < math.inf:
                raise ValueError(
                    f"mixture {self.name}: the weight of {name} must be 0 or more, got {weight}; "
                    "use 0 to leave the task out."
                )
            if name not in names:
                raise ValueError(
                    f"mixture {self.name}: weights must name its tasks, got {name!r}; "
                    f"{nearest(name, names)}"
                )

    def tasks(self) -> tuple[Task, ...]:
        """Returns every task, those of member mixtures included, in order."""
        found: list[Task] = []
        for member in self.members:
            found.extend(member.tasks() if isinstance(member, Mixture) else [member])
        return tuple(found)


Member: TypeAlias = Union[Task, Mixture]


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """All the clusters of one collection, as a value.

    Attributes:
      name: What reports call it.
      clusters: The clusters; no task stands in two of them.
      exclusions: Pairs of clusters that may not be trained on for each other.
    """

    name: str
    clusters: tuple[TaskCluster, ...]
    exclusions: tuple[Exclusion, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.clusters, tuple) or not self.clusters:
            got = "none" if self.clusters == () else f"a {type(self.clusters).__name__}"
            raise ValueError(
                f"catalogue {self.name}: clusters must be a tuple of one at least, got {got}; "
                "write (CLUSTER,)."
            )
        for part in self.clusters:
            if not isinstance(part, TaskCluster):
                raise ValueError(
                    f"catalogue {self.name}: clusters must be TaskClusters, got a "
                    f"{type(part).__name__}; a catalogue is widened with `extended`."
                )
        seen: dict[str, str] = {}
        for cluster in self.clusters:
            for task in cluster.tasks:
                if task.name in seen:
                    raise ValueError(
                        f"catalogue {self.name}: a task must stand in one cluster, got {task.name} "
                        f"in {seen[task.name]} and {cluster.name}; remove or rename one."
                    )
                seen[task.name] = cluster.name
        names = [cluster.name for cluster in self.clusters]
        if self.name in names:
            raise ValueError(
                f"catalogue {self.name}: its name must not be that of a cluster, got {self.name}; "
                "rename one."
            )
        if len(set(names)) != len(names):
            raise ValueError(
                f"catalogue {self.name}: cluster names must differ, got {', '.join(names)}; "
                "rename one."
            )
        for exclusion in self.exclusions:
            for name in exclusion[:2]:
                if name not in names:
                    raise ValueError(
                        f"catalogue {self.name}: an exclusion must name its clusters, got "
                        f"{name!r}; {nearest(name, names)}"
                    )

    def extended(
        self,
        name: str,
        *clusters: TaskCluster,
        exclusions: tuple[Exclusion, ...] = (),
    ) -> Catalogue:
        """Returns a catalogue of these clusters and more, its exclusions kept.

        Args:
          name: The new catalogue's name.
          *clusters: What is added.
          exclusions: Pairs that are close besides, among all the clusters.
        """
        return Catalogue(name, (*self.clusters, *clusters), (*self.exclusions, *exclusions))

    def tasks(self) -> tuple[Task, ...]:
        """Returns every task in the order of the clusters."""
        return tuple(task for cluster in self.clusters for task in cluster.tasks)

    def cluster(self, name: str) -> TaskCluster:
        """Returns the cluster of that name.

        Raises:
          ValueError: There is none; the message names the nearest.
        """
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        known = [cluster.name for cluster in self.clusters]
        raise ValueError(
            f"cluster must be one of catalogue {self.name}, got {name!r}; {nearest(name, known)}"
        )

    def task(self, name: str) -> Task:
        """Returns the task of that name.

        Raises:
          ValueError: There is none; the message names the nearest.
        """
        for task in self.tasks():
            if task.name == name:
                return task
        known = [task.name for task in self.tasks()]
        raise ValueError(
            f"task must be one of catalogue {self.name}, got {name!r}; {nearest(name, known)}"
        )

    def cluster_of(self, task_name: str) -> str:
        """Returns the name of the cluster that holds a task."""
        for cluster in self.clusters:
            if any(task.name == task_name for task in cluster.tasks):
                return cluster.name
        self.task(task_name)
        raise AssertionError("unreachable")

    def scored_without_choice(self, mixture: str) -> tuple[TaskCluster, ...]:
        """Returns what is scored where no cluster is named: all of them.

        Args:
          mixture: What the run trains on.
        """
        return self.clusters

    def mixture(self, name: str) -> Mixture:
        """Returns the mixture of a name: the catalogue, a cluster, or a task.

        Tasks without a training split are for evaluation only and left out.
        """
        tasks: tuple[Task, ...] | None = None
        if name == self.name:
            tasks = self.tasks()
        elif any(cluster.name == name for cluster in self.clusters):
            tasks = self.cluster(name).tasks
        elif any(task.name == name for task in self.tasks()):
            tasks = (self.task(name),)
        if tasks is not None:
            trainable = tuple(task for task in tasks if task.is_trainable)
            if not trainable:
                raise ValueError(
                    f"mixture {name} must have a task with a training split, got none; "
                    "it is for evaluation only."
                )
            return Mixture(name, trainable)
        known = [self.name, *(c.name for c in self.clusters), *(t.name for t in self.tasks())]
        raise ValueError(
            f"mixture must be the catalogue {self.name}, one of its clusters or tasks, "
            f"got {name!r}; {nearest(name, known)}"
        )


def rates(mixture: Mixture, num_examples: Mapping[str, int]) -> dict[str, float]:
    """Returns each task's share of a mixture; shares sum to one.

    Args:
      mixture: The mixture.
      num_examples: Task name -> examples after filters, before the caps.

    Raises:
      ValueError: A task has no examples, or all weights are 0.
    """
    raw = {}
    for task in mixture.tasks():
        size = min(num_examples[task.name], mixture.max_examples, mixture.rate_cap)
        if size < 1:
            raise ValueError(
                f"mixture {mixture.name}: a task must have examples, got none of {task.name}; "
                "check its source, or leave it out."
            )
        weight = float(size) if mixture.weights is None else mixture.weights.get(task.name, 0.0)
        raw[task.name] = weight
    largest = max(raw.values())
    if largest <= 0:
        raise ValueError(f"mixture {mixture.name}: weights must sum to more than 0; raise one.")
    raw = {name: (value / largest) ** (1.0 / mixture.temperature) for name, value in raw.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}
