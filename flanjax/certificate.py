"""What an experiment trains on, tests and leaves out, and the proof of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from flanjax.data.ablation import ablate
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import Split, evaluation_only, hold_out
from flanjax.data.task import Task
from flanjax.evaluation.results import Certificate
from flanjax.experiment import Experiment


def split_catalogue(experiment: Experiment, catalogue: Catalogue) -> Split:
    """Returns what a run trains on, tests and drops.

    Without a held-out cluster nothing is unseen; reports say so.
    """
    data = experiment.data
    mixture = catalogue.mixture(data.mixture_or_task_name)
    mixture = dataclasses.replace(
        mixture,
        max_examples=mixture.max_examples if data.max_examples is None else data.max_examples,
        rate_cap=data.rate_cap,
        temperature=data.temperature,
    )
    is_whole = mixture.name == catalogue.name
    split = Split(mixture, None, evaluation_only(catalogue) if is_whole else {})
    if data.hold_out is not None:
        try:
            split = hold_out(catalogue, data.hold_out, mixture=mixture, closure=data.corpus_closure)
        except ValueError as error:
            raise ValueError(f"HOLD_OUT = {data.hold_out!r}: {error}") from None
    train, left_out = ablate(catalogue, split.train, experiment.ablation)
    return split._replace(train=train, dropped={**split.dropped, **left_out})


def certify(
    catalogue: Catalogue,
    split: Split,
    *,
    rule: str | None,
    corpus_closure: bool = True,
    ablation: str = "",
    not_trained: Mapping[str, str] = MappingProxyType({}),
    not_tested: Mapping[str, str] = MappingProxyType({}),
) -> Certificate:
    """Returns what is trained on, tested and dropped, and why.

    Args:
      catalogue: The tasks.
      split: From `hold_out` or `split_catalogue`.
      rule: The hold-out as it was written.
      corpus_closure: Whether shared source texts counted.
      ablation: What training goes without, in words.
      not_trained: Task -> why its training data is not here.
      not_tested: Task -> why what it is scored on is not here.
    """
    held_out = split.test.tasks if split.test else ()
    trained = [task for task in split.train.tasks() if task.name not in not_trained]
    tested = [task for task in held_out if task.name not in not_tested]
    untested = {task.name: not_tested[task.name] for task in held_out if task not in tested}
    return Certificate(
        catalogue=catalogue.name,
        held_out=split.test.name if split.test else None,
        rule=rule,
        corpus_closure=corpus_closure,
        ablation=ablation,
        trained=tuple(task.name for task in trained),
        tested=tuple(task.name for task in tested),
        dropped={**split.dropped, **not_trained, **untested},
        trained_corpora=_corpora(trained),
        tested_corpora=_corpora(tested),
    )


def certify_run(
    experiment: Experiment,
    catalogue: Catalogue,
    split: Split,
    not_trained: Mapping[str, str],
    not_tested: Mapping[str, str],
) -> Certificate:
    """Returns the certificate of an experiment's run; see `certify`."""
    return certify(
        catalogue,
        split,
        rule=experiment.data.hold_out,
        corpus_closure=experiment.data.corpus_closure,
        ablation=experiment.ablation.describe(),
        not_trained=not_trained,
        not_tested=not_tested,
    )


def _corpora(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(sorted({corpus for task in tasks for corpus in task.corpora}))
