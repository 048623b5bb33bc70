"""The records that an experiment scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flanjax import foreign
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import Split
from flanjax.data.records import ReadCounts, RecordSet, read_records
from flanjax.data.render import render
from flanjax.data.task import Record, Task, TaskCluster, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.evaluation.cluster import Judge
from flanjax.evaluation.queries import LEFT_OUT_BY_RULE, UNREADABLE, draw_sample
from flanjax.experiment import Experiment
from flanjax.token_cache import missing_reason


class EvalRecords(NamedTuple):
    """What a cluster is scored on.

    Attributes:
      cluster: Those of its tasks whose data is here.
      records: Task name -> raw records of the split.
      shots: Task name -> training records that exemplars are drawn from;
        empty for zero-shot.
      missing: Task -> why it was dropped, where its data is not here.
      judges: Task name -> what scores it, where that is another library.
      left_out: Task name -> reason -> records that reading left out.
    """

    cluster: TaskCluster
    records: Mapping[str, Sequence[Record]]
    shots: Mapping[str, Sequence[Record]]
    missing: dict[str, str]
    judges: Mapping[str, Judge]
    left_out: Mapping[str, Mapping[str, int]]


class NothingToScoreError(ValueError):
    """A cluster has no task that could be scored.

    Attributes:
      missing: Task -> why.
    """

    def __init__(self, cluster: str, missing: Mapping[str, str]):
        name, why = next(iter(missing.items()))
        super().__init__(
            f"cluster {cluster} must have a task that can be scored, got none; first: {name} {why}"
        )
        self.missing = dict(missing)


def _read_or_drop(
    experiment: Experiment,
    task: Task,
    split: str,
    *,
    limit: int | None,
    seed: int,
    missing: dict[str, str],
) -> RecordSet | None:
    """Reads a split; where its data is not here and may be missing, notes why."""
    data = experiment.data
    if data.data_dir is not None and not os.path.isdir(data.data_dir):
        raise ValueError(f"DATA_DIR must be a directory, got {data.data_dir}; check the path.")
    try:
        return read_records(
            task,
            split,
            data_dir=data.data_dir,
            limit=limit,
            bad_record_limit=data.bad_record_limit,
            seed=seed,
        )
    except UnavailableError as error:
        missing[task.name] = missing_reason(experiment, error)
        return None


def read_eval_records(
    experiment: Experiment, cluster: TaskCluster, tokenizer: Tokenizer
) -> EvalRecords:
    """Reads the records that a cluster is scored on.

    Exemplars come from the training split alone.

    Raises:
      NothingToScoreError: No task of the cluster is left.
      ValueError: A task cannot be read, or an option is longer than a target.
    """
    config = experiment.evaluation
    missing: dict[str, str] = {}
    records = {}
    shots = {}
    judges: dict[str, Judge] = {}
    left_out = {}
    for task in cluster.tasks:
        if task.pretokenized is not None:
            _judge_or_drop(experiment, task, tokenizer, judges, missing)
            continue
        if config.split not in task.source.splits():
            missing[task.name] = f"has no {config.split} split; EvalConfig.split names another"
            continue
        found = _read_or_drop(
            experiment, task, config.split, limit=None, seed=config.seed, missing=missing
        )
        if found is None:
            continue
        if config.num_shots and not task.is_trainable:
            missing[task.name] = "has no training split to draw exemplars from"
            continue
        if config.num_shots:
            pool = _read_or_drop(
                experiment,
                task,
                "train",
                limit=experiment.data.num_read,
                seed=config.seed,
                missing=missing,
            )
            if pool is None:
                continue
            shots[task.name] = pool.records
        records[task.name] = found.records
        left_out[task.name] = _left_out(found.counts)
        _check_option_lengths(experiment, task, found.records, tokenizer)
    present = tuple(task for task in cluster.tasks if task.name in {*records, *judges})
    if not present:
        raise NothingToScoreError(cluster.name, missing)
    kept = TaskCluster(cluster.name, present)
    return EvalRecords(kept, records, shots, missing, judges, left_out)


def _left_out(counts: ReadCounts) -> dict[str, int]:
    """Returns reason -> records, of those that reading left out."""
    found = {LEFT_OUT_BY_RULE: counts.left_out_by_rule, UNREADABLE: counts.bad}
    return {reason: count for reason, count in found.items() if count}


def not_tested(records: Mapping[str, EvalRecords]) -> dict[str, str]:
    """Returns the tasks whose records to score are not here, and why."""
    return {name: why for read in records.values() for name, why in read.missing.items()}


def _judge_or_drop(
    experiment: Experiment,
    task: Task,
    tokenizer: Tokenizer,
    judges: dict[str, Judge],
    missing: dict[str, str],
) -> None:
    """Makes a task's judge, or notes why it has none."""
    try:
        found = foreign.make_judge(experiment, task, tokenizer)
    except UnavailableError as error:
        found = missing_reason(experiment, error)
    if isinstance(found, str):
        missing[task.name] = found
    else:
        judges[task.name] = found


