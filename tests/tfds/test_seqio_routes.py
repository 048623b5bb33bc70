"""A record gives the same text and ids through SeqIO as through a run of flanjax."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import seqio

from flanjax.data.catalogue import Catalogue
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.records import read_records
from flanjax.data.render import render, template_index
from flanjax.data.seqio_bridge.names import task_name
from flanjax.data.seqio_bridge.registry import Registered, make_vocabulary, register, unregister
from flanjax.data.seqio_bridge.source import BridgeConfig, Wording, examples
from flanjax.data.task import Record, Task, TaskCluster
from flanjax.data.tokenize import TokenizerConfig
from flanjax.engine.tokenized import TokenSettings, batch_of, tokenize_batch
from flanjax.tasks import mini
from flanjax.tasks.flan2021 import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

VOCABULARY = "reference/t5_vocab/sentencepiece.model"
LENGTHS = {"inputs": 96, "targets": 24}  # so short that some prompts and targets are cut
SHOTS = 2


@dataclasses.dataclass(frozen=True)
class Memory:
    """A source of records at hand."""

    held: tuple[Record, ...]

    def splits(self) -> tuple[str, ...]:
        return ("train", "validation")

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        return iter(self.held)

    def describe(self) -> str:
        return "memory"


def in_memory(catalogue: Catalogue, prefix: str) -> Catalogue:
    """Returns a catalogue whose tasks are made of their hand-written records."""
    clusters = []
    for cluster in catalogue.clusters:
        tasks = tuple(
            dataclasses.replace(task, name=f"{prefix}{task.name}", source=Memory(records_of(task)))
            for task in cluster.tasks
        )
        clusters.append(TaskCluster(f"{prefix}{cluster.name}", tasks))
    return Catalogue(f"{prefix}{catalogue.name}", tuple(clusters))


def records_of(task: Task) -> tuple[Record, ...]:
    if task.examples:
        return task.examples
    return read_records(task, "train", limit=6).records


@pytest.fixture(scope="module")
def config(test_data: pathlib.Path) -> BridgeConfig:
    path = str(test_data / VOCABULARY)
    return BridgeConfig(
        tokenizer=TokenizerConfig(kind="sentencepiece", path=path),
        num_shots=(0, SHOTS),
        max_inputs=LENGTHS["inputs"],
        seed=7,
    )


@pytest.fixture(scope="module")
def registered(config: BridgeConfig) -> Iterator[Registered]:
    found = [register(in_memory(c, "m_"), config) for c in (CATALOGUE, mini.CATALOGUE)]
    tasks = {name: wording for each in found for name, wording in each.tasks.items()}
    mixtures = tuple(name for each in found for name in each.mixtures)
    yield Registered(tasks, mixtures)
    for each in found:
        unregister(each)


def ours(task: Task, config: BridgeConfig, *, num_shots: int, pass_index: int) -> list[Any]:
    """Returns (inputs, targets, template) of each record, as a run's cache holds them."""
    settings = TokenSettings(
        config.loaded_tokenizer,
        ObjectiveConfig(),
        LENGTHS["inputs"],
        LENGTHS["targets"],
        seed=config.seed,
        num_shots=num_shots,
    )
    read = read_records(task, "train", limit=config.max_examples, seed=config.seed)
    batch = batch_of(task, read.records, read.uids, read.rows, slice(None), settings)
    part = tokenize_batch(task, batch, settings, pass_index=pass_index)
    found = []
    for entry in part.examples:
        middle, start = entry["start"] + entry["inputs"], entry["start"]
        tokens = (part.tokens[start:middle], part.tokens[middle : middle + entry["targets"]])
        found.append((*(side.tolist() for side in tokens), int(entry["template"])))
    return found


def theirs(name: str) -> list[Any]:
    dataset = seqio.get_mixture_or_task(name).get_dataset(LENGTHS, "train", shuffle=False)
    return [
        (e["inputs"].tolist(), e["targets"].tolist(), int(e["template"]))
        for e in dataset.as_numpy_iterator()
    ]


