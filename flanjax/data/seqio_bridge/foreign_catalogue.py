"""What SeqIO's registries hold as a catalogue: a cluster for each task.

Nothing is read, and no rate asked for, before a run names a task or mixture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import seqio
import tensorflow as tf

from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.seqio_bridge.incoming import as_task
from flanjax.data.task import TaskCluster, UnavailableError, nearest


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
            with contextlib.suppress(UnavailableError):  # a run may go on without it
                _check_trainable(name, member, task.source.splits())
        return Mixture(name, tuple(tasks.values()), max_examples=sys.maxsize, weights=_rates(name))

    def scored_without_choice(self, mixture: str) -> tuple[TaskCluster, ...]:
        """Returns the tasks of a run's mixture: the registries may hold thousands."""
        return tuple(self.cluster(member) for member in self._members(mixture))

    def _members(self, name: str) -> list[str]:
        if name in seqio.TaskRegistry.names():
            return [name]
        if name in seqio.MixtureRegistry.names():
            return [_registered(name, task) for task in seqio.MixtureRegistry.get(name).tasks]
        known = [*seqio.MixtureRegistry.names(), *seqio.TaskRegistry.names()]
        raise ValueError(
            f"mixture must be a task or mixture of SeqIO that {self.name} registers, got "
            f"{name!r}; {nearest(name, known)}"
        )


def _check_trainable(mixture: str, task: str, splits: Sequence[str]) -> None:
    if "train" not in splits:
        raise ValueError(
            f"mixture {mixture}: task {task} must have a train split, got "
            f"{', '.join(splits) or 'none'}; give its source one, or leave it out of the mixture."
        )


def _registered(mixture: str, task: seqio.Task) -> str:
    if task.name not in seqio.TaskRegistry.names():
        raise ValueError(
            f"mixture {mixture}: its tasks must be registered, got {task.name}, which is not; add "
            "it by seqio.TaskRegistry.add."
        )
    return str(task.name)


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


UNCUT = 1 << 20
"""More ids than any example has."""


def catalogue(
    name: str, *, lengths: Mapping[str, int], seed: int, is_uncut: bool = False
) -> ForeignCatalogue:
    """Returns what SeqIO's registries hold now.

    Args:
      name: What reports call it.
      lengths: "inputs" and "targets" -> ids at most, ends included.
      seed: Seeds preprocessors that draw.
      is_uncut: Whether tasks that do nothing with the lengths but to cut give
        their examples whole.

    Raises:
      ValueError: They hold nothing.
    """
    for kind in ("GPU", "TPU"):  # the model's; a started TensorFlow has them already
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.set_visible_devices([], kind)
    registered = [seqio.TaskRegistry.get(task) for task in sorted(seqio.TaskRegistry.names())]
    tasks = [
        as_task(task, lengths=_lengths(task, lengths, is_uncut=is_uncut), seed=seed)
        for task in registered
    ]
    if not tasks:
        raise ValueError(
            f"catalog {name} must register a task with SeqIO, got none; call "
            "seqio.TaskRegistry.add when it is imported."
        )
    return ForeignCatalogue(name, tuple(TaskCluster(task.name, (task,)) for task in tasks))


def _lengths(task: seqio.Task, lengths: Mapping[str, int], *, is_uncut: bool) -> Mapping[str, int]:
    if not is_uncut:
        return lengths
    own = (prep for prep in task.preprocessors if not _is_of_seqio(prep))
    if any("sequence_length" in inspect.signature(prep).parameters for prep in own):
        return lengths
    return dict.fromkeys(lengths, UNCUT)


def _is_of_seqio(preprocessor: Any) -> bool:
    return str(getattr(preprocessor, "__module__", "")).startswith("seqio.")
