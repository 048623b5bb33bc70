"""A catalogue in SeqIO's registries: names, rates, metrics, vocabularies."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import sentencepiece
import seqio
import tensorflow as tf

from flanjax.data.catalogue import Catalogue, rates
from flanjax.data.holdout import hold_out
from flanjax.data.records import read_records
from flanjax.data.render import Rendered, render
from flanjax.data.seqio_bridge import metrics, source
from flanjax.data.seqio_bridge.names import hold_out_name, mixture_name, task_name
from flanjax.data.seqio_bridge.registry import (
    Registered,
    TokenizerVocabulary,
    make_vocabulary,
    register,
    unregister,
)
from flanjax.data.seqio_bridge.source import BridgeConfig, Wording
from flanjax.data.task import TaskCluster
from flanjax.data.tokenize import TokenizerConfig, encode_prompts, make_tokenizer
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.tasks.flan2021 import CATALOGUE as FLAN
from flanjax.tasks.mini import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

LENGTHS = {"inputs": 512, "targets": 64}
CONFIG = BridgeConfig(
    tokenizer=TokenizerConfig(extra_ids=100), num_shots=(0, 3), max_examples=90, rate_cap=70
)


@pytest.fixture(scope="module")
def registered() -> Iterator[Registered]:
    found = register(CATALOGUE, CONFIG)
    yield found
    unregister(found)


def test_names_are_those_that_users_of_flan_know():
    assert task_name("rte") == "rte_10templates"
    assert task_name("rte", template=3) == "rte_template_3"
    assert task_name("rte", template=3, num_shots=5, is_scored=True) == (
        "rte_template_3_5_shot_score_eval"
    )
    assert mixture_name("flan2021", "nli", num_shots=5) == "flan2021_nli_10templates_5_shot"
    assert hold_out_name("flan2021", "intra:0", part="train") == (
        "flan2021_hold_out_intra_0_10templates_train"
    )


def test_every_task_wording_mixture_and_hold_out_is_there(registered):
    tasks, clusters = CATALOGUE.tasks(), CATALOGUE.clusters
    scored = [t for t in tasks if t.mode == "rank" for w in t.templates if not w.inverted]
    assert len(registered.tasks) == 2 * (11 * len(tasks) + len(scored))
    for rule in (cluster.name for cluster in clusters):
        split = hold_out(CATALOGUE, rule)
        trained, tested = (
            seqio.MixtureRegistry.get(hold_out_name("mini", rule, part=part))
            for part in ("train", "eval")
        )
        names = sorted(task_name(task.name) for task in split.train.tasks())
        assert [task.name for task in trained.tasks] == names
        assert {name.partition("_template_")[0] for name in (t.name for t in tested.tasks)} == {
            task.name for task in split.test.tasks
        }
    assert seqio.MixtureRegistry.get("mini_10templates").num_input_examples("train") == sum(
        len(read_records(task, "train", limit=90).records) for task in tasks
    )


def test_rates_are_those_of_a_run(registered):
    mixture = CATALOGUE.mixture("mini")
    sizes = {t.name: len(read_records(t, "train", limit=90).records) for t in mixture.tasks()}
    theirs = seqio.MixtureRegistry.get("mini_10templates")
    found = {task.name: theirs.get_rate(task) / theirs.total_rate for task in theirs.tasks}
    wanted = rates(mixture.__class__("mini", mixture.members, rate_cap=70), sizes)
    assert found == pytest.approx({task_name(name): rate for name, rate in wanted.items()})


def test_a_mixture_yields_examples_of_its_tasks(registered):
    mixture = seqio.MixtureRegistry.get("mini_10templates_3_shot")
    dataset = mixture.get_dataset(LENGTHS, "train", seed=0, num_epochs=None)
    converter = seqio.EncDecFeatureConverter(pack=False)
    batch = next(converter(dataset, LENGTHS).batch(4).as_numpy_iterator())
    assert batch["encoder_input_tokens"].shape == (4, 512)
    assert (batch["decoder_loss_weights"].sum(axis=1) > 1).all()


def test_a_name_that_is_taken_leaves_the_registry_as_it_was(registered):
    before = len(seqio.TaskRegistry.names()), len(seqio.MixtureRegistry.names())
    with pytest.raises(
        ValueError, match=r"a SeqIO name must be free, got mini_.* and .* more, reg"
    ):
        register(CATALOGUE, CONFIG)
    assert (len(seqio.TaskRegistry.names()), len(seqio.MixtureRegistry.names())) == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_shots": ()}, "num_shots must be numbers of 0 or more, at least one, got"),
        ({"num_shots": (-1,)}, "num_shots must be numbers of 0 or more, at least one, got"),
        ({"passes": 0}, "passes must be positive, got 0; raise it"),
    ],
)
def test_a_config_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        BridgeConfig(tokenizer=TokenizerConfig(), **fields)


class Hashed:
    """A model that scores an option by a hash, and writes a word of its prompt."""

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[list[float]]:
        return [
            [number_of(p, option) for option in several]
            for p, several in zip(prompts, options, strict=True)
        ]

    def generate(self, prompts: Sequence[str], *, max_length: int) -> list[str]:
        return [word_of(prompt) for prompt in prompts]


def number_of(prompt: str, option: str) -> float:
    return hashlib.sha256(f"{prompt}\0{option}".encode()).digest()[0] / 256


def word_of(prompt: str) -> str:
    words = prompt.split()
    return words[hashlib.sha256(prompt.encode()).digest()[0] % len(words)]


def test_seqio_s_metrics_are_those_of_an_evaluation(registered):
    """One wording of each task, another one from task to task."""
    numbers = itertools.count()
    for cluster in CATALOGUE.clusters:
        for task in cluster.tasks:
            forward = [i for i, template in enumerate(task.templates) if not template.inverted]
            own = forward[next(numbers) % len(forward)]
            report = evaluate_cluster(
                Hashed(),
                TaskCluster(cluster.name, (task,)),
                {task.name: read_records(task, "validation").records},
                config=EvalConfig(max_examples=0),
                templates=[own],
            )
            ((score,),) = (told.templates for told in report.tasks)
            name = task_name(task.name, template=own, is_scored=task.mode == "rank")
            expected = pytest.approx(dict(score.metrics))
            assert seqio_scores(name, task.mode == "rank") == expected, name


def seqio_scores(name: str, is_scored: bool) -> dict[str, float]:
    task = seqio.TaskRegistry.get(name)
    dataset = task.get_dataset(None, "validation", shuffle=False)
    made = list(dataset.as_numpy_iterator())
    texts = [(e["inputs_pretokenized"].decode(), e["targets_pretokenized"].decode()) for e in made]
    targets = [
        task.postprocess_fn(text[1], example=example, is_target=True)
        for text, example in zip(texts, made, strict=True)
    ]
    if is_scored:
        (metric,) = task.score_metric_fns
        return metric(targets, [number_of(*text) for text in texts])
    (metric,) = task.predict_metric_fns
    predictions = [task.postprocess_fn(word_of(text[0]), is_target=False) for text in texts]
    return metric(targets, predictions)


def test_options_that_were_cut_from_the_split_are_refused(registered):
    name = next(name for name in registered.tasks if name.endswith("_score_eval"))
    task = seqio.TaskRegistry.get(name)
    made = list(task.get_dataset(None, "validation", shuffle=False).take(3).as_numpy_iterator())
    targets = [task.postprocess_fn("x", example=example, is_target=True) for example in made]
    with pytest.raises(ValueError, match="options must be scored once, in their order, got"):
        task.score_metric_fns[0](targets[1:], [0.0, 1.0])
    with pytest.raises(ValueError, match="each option must get a number, got NaN"):
        task.score_metric_fns[0](targets, [0.0, 1.0, float("nan")])
    num = len(targets[0]["options"])
    found = task.score_metric_fns[0](targets[: num + 1], [float(n) for n in range(num + 1)])
    assert found == task.score_metric_fns[0](targets[:num], [float(n) for n in range(num)])


@pytest.mark.parametrize("seed", [np.array(5), np.int32(5), tf.constant(5, tf.int64), -1, None])
def test_a_seed_may_be_what_t5x_and_seqio_give(registered, seed):
    task = seqio.TaskRegistry.get("mini_people_10templates")
    rows = [
        int(example["idx"][0])
        for index in range(2)
        for example in task.get_dataset(
            LENGTHS, "train", seed=seed, shard_info=seqio.ShardInfo(index, 2)
        ).as_numpy_iterator()
    ]
    assert len(rows) == len(set(rows)) == 90  # no record twice, none lost


def test_inverted_wordings_are_not_scored():
    for task in FLAN.tasks():
        for index, template in enumerate(task.templates):
            record = task.examples[0]
            example = render(task, record, template=index)
            target = {
                "text": example.targets, "references": list(example.references),
                "options": list(example.options), "group": example.group, "template": index,
                "row": 1, "option": 0,
            }  # fmt: skip
            (metric,) = metrics.predicted(task)
            assert bool(metric([target], [example.targets])) == (not template.inverted)


def test_a_catalogue_of_which_nothing_can_be_held_out_is_registered_too():
    only = CATALOGUE.clusters[0].tasks[0]
    tested = dataclasses.replace(only, name="tested", source=Tested())
    clusters = (
        TaskCluster("a", (dataclasses.replace(only, name="one"),)),
        TaskCluster("b", (tested,)),
    )
    found = register(Catalogue("pair", clusters), CONFIG)
    try:
        assert "pair_hold_out_b_10templates_train" in found.mixtures
        assert "pair_hold_out_a_10templates_train" not in found.mixtures
    finally:
        unregister(found)
    assert not {*found.tasks, *found.mixtures} & {
        *seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()
    }  # fmt: skip


class Tested:
    """A source for evaluation only."""

    def splits(self) -> tuple[str, ...]:
        return ("validation",)


def test_vocabularies_are_seqio_s_own_where_it_has_one(test_data: pathlib.Path):
    path = str(test_data / "reference/t5_vocab/sentencepiece.model")
    t5 = TokenizerConfig(kind="sentencepiece", path=path)
    for config, kind in (
        (t5, seqio.SentencePieceVocabulary),
        (TokenizerConfig(extra_ids=7), seqio.ByteVocabulary),
    ):
        vocabulary = make_vocabulary(BridgeConfig(tokenizer=config))
        assert isinstance(vocabulary, kind)
        assert vocabulary.vocab_size == make_tokenizer(config).vocab_size
        text = "A café's tale, 12 pages.\n- yes"
        assert vocabulary.encode(text) == make_tokenizer(config).encode_batch([text])[0].tolist()


def test_prompts_begin_as_those_of_a_run(tmp_path: pathlib.Path):
    path = str(tmp_path / "begins.model")
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["one two three four"] * 20), model_writer=file, vocab_size=30,
            pad_id=0, eos_id=1, unk_id=2, bos_id=3, hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
    config = TokenizerConfig(kind="sentencepiece", path=path, has_bos=True)
    loaded = BridgeConfig(tokenizer=config).loaded_tokenizer
    rendered = Rendered("one two", "three", (), ("three",))
    wording = Wording(task=CATALOGUE.tasks()[0])
    (example,) = source._tokenized(rendered, loaded, wording, row=1, template=0)
    (expected,) = encode_prompts(make_tokenizer(config), ["one two"])
    assert example["inputs"].tolist() == expected.tolist()
    assert expected[0] == 3
    assert 3 not in example["targets"]


def test_a_tokenizer_that_seqio_lacks_is_wrapped():
    tokenizer = make_tokenizer(TokenizerConfig(extra_ids=3))
    vocabulary = TokenizerVocabulary(tokenizer)
    assert (vocabulary.vocab_size, vocabulary.eos_id) == (262, 1)
    ids = vocabulary.encode("Straße")
    assert vocabulary.encode_tf("Straße").numpy().tolist() == ids
    assert vocabulary.decode([*ids, 1, *ids]) == "Straße"
    assert vocabulary.decode_tf(tf.constant([*ids, 1, *ids])).numpy().decode() == "Straße"
    pair = vocabulary.decode_tf(tf.constant([ids, ids])).numpy().tolist()
    assert pair == ["Straße".encode()] * 2
    assert vocabulary == TokenizerVocabulary(make_tokenizer(TokenizerConfig(extra_ids=3)))
    assert vocabulary != TokenizerVocabulary(make_tokenizer(TokenizerConfig(extra_ids=4)))


def test_importing_the_module_registers_flan_in_less_than_two_seconds():
    code = (
        "import json, sys, time, seqio\n"
        "started = time.process_time()\n"
        "import flanjax.tasks.seqio_mixtures as m\n"
        "spent = time.process_time() - started\n"
        "mixture = seqio.MixtureRegistry.get('flan2021_hold_out_nli_10templates_train')\n"
        "print(json.dumps([spent, len(m.REGISTERED.tasks), len(m.REGISTERED.mixtures),\n"
        "    len(mixture.tasks), 'jax' in sys.modules]))\n"
    )
    environment = {**os.environ, "FLANJAX_TOKENIZER_PATH": "/nowhere/sentencepiece.model"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    spent, num_tasks, num_mixtures, num_trained, _ = json.loads(done.stdout.splitlines()[-1])
    assert num_tasks > 2_000
    assert num_mixtures > 100
    assert num_trained > 40
    assert spent < 2.0