@pytest.mark.parametrize("num_shots", [0, SHOTS])
def test_every_task_gives_the_same_ids_through_seqio(registered, config, num_shots):
    counts = {"tasks": 0, "examples": 0, "cut": 0}
    for wording in registered.tasks.values():
        if (wording.template, wording.num_shots, wording.is_scored) != (None, num_shots, False):
            continue
        name = task_name(wording.task.name, num_shots=num_shots)
        found = theirs(name)
        assert found == ours(wording.task, config, num_shots=num_shots, pass_index=0), name
        counts["tasks"] += 1
        counts["examples"] += len(found)
        counts["cut"] += sum(len(i) == LENGTHS["inputs"] for i, _, _ in found)
    assert counts["tasks"] == len(CATALOGUE.tasks()) + len(mini.CATALOGUE.tasks())
    assert counts["examples"] > 2 * counts["tasks"]
    assert counts["cut"] > 15


def test_every_template_gives_the_text_that_it_renders(registered, config):
    num_examples = 0
    vocabulary = make_vocabulary(config)
    for wording in registered.tasks.values():
        if wording.template is None or wording.is_scored or wording.num_shots:
            continue
        read = read_records(wording.task, "train", seed=config.seed)
        made = examples(wording, read, (), config, range(len(read.records)))
        for record, example in zip(read.records, made, strict=True):
            wanted = render(wording.task, record, template=wording.template)
            text = (example["inputs_pretokenized"], example["targets_pretokenized"])
            assert text == (wanted.inputs, wanted.targets)
            ids = [example["inputs"].tolist(), example["targets"].tolist()]
            assert ids == [vocabulary.encode(side) for side in text]  # SeqIO's own
            num_examples += 1
    assert num_examples > 1500


def test_passes_are_further_wordings_of_the_same_records(config):
    task = in_memory(CATALOGUE, "").task("rte")
    read = read_records(task, "train", seed=config.seed)
    num = len(read.records)
    twice = dataclasses.replace(config, passes=2)
    made = list(examples(Wording(task), read, (), twice, range(2 * num)))
    for place, example in enumerate(made):
        pass_index, record = divmod(place, num)
        wanted = template_index(task, read.uids[record], seed=7, pass_index=pass_index)
        assert example["template"] == wanted
        assert example["idx"] == [read.rows[record], 0]
    first, second = made[:num], made[num:]
    assert all(a["template"] != b["template"] for a, b in zip(first, second, strict=True))


def test_shards_part_the_examples_and_a_seed_orders_them(registered):
    task = seqio.get_mixture_or_task("m_rte_10templates")

    def rows(seed: int | None, shard: tuple[int, int] | None = None, **options: Any) -> list[int]:
        info = seqio.ShardInfo(*shard) if shard else None
        dataset = task.get_dataset(LENGTHS, "train", seed=seed, shard_info=info, **options)
        return [int(e["idx"][0]) for e in dataset.as_numpy_iterator()]

    whole = rows(0, shuffle=False)
    halves = [rows(0, (index, 2), shuffle=False) for index in (0, 1)]
    assert [len(half) for half in halves] == [(len(whole) + 1) // 2, len(whole) // 2]
    assert sorted(halves[0] + halves[1]) == sorted(whole)
    shuffled = rows(3)
    assert shuffled == rows(3)
    assert sorted(shuffled) == sorted(whole)
    assert any(rows(seed) != whole for seed in range(4))


def test_options_are_examples_of_their_own_in_their_order(registered, config):
    task = in_memory(CATALOGUE, "").task("rte")
    made = list(
        seqio.get_mixture_or_task("m_rte_template_1_score_eval")
        .get_dataset(None, "validation", shuffle=False)
        .as_numpy_iterator()
    )
    read = read_records(task, "validation")
    assert len(made) == 2 * len(read.records)
    for place, example in enumerate(made):
        record, option = divmod(place, 2)
        wanted = render(task, read.records[record], template=1)
        text = wanted.options[option]
        assert example["targets_pretokenized"].decode() == text
        assert example["is_correct"] == (text == wanted.targets)
        assert example["idx"].tolist() == [read.rows[record], option]
        ids = [*config.loaded_tokenizer.encode_batch([text])[0], 1]
        np.testing.assert_array_equal(example["targets"], ids)
