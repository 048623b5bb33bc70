"""`flanjax cache --format=seqio`: SeqIO reads what it would have made."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rich.console
import seqio
from click.testing import Result

from flanjax import gin_bridge
from flanjax.cli.seqio_cache import write_seqio_cache
from flanjax.data.catalogue import Mixture
from flanjax.data.seqio_bridge import cache
from flanjax.data.seqio_bridge.registry import register, unregister
from flanjax.data.seqio_bridge.source import BridgeConfig
from flanjax.data.sources import Jsonl
from flanjax.data.tokenize import TokenizerConfig
from flanjax.tasks.mini import CATALOGUE
from tests.e2e.verbs import flanjax

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

LENGTHS = {"inputs": 200, "targets": 40}
RUN = [
    "--gin_file=base.gin",
    "--gin_file=models/t5_tiny.gin",
    "--gin_file=objectives/instruction.gin",
    "--gin.MODEL_DIR='unused'",
    "--gin.TRAIN_STEPS=1",
    "--gin.MIXTURE_OR_TASK_NAME='struct_to_text'",
    f"--gin.TASK_FEATURE_LENGTHS={LENGTHS}",
    "--gin.DataConfig.max_examples=30",
    "--gin.DataConfig.passes=2",
]


def write(*arguments: Any, code: int = 0) -> Result:
    return flanjax("cache", *RUN, "--format=seqio", *arguments, code=code)


@pytest.fixture(scope="module", params=[0, 2])
def cached(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[tuple[Any, int]]:
    out = tmp_path_factory.mktemp("cache") / "seqio"
    said = write(f"--out={out}", f"--gin.DataConfig.num_shots={request.param}", "--json")
    config = BridgeConfig(
        tokenizer=TokenizerConfig(extra_ids=125),
        num_shots=(request.param,),
        max_inputs=LENGTHS["inputs"],
        max_examples=30,
        passes=2,
    )
    registered = register(CATALOGUE, config)
    before = seqio.get_global_cache_dirs()
    seqio.set_global_cache_dirs([str(out)])
    yield json.loads(said.stdout), request.param
    seqio.set_global_cache_dirs(before)
    unregister(registered)


def test_what_seqio_reads_is_what_it_would_have_made(cached):
    told, _ = cached
    assert {(row["split"]) for row in told["tasks"]} == {"train", "validation"}
    for row in told["tasks"]:
        task = seqio.TaskRegistry.get(row["task"])
        made, read = (
            list(
                task.get_dataset(
                    LENGTHS, row["split"], use_cached=use_cached, shuffle=False
                ).as_numpy_iterator()
            )
            for use_cached in (False, True)
        )
        assert len(read) == len(made) == row["num_examples"]
        assert row["split"] != "train" or len(read) == 60  # two wordings of 30 records
        if row["split"] == "train":  # which lies in a drawn order
            assert [order_of(e) for e in made] != [order_of(e) for e in read]
            made, read = sorted(made, key=order_of), sorted(read, key=order_of)
        for one, other in zip(made, read, strict=True):
            assert set(one) == set(other)
            for name, value in one.items():
                assert np.asarray(value).dtype == np.asarray(other[name]).dtype, name
                np.testing.assert_array_equal(value, other[name], err_msg=name)
        stats = task.get_cached_stats(row["split"])
        tokens = stats["inputs_tokens"] + stats["targets_tokens"]
        assert tokens == row["num_tokens"] > 0


def order_of(example: Any) -> tuple[int, int]:
    return int(example["idx"][0]), int(example["template"])


def test_a_mixture_is_drawn_from_the_cache(cached):
    _, num_shots = cached
    names = [n for n in seqio.MixtureRegistry.names() if n.startswith("mini_struct_to_text_")]
    assert names == [
        "mini_struct_to_text_10templates" + (f"_{num_shots}_shot" if num_shots else "")
    ]
    dataset = seqio.get_mixture_or_task(names[0]).get_dataset(
        LENGTHS, "train", use_cached=True, seed=0, num_epochs=None
    )
    lengths = [len(e["targets"]) for e in dataset.take(20).as_numpy_iterator()]
    assert min(lengths) > 1


def test_several_shards_hold_every_example(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_PER_SHARD", 25)
    said = write(f"--out={tmp_path}").output
    folder = next(tmp_path.iterdir())
    names = sorted(path.name for path in folder.glob("train.tfrecord*"))
    assert names == [f"train.tfrecord-0000{i}-of-00003" for i in range(3)]
    assert json.loads((folder / "info.train.json").read_text())["num_shards"] == 3
    assert "USE_CACHED_TASKS = True" in said


def test_what_is_there_or_breaks_leaves_nothing_half_written(tmp_path, monkeypatch):
    write(f"--out={tmp_path}")
    before = sorted(tmp_path.rglob("*"))
    ended = write(f"--out={tmp_path}", code=1)
    assert "a cached task must go to a new directory, got " in ended.stderr
    assert sorted(tmp_path.rglob("*")) == before

    def broken(example: Any) -> bytes:
        raise OSError("No space left on device")

    monkeypatch.setattr(cache, "_serialized", broken)
    write(f"--out={tmp_path / 'full'}", code=1)
    assert list((tmp_path / "full").rglob("*")) == []


def test_a_directory_must_be_named(tmp_path: pathlib.Path):
    ended = write(code=2)
    assert "--format=seqio must have a directory to write to: add --out=DIR." in ended.stderr


@pytest.mark.parametrize("missing_tasks", ["drop", "fail"])
def test_tasks_whose_data_is_not_here_are_dropped_as_the_run_drops_them(tmp_path, missing_tasks):
    made = CATALOGUE.task("mini_people")
    gone = Jsonl(files={"train": "gone.jsonl"}, public="https://example.org/gone")
    tasks = (dataclasses.replace(made, name="gone", source=gone), made)
    experiment = gin_bridge.load(
        [flag.partition("=")[2] for flag in RUN if flag.startswith("--gin_file")],
        [flag.removeprefix("--gin.") for flag in RUN if flag.startswith("--gin.")]
        + [f"DataConfig.missing_tasks='{missing_tasks}'", f"DATA_DIR='{tmp_path}'"],
    ).experiment
    console = rich.console.Console(file=io.StringIO(), width=200)
    mixture, out = Mixture("both", tasks, max_examples=30), str(tmp_path / "out")
    if missing_tasks == "fail":
        with pytest.raises(ValueError, match=r"or set DataConfig\.missing_tasks = 'drop'"):
            write_seqio_cache(experiment, mixture, out, console)
        return
    alone = Mixture("alone", tasks[:1], max_examples=30)
    with pytest.raises(ValueError, match="mixture alone must have a task whose data is here"):
        write_seqio_cache(experiment, alone, out, console)
    rows = write_seqio_cache(experiment, mixture, out, console)
    assert {row["task"] for row in rows} == {"mini_people_10templates"}
    assert "not written: gone_10templates, its data is not here: " in console.file.getvalue()
