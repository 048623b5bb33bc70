"""What SeqIO's registries hold as a catalogue: a cluster for each task.

Nothing is read, and no rate asked for, before a run names a task or mixture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import seqio
import tensorflow as tf

from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.seqio_bridge.incoming import as_task
from flanjax.data.seqio_bridge.source import TaskSource
from flanjax.data.task import TaskCluster, nearest


@dataclasses.dataclass(frozen=True)
class ForeignCatalogue(Catalogue):
    """SeqIO's tasks, by themselves and in its mixtures.

    A mixture's name may stand wherever a cluster's may: to train on, to hold
    out, to score.
    """

    def cluster(self, name: str) -> TaskCluster:
        """Returns the task of that name, or the tasks of that mixture.

        Raises:
          ValueError: SeqIO has neither.
        """
        if name in {cluster.name for cluster in self.clusters}:
            return super().cluster(name)
        return TaskCluster(name, tuple(map(self.task, self._members(name))))

    def mixture(self, name: str) -> Mixture:
        """Returns a task, or a mixture at SeqIO's own rates, inner mixtures spread out.

        Raises:
          ValueError: SeqIO has neither, a task cannot be trained on, or a rate
            is no number.
        """
        tasks = {member: self.task(member) for member in self._members(name)}
        for member, task in tasks.items():
            if not task.is_trainable:
                raise ValueError(
                    f"mixture {name}: task {member} must have a train split, got "
                    f"{', '.join(task.source.splits()) or 'none'}; give its source one, or leave "
                    "it out of the mixture."
                )
        return Mixture(name, tuple(tasks.values()), max_examples=sys.maxsize, weights=_rates(name))

    def scored_without_choice(self, mixture: str) -> tuple[TaskCluster, ...]:
        """Returns the tasks of a run's mixture: the registries may hold thousands."""
        return tuple(self.cluster(member) for member in self._members(mixture))

    def _members(self, name: str) -> list[str]:
        if name in seqio.TaskRegistry.names():
            return [name]
        if name in seqio.MixtureRegistry.names():
            return [task.name for task in seqio.MixtureRegistry.get(name).tasks]
        known = [*seqio.MixtureRegistry.names(), *seqio.TaskRegistry.names()]
        raise ValueError(
            f"mixture must be a task or mixture of SeqIO that {self.name} registers, got "
            f"{name!r}; {nearest(name, known)}"
        )


def _rates(name: str) -> Mapping[str, float]:
    """Returns what SeqIO draws each task of a mixture with."""
    if name in seqio.TaskRegistry.names():
        return {name: 1.0}
    mixture = seqio.MixtureRegistry.get(name)
    rates = {}
    for task in mixture.tasks:
        try:
            rates[task.name] = float(mixture.get_rate(task))
        except Exception as error:  # rates are functions of the user's
            raise ValueError(
                f"mixture {name}: the rate of {task.name} must be a number, got "
                f"{type(error).__name__}: {error}; give num_input_examples to its source, or a "
                "number to the mixture."
            ) from error
        if not 0 <= rates[task.name] < math.inf:
            raise ValueError(
                f"mixture {name}: the rate of {task.name} must be 0 or more, got "
                f"{rates[task.name]}; mend the mixture."
            )
    return rates


def catalogue(name: str, *, lengths: Mapping[str, int], seed: int) -> ForeignCatalogue:
    """Returns what SeqIO's registries hold now.

    Args:
      name: What reports call it.
      lengths: "inputs" and "targets" -> ids at most, ends included.
      seed: Seeds preprocessors that draw.

    Raises:
      ValueError: They hold nothing.
    """
    for kind in ("GPU", "TPU"):  # the model's; a started TensorFlow has them already
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.set_visible_devices([], kind)
    registered = [seqio.TaskRegistry.get(task) for task in sorted(seqio.TaskRegistry.names())]
    corpora = _corpora(registered)
    tasks = [
        as_task(task, lengths=lengths, seed=seed, corpora=corpora[task.name]) for task in registered
    ]
    if not tasks:
        raise ValueError(
            f"catalog {name} must register a task with SeqIO, got none; call "
            "seqio.TaskRegistry.add when it is imported."
        )
    return ForeignCatalogue(name, tuple(TaskCluster(task.name, (task,)) for task in tasks))


def _corpora(tasks: Sequence[seqio.Task]) -> dict[str, tuple[str, ...]]:
    """Returns what each task was built on, as far as SeqIO can tell.

    Tasks of one TFDS dataset, of the same files or of the same function share
    it; of a task of flanjax its own corpora are known.
    """
    first: dict[int, str] = {}
    found = {}
    for task in tasks:
        source = task.source
        if isinstance(source, TaskSource):
            found[task.name] = (f"task {source.task.name}", *source.task.corpora)
        elif isinstance(source, seqio.TfdsDataSource) and source.tfds_dataset.name:
            found[task.name] = (f"TFDS {source.tfds_dataset.name.partition(':')[0]}",)
        elif (patterns := getattr(source, "_split_to_filepattern", None)) is not None:
            found[task.name] = tuple(f"files {pattern}" for pattern in _flat(patterns.values()))
        else:
            made_by = getattr(source, "_dataset_fn", source)
            found[task.name] = (f"source of {first.setdefault(id(made_by), task.name)}",)
    return found


def _flat(patterns: Iterable[Any]) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        found.update([pattern] if isinstance(pattern, str) else map(str, pattern))
    return sorted(found)
