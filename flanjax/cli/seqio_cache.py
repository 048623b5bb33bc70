"""`flanjax cache --format=seqio`: what a run trains on, in SeqIO's own files."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from flanjax.data.catalogue import Mixture
    from flanjax.experiment import Experiment

_SPLITS = ("train", "validation")


def write_seqio_cache(
    experiment: Experiment, mixture: Mixture, out: str | None, console: Console
) -> list[dict[str, Any]]:
    """Writes each task of a mixture below a cache directory of SeqIO.

    Args:
      experiment: The run: lengths, tokenizer, seed, exemplars, passes.
      mixture: Its training mixture.
      out: The directory.
      console: Where progress goes.

    Returns:
      What was written, as JSON values.

    Raises:
      ValueError: SeqIO is not installed, or a task is there.
    """
    if out is None:
        raise click.UsageError("--format=seqio must have a directory to write to: add --out=DIR.")
    try:
        from flanjax.data.seqio_bridge import cache, names, source
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--format=seqio must have SeqIO, got no module {error.name}; "
            "pip install 'flanjax[seqio]'."
        ) from None

    _check_settings(experiment, mixture, out)
    data = experiment.data
    config = source.BridgeConfig(
        tokenizer=experiment.tokenizer,
        data_dir=data.data_dir,
        seed=experiment.train.seed,
        num_shots=(data.num_shots,),
        max_inputs=data.task_feature_lengths["inputs"],
        max_examples=data.num_read,
        rate_cap=data.rate_cap,
        passes=data.passes,
        bad_record_limit=data.bad_record_limit,
    )
    for task in mixture.tasks():  # before anything is rendered
        cache.check_free(pathlib.Path(out) / names.task_name(task.name, num_shots=data.num_shots))
    return _write_tasks(experiment, mixture, pathlib.Path(out), config, console)


def _write_tasks(
    experiment: Experiment, mixture: Mixture, out: pathlib.Path, config: Any, console: Console
) -> list[dict[str, Any]]:
    from flanjax.data.holdout import without_missing
    from flanjax.data.seqio_bridge import cache, names, source
    from flanjax.data.task import UnavailableError
    from flanjax.token_cache import missing_reason

    records = source.Records(config)
    num_shots = experiment.data.num_shots
    rows: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for task in mixture.tasks():
        name = names.task_name(task.name, num_shots=num_shots)
        with console.status(f"writing {name}") as status:

            def show(number: int, name: str = name, status: Any = status) -> None:
                status.update(f"writing {name}: {number:,} examples")

            wording = source.Wording(task, None, num_shots)
            folder = out / name
            try:
                written = cache.write_task(
                    folder, wording, records, config, splits=_SPLITS, on_progress=show
                )
            except UnavailableError as error:
                missing[task.name] = missing_reason(experiment, error)
                line = f"not written: {name}, {missing[task.name]}"
                console.print(line, markup=False, soft_wrap=True)
                continue
        rows += [{"task": name, **split._asdict()} for split in written]
    without_missing(mixture, missing)  # says so where nothing was written
    return rows


def _check_settings(experiment: Experiment, mixture: Mixture, out: str) -> None:
    """Checks that a run asks for nothing that the registered tasks would not do.

    Raises:
      ValueError: It does, its tasks are SeqIO's already, or the directory is
        not one of this machine.
    """
    for task in mixture.tasks():
        if task.pretokenized is not None:
            raise ValueError(
                f"--format=seqio must have tasks of ours, got {task.name} of SeqIO; cache it by "
                "seqio_cache_tasks."
            )
    from flanjax.data.ablation import AblationConfig

    for name, value, wanted in (
        ("DataConfig.over_long", experiment.data.over_long, "truncate_right"),
        ("ObjectiveConfig.name", experiment.objective.name, "instruction"),
        ("AblationConfig", experiment.ablation, AblationConfig()),
    ):
        if value != wanted:
            raise ValueError(
                f"{name} must be {wanted!r} for SeqIO, whose tasks know no other, got {value!r}; "
                "leave it out."
            )
    if "://" in out:
        raise ValueError(
            f"--out must be a directory of this machine, got {out}; copy it there afterwards."
        )


def print_seqio_cache(rows: list[dict[str, Any]], out: str, console: Console) -> None:
    """Prints what was written, and how T5X finds it."""
    from rich.table import Table

    table = Table("task", "split", title="cached for SeqIO", title_justify="left")
    for name in ("examples", "tokens"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = (f"{row[name]:,}" for name in ("num_examples", "num_tokens"))
        table.add_row(row["task"], row["split"], *numbers)
    console.print(table)
    told = f"{out}: seqio.add_global_cache_dirs([{out!r}]), and USE_CACHED_TASKS = True"
    console.print(told, soft_wrap=True)