def _check_option_lengths(
    experiment: Experiment, task: Task, records: Sequence[Record], tokenizer: Tokenizer
) -> None:
    """Checks that every option that is scored, with its end, fits the target length."""
    config, limit = experiment.evaluation, experiment.data.task_feature_lengths["targets"]
    records = draw_sample(
        task,
        records,
        max_examples=config.max_examples,
        seed=config.seed,
        bad_record_limit=experiment.data.bad_record_limit,
    ).records
    for index in range(len(task.templates)):
        examples = (render(task, record, template=index) for record in records)
        options = sorted({option for example in examples if example for option in example.options})
        for option, ids in zip(options, tokenizer.encode_batch(options), strict=True):
            if ids.size >= limit:
                raise ValueError(
                    f"task {task.name}, template {index}: an option and its end must fit the "
                    f"target length {limit}, got {ids.size + 1} tokens of {option!r}; "
                    "raise TASK_FEATURE_LENGTHS['targets']."
                )


def eval_clusters(
    experiment: Experiment, catalogue: Catalogue, split: Split
) -> tuple[list[TaskCluster], list[TaskCluster]]:
    """Returns the clusters that training scores: those held out, and those seen."""
    config = experiment.evaluation
    if not config.before_and_after:
        return [], []
    held_out = [split.test] if split.test else []
    if held_out and not config.score_seen_clusters:
        return held_out, []
    trained = {task.name for task in split.train.tasks()}
    seen = ((c.name, tuple(t for t in c.tasks if t.name in trained)) for c in catalogue.clusters)
    return held_out, [TaskCluster(name, tasks) for name, tasks in seen if tasks]


def read_all(
    experiment: Experiment,
    chosen: Sequence[TaskCluster],
    rest: Sequence[TaskCluster],
    tokenizer: Tokenizer,
) -> tuple[dict[str, EvalRecords], dict[str, str]]:
    """Reads what is scored, and says which tasks of it cannot be.

    Raises:
      ValueError: A cluster that was chosen has no task that can be scored, or
        a task cannot be read.
    """
    names = [cluster.name for cluster in (*chosen, *rest)]
    if len(set(names)) != len(names):
        raise ValueError(
            f"what is scored must have names that differ, got {', '.join(names)}; name each once."
        )
    found = {c.name: read_eval_records(experiment, c, tokenizer) for c in chosen}
    nothing: dict[str, str] = {}
    for cluster in rest:
        try:
            found[cluster.name] = read_eval_records(experiment, cluster, tokenizer)
        except NothingToScoreError as error:
            nothing.update(error.missing)
    return found, {**not_tested(found), **nothing}


def not_scored_lines(reasons: Mapping[str, str]) -> list[str]:
    """Returns a line on each task that is not scored, and why."""
    return [f"not scored: {name} {why.rstrip('.')}." for name, why in reasons.items()]
