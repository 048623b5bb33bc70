"""An experiment's data: training rows, and the records to score."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import rich.table

from flanjax.base import stable_hash
from flanjax.data.cache import TokenStore, tokenize_task
from flanjax.data.catalogue import Mixture, rates
from flanjax.data.holdout import restricted
from flanjax.data.pack import Layout
from flanjax.data.plan import Plan
from flanjax.data.records import RecordSet, place_of, read_records, sampling_order
from flanjax.data.render import render
from flanjax.data.task import Record, Task, TaskCluster, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.experiment import Experiment


class TrainData(NamedTuple):
    """Everything a run draws its rows from.

    Attributes:
      plan: The order of examples and rows.
      stores: Tokens, one store per task, in the plan's order.
      layout: How examples are laid into rows.
      account: Per task what was read, left out, cut, and its share.
      missing: Task -> why it was dropped, where its data is not here.
    """

    plan: Plan
    stores: tuple[TokenStore, ...]
    layout: Layout
    account: dict[str, dict[str, Any]]
    missing: dict[str, str]

    def fingerprint(self) -> str:
        """Returns a hash of every task's tokens and share."""
        rows = [(name, row["fingerprint"], row["share"]) for name, row in self.account.items()]
        return f"{stable_hash(rows):016x}"

    def table(self) -> rich.table.Table:
        """Returns the account as a table for the terminal."""
        table = rich.table.Table(title="training data", title_justify="left")
        table.add_column("task")
        for name in ("records", "left out", "unreadable", "examples", "cut", "share %"):
            table.add_column(name, justify="right")
        for task, row in self.account.items():
            table.add_row(
                task,
                f"{row['kept']:,}",
                f"{row['left_out_by_rule']:,}",
                f"{row['bad']:,}",
                f"{row['examples']:,}",
                f"{row['truncated']:,}",
                f"{100 * row['share']:.1f}",
            )
        return table


class EvalRecords(NamedTuple):
    """What a cluster is scored on.

    Attributes:
      cluster: Those of its tasks whose data is here.
      records: Task name -> raw records of the split.
      shots: Task name -> training records that exemplars are drawn from;
        empty for zero-shot.
      missing: Task -> why it was dropped, where its data is not here.
    """

    cluster: TaskCluster
    records: Mapping[str, Sequence[Record]]
    shots: Mapping[str, Sequence[Record]]
    missing: dict[str, str]


def make_layout(experiment: Experiment, tokenizer: Tokenizer) -> Layout:
    """Returns the layout of an experiment's rows."""
    lengths = experiment.data.task_feature_lengths
    if experiment.is_encoder_decoder:
        return Layout(lengths["inputs"], lengths["targets"], tokenizer.eos_id)
    return Layout(None, lengths["inputs"] + lengths["targets"], tokenizer.eos_id)


def prepare_train_data(experiment: Experiment, mixture: Mixture, tokenizer: Tokenizer) -> TrainData:
    """Reads, renders and tokenizes a mixture, and plans its rows.

    Raises:
      ValueError: A task cannot be read, or too much of it.
    """
    data = experiment.data
    seed = experiment.train.seed
    layout = make_layout(experiment, tokenizer)
    lengths = data.task_feature_lengths
    max_lengths = (lengths["inputs"] - experiment.is_encoder_decoder, lengths["targets"])
    stores, account = [], {}
    missing: dict[str, str] = {}
    for task in mixture.tasks():
        read = _read_or_drop(
            experiment, task, "train", limit=mixture.max_examples, seed=seed, missing=missing
        )
        if read is None:
            continue
        store = tokenize_task(
            task,
            read.records,
            read.uids,
            tokenizer,
            experiment.objective,
            max_lengths=max_lengths,
            passes=data.passes,
            seed=seed,
            num_shots=data.num_shots,
        )
        stores.append(store)
        account[task.name] = {
            "source": place_of(task, "train", data.data_dir),
            **read.counts._asdict(),
            "examples": store.num_examples,
            "truncated": store.num_truncated,
            "shots_dropped": store.num_shots_dropped,
            "fingerprint": store.fingerprint(),
        }
    mixture = _present(mixture, missing)
    shares = rates(mixture, {store.task: store.num_records for store in stores})
    for name, share in shares.items():
        account[name]["share"] = share
    plan = Plan(
        seed=seed,
        names=[store.task for store in stores],
        shares=shares,
        num_records=[store.num_records for store in stores],
        costs=[layout.costs(store.lengths()) for store in stores],
        capacities=layout.capacities,
    )
    return TrainData(plan, tuple(stores), layout, account, missing)


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
        if data.missing_tasks == "fail":
            remedy = "or set DataConfig.missing_tasks = 'drop' to go on without it"
            raise UnavailableError(f"{str(error).rstrip('.')}, {remedy}.") from None
        missing[task.name] = f"its data is not here: {error}"
        return None


def _present(mixture: Mixture, missing: Mapping[str, str]) -> Mixture:
    tasks = [task for task in mixture.tasks() if task.name not in missing]
    if not tasks:
        raise ValueError(
            f"mixture {mixture.name} must have a task whose data is here, got none; "
            f"first: {next(iter(missing.values()))}"
        )
    return restricted(mixture, tasks, name=mixture.name)


def read_eval_records(
    experiment: Experiment, cluster: TaskCluster, tokenizer: Tokenizer
) -> EvalRecords:
    """Reads the records that a cluster is scored on.

    Exemplars come from the training split alone.

    Raises:
      ValueError: A task cannot be read, or an option is longer than a target.
    """
    config = experiment.evaluation
    missing: dict[str, str] = {}
    records = {}
    shots = {}
    for task in cluster.tasks:
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
                limit=experiment.data.max_examples,
                seed=config.seed,
                missing=missing,
            )
            if pool is None:
                continue
            shots[task.name] = pool.records
        records[task.name] = found.records
        order = sampling_order(found.uids, seed=config.seed)
        scored = [found.records[i] for i in order[: config.max_examples or None]]
        _check_option_lengths(
            task, scored, tokenizer, experiment.data.task_feature_lengths["targets"]
        )
    present = tuple(task for task in cluster.tasks if task.name in records)
    if not present:
        raise ValueError(
            f"cluster {cluster.name} must have a task whose data is here, got none; "
            f"first: {next(iter(missing.values()))}"
        )
    return EvalRecords(TaskCluster(cluster.name, present), records, shots, missing)


def _check_option_lengths(
    task: Task, records: Sequence[Record], tokenizer: Tokenizer, limit: int
) -> None:
    """Checks that every option, with its end id, fits the target length."""
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
