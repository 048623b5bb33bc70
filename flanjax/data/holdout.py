"""What a run is tested on, and what it may therefore not be trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.task import Task, TaskCluster, UnavailableError

INTRA_CLUSTER = "intra"
TASKS = "task"
EVALUATION_ONLY = "has no training split: it is for evaluation only"


class HoldOut(NamedTuple):
    """A rule, resolved against a catalogue.

    Attributes:
      rule: How it was written: "nli", "nli+commonsense", "intra:3" or
        "task:rte+cb".
      test: The held-out tasks, as a cluster.
      spared: Cluster -> why training leaves it out too.
    """

    rule: str
    test: TaskCluster
    spared: Mapping[str, str]


class Split(NamedTuple):
    """A hold-out: what is trained on, what is tested, what is left out.

    Attributes:
      train: The training mixture.
      test: The held-out tasks; None where nothing is held out.
      dropped: Task name -> why it is in neither.
    """

    train: Mixture
    test: TaskCluster | None
    dropped: dict[str, str]


def resolve(catalogue: Catalogue, rule: str) -> HoldOut:
    """Returns the hold-out that a rule names.

    "nli" holds out a cluster, "nli+commonsense" two, with the clusters that
    are too close to them (`Catalogue.exclusions`). "intra:3" is the fourth of
    `intra_cluster`. "task:rte+cb" holds out single tasks.

    Raises:
      ValueError: The rule names nothing that the catalogue has.
    """
    rule = "".join(rule.split())
    kind, colon, rest = rule.partition(":")
    if not colon:
        return _inter_cluster(catalogue, _distinct(rule, rule))
    if kind == INTRA_CLUSTER and rest.isdecimal():
        splits = intra_cluster(catalogue)
        if int(rest) < len(splits):
            return splits[int(rest)]
        raise ValueError(
            f"hold-out {rule} must count below {len(splits)}, got {rest}; count from 0."
        )
    if kind == TASKS:
        names = _distinct(rule, rest)
        clusters = {cluster.name for cluster in catalogue.clusters}
        for name in names:
            if name in clusters:
                raise ValueError(
                    f"hold-out {rule} must name tasks, got the cluster {name}; write {name} alone."
                )
        tasks = tuple(catalogue.task(name) for name in names)
        return HoldOut(rule, TaskCluster("_".join(("task", *names)), tasks), {})
    raise ValueError(
        f"a hold-out must read CLUSTER, CLUSTER+CLUSTER, intra:NUMBER or task:NAME+NAME, "
        f"got {rule!r}; write one of them."
    )


def _distinct(rule: str, names: str) -> list[str]:
    found = names.split("+")
    if "" in found or "," in names:
        raise ValueError(f"hold-out {rule!r} must join names by '+', got {names!r}; write a+b.")
    if len(set(found)) != len(found):
        raise ValueError(f"hold-out {rule} must name each once, got {names}; remove one.")
    return found


def _inter_cluster(catalogue: Catalogue, names: Sequence[str]) -> HoldOut:
    known = {task.name for task in catalogue.tasks()}
    for name in names:
        if name in known and name not in {cluster.name for cluster in catalogue.clusters}:
            raise ValueError(
                f"a hold-out must name a cluster, got the task {name}; write task:{name}."
            )
    tasks = tuple(task for name in names for task in catalogue.cluster(name).tasks)
    spared = {}
    for first, second, reason in catalogue.exclusions:
        for held, other in ((first, second), (second, first)):
            if held in names and other not in names:
                spared[other] = f"cluster {other} is close to {held}: {reason}"
    return HoldOut("+".join(names), TaskCluster("_".join(names), tasks), spared)


def intra_cluster(catalogue: Catalogue) -> tuple[HoldOut, ...]:
    """Returns splits that each hold out one dataset of every larger cluster.

    The rest of each cluster is trained on, so the skill is known and only the
    dataset is new (FLAN 2021's intra-cluster splits). Variants of a dataset,
    which share their templates, go together. There are as many splits as the
    largest cluster has datasets; smaller clusters take turns.
    """
    groups = [_datasets(cluster) for cluster in catalogue.clusters]
    groups = [datasets for datasets in groups if len(datasets) > 1]
    return tuple(
        HoldOut(
            f"{INTRA_CLUSTER}:{number}",
            TaskCluster(
                f"{INTRA_CLUSTER}_{number}",
                tuple(task for datasets in groups for task in datasets[number % len(datasets)]),
            ),
            {},
        )
        for number in range(max(map(len, groups), default=0))
    )


def _datasets(cluster: TaskCluster) -> list[tuple[Task, ...]]:
    """Returns a cluster's tasks, the variants of a dataset together."""
    found: dict[object, list[Task]] = {}
    for task in cluster.tasks:
        found.setdefault(task.templates, []).append(task)
    return [tuple(tasks) for tasks in found.values()]


def hold_out(
    catalogue: Catalogue, rule: str, *, mixture: Mixture | None = None, closure: bool = True
) -> Split:
    """Splits a catalogue so that what is tested is never seen in training.

    A task is left out of training when its cluster is too close to a held-out
    one, when it is a variant of a held-out task (of its cluster, with the same
    templates), and when it was built on a source text that a held-out task was
    built on too. Variants with templates of their own, as SQuAD's two, are
    kept apart by their source text alone.

    Args:
      catalogue: The catalogue.
      rule: What to hold out, as `resolve` reads it.
      mixture: What to train on before anything is left out; the whole
        catalogue if None.
      closure: Whether shared source texts count. FLAN 2021 did not look at
        them: False gives its published splits.

    Raises:
      ValueError: The rule names nothing, or nothing is left to train on.
    """
    held = resolve(catalogue, rule)
    mixture = mixture or catalogue.mixture(catalogue.name)
    tested = {task.name for task in held.test.tasks}
    kept: list[Task] = []
    dropped = {} if mixture.name != catalogue.name else evaluation_only(catalogue)
    for task in mixture.tasks():
        if task.name in tested:
            continue
        reason = _reason(catalogue, task, held, closure)
        if reason:
            dropped[task.name] = reason
        else:
            kept.append(task)
    dropped = {name: why for name, why in dropped.items() if name not in tested}
    if not kept:
        reasons = "".join(f"; {name} is dropped: {why}" for name, why in dropped.items())
        raise ValueError(
            f"hold_out must leave a task to train on, got none of {mixture.name} without "
            f"{rule}{reasons}; name a larger mixture."
        )
    train = restricted(mixture, kept, name=f"{mixture.name}-{held.test.name}")
    return Split(train, held.test, dropped)


def evaluation_only(catalogue: Catalogue) -> dict[str, str]:
    """Returns the tasks that cannot be trained on, and why."""
    return {task.name: EVALUATION_ONLY for task in catalogue.tasks() if not task.is_trainable}


def restricted(mixture: Mixture, tasks: Sequence[Task], *, name: str) -> Mixture:
    """Returns a mixture of some of its tasks, explicit weights following."""
    weights = mixture.weights
    if weights is not None:
        names = {task.name for task in tasks}
        weights = {task: weight for task, weight in weights.items() if task in names}
    return dataclasses.replace(mixture, name=name, members=tuple(tasks), weights=weights)


def without_missing(mixture: Mixture, missing: Mapping[str, str]) -> Mixture:
    """Returns a mixture without the tasks whose data is not here.

    Args:
      mixture: The mixture.
      missing: Task -> why its data is missing.

    Raises:
      UnavailableError: No task is left.
    """
    present = [task for task in mixture.tasks() if task.name not in missing]
    if not present:
        raise UnavailableError(
            f"mixture {mixture.name} must have a task whose data is here, got none; "
            f"first: {next(iter(missing.values()))}"
        )
    return restricted(mixture, present, name=mixture.name)


def _reason(catalogue: Catalogue, task: Task, held: HoldOut, closure: bool) -> str | None:
    """Returns why a task may not be trained on, None where it may."""
    home = catalogue.cluster_of(task.name)
    if home in held.spared:
        return held.spared[home]
    for tested in held.test.tasks:
        if tested.templates == task.templates and catalogue.cluster_of(tested.name) == home:
            return f"is a variant of {tested.name}"
    if not closure:
        return None
    owners = {corpus: tested.name for tested in held.test.tasks for corpus in tested.corpora}
    for corpus in task.corpora:
        if corpus in owners:
            return f"shares the source {corpus} with {owners[corpus]}"
    return None
