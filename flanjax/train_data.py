"""An experiment's training data: cached tokens, and the plan of its rows."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import rich.table

from flanjax import token_cache
from flanjax.base import stable_hash
from flanjax.data.catalogue import Mixture, rates
from flanjax.data.holdout import without_missing
from flanjax.data.records import check_bad
from flanjax.data.tokenize import Tokenizer
from flanjax.engine import build, staging, tokenized
from flanjax.engine.account import Account
from flanjax.engine.build import OnProgress, Wanted
from flanjax.engine.cache import Tokens, TokenStore
from flanjax.engine.pack import Layout
from flanjax.engine.plan import Plan, PlannedTask, Stage
from flanjax.engine.row_index import RowIndex
from flanjax.experiment import Experiment, differences

_SPARE_DRAWS = 1.02
"""Rows of later windows may hold more examples than those of the first."""


class TrainData(NamedTuple):
    """Everything a run draws its rows from.

    Attributes:
      plan: The order of examples and rows.
      tokens: Tokens, one store per task, in the plan's order.
      layout: How examples are laid into rows.
      prepared: Task name -> what was read, left out, cut, cached, and its share.
      missing: Task -> why it was dropped, where its data is not here.
      root: The local directory of the cache.
      staged: What was copied from a remote cache, None where nothing was.
      first_step: Steps done before the run's first.
    """

    plan: Plan
    tokens: Tokens
    layout: Layout
    prepared: dict[str, dict[str, Any]]
    missing: dict[str, str]
    root: pathlib.Path
    staged: staging.StageCounts | None
    first_step: int = 0

    def fingerprint(self) -> str:
        """Returns a hash of the order of rows and of every task's tokens."""
        tokens = [(name, row["fingerprints"]) for name, row in self.prepared.items()]
        return f"{stable_hash(self.plan.identity(), tokens):016x}"

    def plan_id(self) -> str:
        """Returns a hash of what a resumed run must share, passes not yet drawn aside."""
        tokens = [(name, row["fingerprints"][0]) for name, row in self.prepared.items()]
        return f"{stable_hash(self.plan.identity(), tokens):016x}"

    def row_index(self, *, is_writer: bool) -> RowIndex:
        """Returns the index of rows, kept beside the tokens."""
        path = self.root / "plans" / f"{self.fingerprint()}.rows"
        return RowIndex(self.plan, path, is_writer=is_writer)

    def report(self, step: int, account: Account) -> dict[str, Any]:
        """Returns what MODEL_DIR/data_report.json holds."""
        seen = account.seen(self.plan)
        return {
            "step": step,
            "first_step": self.first_step,
            "rows": account.rows,
            "tokens": account.tokens,
            "fill": account.fill(self.plan.capacities),
            "plan": self.plan.identity(),
            "tasks": {name: {**row, "seen": seen[name]} for name, row in self.prepared.items()},
        }

    def table(self) -> rich.table.Table:
        """Returns what was prepared as a table for the terminal."""
        table = rich.table.Table(title="training data", title_justify="left")
        table.add_column("task")
        names = ("records", "left out", "unreadable", "examples", "passes", "cut", "dropped")
        for name in (*names, "share %"):
            table.add_column(name, justify="right")
        for task, row in self.prepared.items():
            table.add_row(
                task,
                f"{row['kept']:,}",
                f"{row['left_out_by_rule']:,}",
                f"{row['bad']:,}",
                f"{row['examples']:,}",
                f"{row['passes']}",
                f"{row['truncated']:,}",
                f"{row['dropped']:,}",
                f"{100 * row['share']:.1f}",
            )
        return table


def make_layout(experiment: Experiment, eos_id: int) -> Layout:
    """Returns the layout of an experiment's rows."""
    if experiment.is_encoder_decoder:
        input_length, target_length = experiment.row_lengths
        start_id = experiment.model.embedding.start_id
        return Layout(input_length, target_length, eos_id, start_id=start_id)
    objective = experiment.objective.name
    return Layout(
        None,
        sum(experiment.row_lengths),
        eos_id,
        loss_on_inputs=objective == "causal_lm",
        prefix=objective == "prefix_lm",
    )


