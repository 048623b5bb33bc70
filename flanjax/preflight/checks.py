"""What a run reads and writes beside its arrays, looked at before it trains."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from flanjax import length_sample, model_dir, run_data, start, token_cache
from flanjax.certificate import split_catalogue
from flanjax.data.catalogue import Catalogue
from flanjax.data.task import Task, UnavailableError
from flanjax.data.tokenize import Tokenizer, make_tokenizer
from flanjax.engine import cache, cache_key
from flanjax.experiment import Experiment
from flanjax.parts import Parts, StepParts, check_vocabulary

_NUM_RECORDS = 64
"""Records of each task that are rendered and tokenized."""


class Check(NamedTuple):
    """What was looked at, and what was found.

    Attributes:
      name: "tokenizer", "data", "evaluation", "checkpoint", "output".
      is_ok: Whether training would go on.
      text: What was found, in a line.
    """

    name: str
    is_ok: bool
    text: str


def check_run(
    experiment: Experiment,
    load_catalogue: Callable[[], Catalogue],
    parts: StepParts,
    on_check: Callable[[str], None] = lambda name: None,
) -> list[Check]:
    """Looks at all that a run reads and writes beside its arrays.

    Args:
      experiment: The run.
      load_catalogue: Gives its tasks.
      parts: Its model and optimizer.
      on_check: Told what is looked at.
    """
    tokenizer: list[Tokenizer] = []

    def the_tokenizer() -> str:
        made = make_tokenizer(experiment.tokenizer)
        check_vocabulary(experiment, made)
        tokenizer.append(made)
        return f"{made.fingerprint}, {made.vocab_size:,} ids"

    looks: Sequence[tuple[str, Callable[[], str]]] = (
        ("output", lambda: _output(experiment)),
        ("tokenizer", the_tokenizer),
        ("data", lambda: _data(experiment, load_catalogue(), tokenizer[0])),
        ("evaluation", lambda: _evaluation(experiment, load_catalogue(), tokenizer[0])),
        ("checkpoint", lambda: _checkpoint(experiment, Parts(tokenizer[0], *parts))),
    )
    found = []
    for name, look in looks:
        on_check(name)
        if name not in ("output", "tokenizer") and not tokenizer:
            found.append(Check(name, False, "not looked at, for want of a tokenizer"))
            continue
        found.append(_told(name, look))
    return found


def _told(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (ValueError, OSError) as error:
        return Check(name, False, " ".join(str(error).splitlines()))


def _output(experiment: Experiment) -> str:
    """Checks that a run may write where it would, without writing."""
    model_dir.check_owner(experiment)
    token_cache.check_root(experiment)
    start.latest_step(experiment)
    folder = pathlib.Path(experiment.model_dir).absolute()
    if (folder / "checkpoints").is_dir():
        return f"{folder}: the run there goes on"
    return f"{folder}: {'in use' if folder.exists() and any(folder.iterdir()) else 'free'}"


def _data(experiment: Experiment, catalogue: Catalogue, tokenizer: Tokenizer) -> str:
    """Reads, renders and tokenizes some records of each task."""
    mixture = split_catalogue(experiment, catalogue).train
    try:
        sample = length_sample.sample_lengths(
            experiment, mixture, tokenizer, num_records=_NUM_RECORDS
        )
    except UnavailableError:
        lacking = _uncached(experiment, mixture.tasks(), mixture.max_examples, tokenizer)
        num = len(mixture.tasks()) - len(lacking)
        if not num or (lacking and experiment.data.missing_tasks == "fail"):
            raise
        return f"{num} tasks, from the cache alone{_named('not here', lacking)}"
    lengths = experiment.data.task_feature_lengths
    settings = token_cache.token_settings(experiment, tokenizer)
    rows = np.concatenate(list(sample.lengths.values()))
    over = np.mean((rows > [settings.max_inputs, settings.max_targets]).any(axis=1))
    limit = f"{lengths['inputs']} + {lengths['targets']} tokens ({experiment.data.over_long})"
    unread = [task for task in mixture.tasks() if task.name in sample.missing]
    lacking = _uncached(experiment, unread, mixture.max_examples, tokenizer)
    cached = [task.name for task in unread if task.name not in lacking]
    return (
        f"{len(sample.lengths)} tasks of {mixture.name}; of {len(rows):,} examples {over:.1%} are "
        f"longer than {limit}{_named('from the cache', cached)}{_named('not here', lacking)}"
    )


def _named(what: str, names: Sequence[str]) -> str:
    return f"; {what}: {', '.join(names)}" if names else ""


def _uncached(
    experiment: Experiment, tasks: Sequence[Task], max_examples: int, tokenizer: Tokenizer
) -> list[str]:
    """Returns the tasks whose tokens do not lie in the local cache."""
    settings = token_cache.token_settings(experiment, tokenizer)
    root = token_cache.local_root(experiment)
    keys = {
        task.name: cache_key.task_key(
            task, settings, data_dir=experiment.data.data_dir, max_examples=max_examples
        )
        for task in tasks
    }
    return [name for name, key in keys.items() if cache.find_entry(root, key) is None]


def _evaluation(experiment: Experiment, catalogue: Catalogue, tokenizer: Tokenizer) -> str:
    """Reads what the run would score, as it does before its first step."""
    split = split_catalogue(experiment, catalogue)
    chosen, rest = run_data.eval_clusters(experiment, catalogue, split)
    records, not_scored = run_data.read_all(experiment, chosen, rest, tokenizer)
    names = [f"{name} ({len(read.cluster.tasks)} tasks)" for name, read in records.items()]
    skipped = f"; not scored: {', '.join(not_scored)}" if not_scored else ""
    return f"scores {', '.join(names) or 'nothing'}{skipped}"


def _checkpoint(experiment: Experiment, parts: Parts) -> str:
    begun = start.begin(experiment, parts)
    return "none: random parameters" if begun is None else begun.summary()
