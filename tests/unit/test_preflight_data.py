"""What preflight says of data: a run that would start from its cache is no fault."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest

from flanjax.certificate import split_catalogue
from flanjax.data.catalogue import Catalogue
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, TaskCluster, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.experiment import CacheConfig, DataConfig, Experiment
from flanjax.preflight import checks
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.loop import TrainConfig
from flanjax.train_data import prepare_train_data
from tests.unit.tiny_models import TINY_T5


def words(name: str) -> Task:
    return dataclasses.replace(
        CATALOGUE.task("mini_people"),
        name=name,
        source=Jsonl(files={"train": f"{name}.jsonl"}, public="https://example.org/words"),
        to_fields=dict,
        fields=("text", "answer"),
        templates=(Template("{text}"),),
        examples=(),
    )


def experiment(folder: pathlib.Path, *, data_dir: pathlib.Path | None) -> Experiment:
    return Experiment(
        model_dir=str(folder / "run"),
        model=dataclasses.replace(TINY_T5, vocab_size=384),
        data=DataConfig(
            mixture_or_task_name="all",
            data_dir=None if data_dir is None else str(data_dir),
            missing_tasks="drop",
            task_feature_lengths={"inputs": 16, "targets": 8},
        ),
        cache=CacheConfig(cache_dir=str(folder / "cache")),
        train=TrainConfig(steps=1, batch_size=2),
    )


@pytest.fixture
def catalogue(tmp_path: pathlib.Path) -> Catalogue:
    """Tasks "old", whose tokens are cached, and "gone", of which there is nothing."""
    tasks = (words("old"), words("gone"))
    made = Catalogue("all", clusters=(TaskCluster("words", tasks),))
    rows = [{"text": "x" * n, "answer": "y"} for n in range(1, 21)]
    (tmp_path / "data").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "data" / "old.jsonl").write_text(lines, "utf-8")
    run = experiment(tmp_path, data_dir=tmp_path / "data")
    prepare_train_data(run, split_catalogue(run, made).train, ByteTokenizer())
    return made


def test_what_the_cache_has_is_not_missing(tmp_path, catalogue):
    told = checks._data(experiment(tmp_path, data_dir=None), catalogue, ByteTokenizer())
    assert told == "1 tasks, from the cache alone; not here: gone"


def test_what_is_here_and_what_is_cached_stand_together(tmp_path, catalogue):
    (tmp_path / "data" / "old.jsonl").rename(tmp_path / "data" / "gone.jsonl")
    run = experiment(tmp_path, data_dir=tmp_path / "data")
    told = checks._data(run, catalogue, ByteTokenizer())
    # Of prompts of 1 to 20 letters with their end, five are longer than the encoder's 16.
    expected = "of 20 examples 25.0% are longer than 16 + 8 tokens (truncate_right)"
    assert told == f"1 tasks of all; {expected}; from the cache: old"


def test_nothing_here_and_nothing_cached_is_a_fault(tmp_path, catalogue):
    run = experiment(tmp_path / "elsewhere", data_dir=None)
    with pytest.raises(ValueError, match="must have a task whose data is here, got none"):
        checks._data(run, catalogue, ByteTokenizer())