def prepare_train_data(
    experiment: Experiment,
    mixture: Mixture,
    tokenizer: Tokenizer,
    *,
    first_step: int = 0,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> TrainData:
    """Caches what is missing of a mixture's tokens, and plans its rows.

    Args:
      experiment: The run.
      mixture: What it trains on.
      tokenizer: Text to ids.
      first_step: Steps done before the run's first.
      workers: Processes that build; more than 1 only before any thread runs.
      on_progress: Told of records tokenized.

    Raises:
      ValueError: A task cannot be read, or too much of it; a cached file is
        damaged; the cache lacks something and may not be added to.
    """
    data = experiment.data
    if data.data_dir is not None and not os.path.isdir(data.data_dir):
        raise ValueError(f"DATA_DIR must be a directory, got {data.data_dir}; check the path.")
    settings = token_cache.token_settings(experiment, tokenizer)
    layout = make_layout(experiment, tokenizer.eos_id)
    root = token_cache.local_root(experiment)
    missing: dict[str, str] = {}
    wanted, staged = token_cache.wanted_of(experiment, mixture, settings, root, missing)
    mixture = without_missing(mixture, missing)
    token_cache.check_may_build(experiment, root, wanted)
    build.build(root, wanted, settings, workers=workers, on_progress=on_progress)
    stores = token_cache.open_stores(root, wanted, [])
    for store in stores:
        what = f"task {store.task}, split train"  # a cache may have been built under another
        check_bad(what, store.records, data.bad_record_limit)
    plan = make_plan(experiment, mixture, stores, layout, missing)
    num_rows = (experiment.train.steps - first_step) * experiment.train.batch_size
    needed = _passes_needed(num_rows, experiment.data.passes, plan, wanted)
    wanted = [want._replace(num_passes=n) for want, n in zip(wanted, needed, strict=True)]
    token_cache.check_may_build(experiment, root, wanted)
    build.build(root, wanted, settings, workers=workers, on_progress=on_progress)
    stores = token_cache.open_stores(root, wanted, stores)
    plan = make_plan(experiment, mixture, stores, layout, missing)
    prepared = _prepared(stores, plan)
    return TrainData(plan, Tokens(stores), layout, prepared, missing, root, staged, first_step)


def make_plan(
    experiment: Experiment,
    mixture: Mixture,
    stores: Sequence[TokenStore],
    layout: Layout,
    missing: Collection[str] = (),
) -> Plan:
    """Returns the plan of a mixture whose tokens are at hand.

    Args:
      experiment: The run.
      mixture: What it trains on.
      stores: The tokens of its tasks.
      layout: Of its rows.
      missing: Tasks without data, which stages may name nevertheless.

    Raises:
      ValueError: A stage names an unknown task, or its weights sum to 0.
    """
    sizes = {store.task: store.pass_sizes[0] for store in stores}
    weights: Mapping[int, Mapping[str, float] | None] = experiment.data.stages or {
        0: mixture.weights
    }
    stages = [
        Stage(start, rates(dataclasses.replace(mixture, weights=weights_of(each, missing)), sizes))
        for start, each in sorted(weights.items())
    ]
    return Plan(
        seed=experiment.train.seed,
        tasks=[
            PlannedTask(store.task, store.pass_sizes, _Costs(store, layout), store.group)
            for store in stores
        ],
        stages=stages,
        capacities=layout.capacities,
    )


def weights_of(
    weights: Mapping[str, float] | None, missing: Collection[str]
) -> Mapping[str, float] | None:
    """Returns a stage's weights without those of tasks whose data is missing."""
    return weights and {name: each for name, each in weights.items() if name not in missing}


@dataclasses.dataclass(frozen=True)
class _Costs:
    """The room that examples of a store take."""

    store: TokenStore
    layout: Layout

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        return self.layout.costs(self.store.lengths(examples))


def _passes_needed(num_rows: int, most: int, plan: Plan, wanted: Sequence[Wanted]) -> list[int]:
    """Returns how many passes so many rows draw of each task, at most."""
    last = _windows_needed(num_rows, plan)
    needed = []
    for number, want in enumerate(wanted):
        draws = plan.num_draws(number, last)
        passes = math.ceil(draws / plan.tasks[number].pass_sizes[0])
        needed.append(min(max(passes, 1), most, len(want.task.templates)))
    return needed


def _windows_needed(num_rows: int, plan: Plan) -> int:
    """Returns how many windows hold so many rows, by one window of each stage."""
    begins = [math.ceil(stage.start / plan.window) for stage in plan.stages]
    left = _SPARE_DRAWS * num_rows
    for begin, end in itertools.zip_longest(begins, begins[1:]):
        held = len(plan.rows(begin))
        if end is None or left <= held * (end - begin):
            break
        left -= held * (end - begin)
    return begin + math.ceil(left / held)


def _prepared(stores: Sequence[TokenStore], plan: Plan) -> dict[str, dict[str, Any]]:
    shares = plan.shares_until(1)
    prepared = {}
    for store, share in zip(stores, shares, strict=True):
        counts = store.counts()
        cut = (tokenized.INPUTS_TRUNCATED, tokenized.TARGETS_TRUNCATED)
        prepared[store.task] = {
            **store.records,
            "examples": sum(store.pass_sizes) * store.group,
            "passes": len(store.shards),
            "truncated": sum(counts.get(reason, 0) for reason in cut),
            "dropped": sum(counts.get(reason, 0) for reason in tokenized.DROPPED),
            "reasons": counts,
            "share": share,
            "fingerprints": store.fingerprints(),
        }
    return prepared


def check_resumable(file: pathlib.Path, old: Mapping[str, Any], data: TrainData) -> None:
    """Checks that a run goes on with the very rows it began with.

    Passes that the first start did not need may be added, and those that no
    step is left for may be missing.

    Args:
      file: Where `old` was read.
      old: The report that the run has left.
      data: What it would go on with.

    Raises:
      ValueError: A task's tokens or the order of rows would differ.
    """
    for task, row in data.prepared.items():
        before, now = old["tasks"].get(task, {}).get("fingerprints", []), row["fingerprints"]
        shared = min(len(before), len(now))  # fewer steps may need fewer passes, more steps more
        if now[:shared] != before[:shared] or not before:
            raise ValueError(
                f"{file}: task {task} must give the tokens that the run began with, got "
                f"{now[0]} for {before[0] if before else None}; restore its "
                "records, or choose another MODEL_DIR."
            )
        seen = old["tasks"][task]["seen"]["examples"]
        drawn_whole = min(row["examples"], old["tasks"][task]["examples"])
        if len(now) != len(before) and seen > drawn_whole:
            raise ValueError(
                f"{file}: task {task} must go on with its {len(before)} passes once all are drawn, "
                f"got {len(now)}; choose another MODEL_DIR for other TRAIN_STEPS."
            )
    found = differences(old["plan"], data.plan.identity())
    if found:
        raise ValueError(
            f"{file}: rows must come in the order that the run began with, got another plan "
            f"({'; '.join(found[:3])}); restore the tasks' data, or choose another MODEL_DIR."
        )
