"""SeqIO's converters make our batches; its Evaluator judges our models alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
import seqio

from flanjax.data.batch import Example, SeqBatch
from flanjax.data.records import read_records
from flanjax.data.seqio_bridge.names import task_name
from flanjax.data.seqio_bridge.registry import Registered, register, unregister
from flanjax.data.seqio_bridge.source import BridgeConfig
from flanjax.data.tokenize import ByteTokenizer, TokenizerConfig
from flanjax.engine.pack import Layout, pack
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.evaluation.converted import evaluator_functions, seq_batch
from flanjax.evaluation.predict import ModelPredictor
from flanjax.models.configs import RelativeConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.families import make_model
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh
from flanjax.tasks.mini import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

LENGTHS = {"inputs": 256, "targets": 48}
NUM = 24
SIZES = {"vocab_size": 384, "d_model": 16, "d_ff": 24, "num_heads": 2, "d_head": 8}
T5 = T5Config(
    num_encoder_layers=1, num_decoder_layers=1, dropout_rate=0.0,
    positions=RelativeConfig(num_buckets=8, max_distance=20), **SIZES,
)  # fmt: skip
CAUSAL = DecoderConfig(num_layers=2, num_kv_heads=2, **SIZES)
PREFIX = DecoderConfig(num_layers=2, num_kv_heads=2, prefix_lm=True, **SIZES)


@pytest.fixture(scope="module")
def registered() -> Iterator[Registered]:
    config = BridgeConfig(tokenizer=TokenizerConfig(extra_ids=125), num_shots=(0,))
    found = register(CATALOGUE, config)
    yield found
    unregister(found)


def converted(name: str, converter: Any, lengths: Any = LENGTHS) -> list[Any]:
    dataset = seqio.TaskRegistry.get(name).get_dataset(LENGTHS, "train", shuffle=False)
    return list(converter(dataset.take(NUM), lengths).as_numpy_iterator())


def examples(name: str, **fields: bool) -> list[Example]:
    dataset = seqio.TaskRegistry.get(name).get_dataset(LENGTHS, "train", shuffle=False)
    return [
        Example(e["inputs"][:-1], e["targets"], **fields)
        for e in dataset.take(NUM).as_numpy_iterator()
    ]


def assert_equal(found: SeqBatch, wanted: SeqBatch) -> None:
    for name, theirs, ours in zip(SeqBatch._fields, found, wanted, strict=True):
        jax.tree.map(np.testing.assert_array_equal, theirs, ours), name


@pytest.mark.parametrize("name", ["mini_people_10templates", "mini_objects_template_2"])
def test_encoder_decoder_features_are_our_batch(registered, name):
    rows = converted(name, seqio.EncDecFeatureConverter(pack=False))
    layout = Layout(LENGTHS["inputs"], LENGTHS["targets"], eos_id=1)
    assert_equal(seq_batch(rows), pack([[e] for e in examples(name)], layout))


def test_packed_encoder_decoder_features_are_our_packed_rows(registered):
    name = "mini_people_10templates"
    lengths = {"inputs": 700, "targets": 150}
    rows = converted(name, seqio.EncDecFeatureConverter(pack=True), lengths)
    every = iter(examples(name))
    numbers = [int(row["decoder_segment_ids"].max()) for row in rows]
    assert sum(numbers) == NUM
    assert max(numbers) > 2
    ours = pack([[next(every) for _ in range(n)] for n in numbers], Layout(700, 150, eos_id=1))
    for theirs, wanted in {
        "decoder_input_tokens": ours.tokens,
        "decoder_target_tokens": ours.targets,
        "decoder_loss_weights": ours.weights,
        "decoder_segment_ids": ours.segments,
        "decoder_positions": ours.positions,
        "encoder_input_tokens": ours.encoder.tokens,
        "encoder_segment_ids": ours.encoder.segments,
        "encoder_positions": ours.encoder.positions,
    }.items():
        np.testing.assert_array_equal(np.stack([row[theirs] for row in rows]), wanted, theirs)


@pytest.mark.parametrize("is_prefix", [False, True])
def test_prefix_lm_features_are_our_causal_batch(registered, is_prefix):
    name = "mini_people_10templates"
    rows = converted(name, seqio.PrefixLMFeatureConverter(pack=False))
    total = sum(LENGTHS.values())
    layout = Layout(None, total - 1, eos_id=1)  # SeqIO's first place is one that ours lack
    wanted = pack([[e] for e in examples(name, prefix=is_prefix)], layout)
    assert_equal(seq_batch(rows, is_prefix_lm=is_prefix), wanted)
    if is_prefix:  # all that sees both ways here does there, and the end id besides
        theirs = np.stack([row["decoder_causal_attention"] for row in rows])[:, 1:]
        assert ((theirs > 0) >= wanted.prefix).all()
        np.testing.assert_array_equal(theirs.sum(axis=1), wanted.prefix.sum(axis=1) + 1)


def test_lm_features_are_our_batch_with_loss_on_all(registered):
    name = "mini_people_10templates"
    given = examples(name, loss_on_inputs=True)
    whole = [{"targets": np.concatenate([e.inputs, [1], e.targets])} for e in given]
    dataset = seqio.test_utils.create_default_dataset(whole, feature_names=("targets",))
    length = 304
    rows = list(
        seqio.LMFeatureConverter(pack=False)(dataset, {"targets": length}).as_numpy_iterator()
    )
    wanted = pack([[e] for e in given], Layout(None, length - 1, eos_id=1))
    assert_equal(seq_batch(rows), wanted)


@pytest.mark.parametrize("config", [T5, CAUSAL, PREFIX])
def test_the_evaluator_gives_the_scores_of_our_evaluation(registered, config):
    model = make_model(config)
    params = model.init(jax.random.key(0))
    converter = (
        seqio.EncDecFeatureConverter(pack=False, apply_length_check=False)
        if config is T5
        else seqio.PrefixLMFeatureConverter(pack=False, apply_length_check=False)
    )
    functions = evaluator_functions(model, params, eos_id=1, max_length=12, batch_size=16)
    predictor = ModelPredictor(
        model, params, ByteTokenizer(extra_ids=125), max_input_length=512,
        max_target_length=64, batch_size=16, mesh=make_mesh(MeshConfig(), num_devices=1),
    )  # fmt: skip
    modes = set()
    for task in (CATALOGUE.task(name) for name in ("mini_people", *ranked())):
        is_scored = task.mode == "rank"
        name = task_name(task.name, template=1, is_scored=is_scored)
        evaluator = seqio.Evaluator(
            name, converter, "validation", sequence_length={"inputs": 512, "targets": 64},
            num_examples=30, use_memory_cache=False, async_compute_metrics=False,
        )  # fmt: skip
        metrics, _ = evaluator.evaluate(compute_metrics=True, **functions._asdict())
        found = metrics.result()[name]
        records = read_records(task, "validation").records
        num = 30 // len(next(iter_options(task, records))) if is_scored else 30
        cluster = next(c for c in CATALOGUE.clusters if task in c.tasks)
        alone = cluster.__class__(cluster.name, (task,))
        report = evaluate_cluster(
            predictor, alone, {task.name: records[:num]},
            config=EvalConfig(max_examples=0, max_decode_length=12), templates=[1],
        )  # fmt: skip
        assert found == pytest.approx(dict(report.tasks[0].templates[0].metrics)), name
        modes.add(task.mode)
    assert modes == {"rank", "generate"}


@pytest.mark.parametrize("config", [T5, CAUSAL, PREFIX])
def test_what_is_written_is_what_our_predictor_writes(registered, config):
    model = make_model(config)
    # Far from zero, so that prompts matter to what is written.
    params = jax.tree.map(lambda leaf: 6 * leaf, model.init(jax.random.key(1)))
    predictor = ModelPredictor(
        model, params, ByteTokenizer(extra_ids=125), max_input_length=256,
        max_target_length=64, batch_size=16, mesh=make_mesh(MeshConfig(), num_devices=1),
    )  # fmt: skip
    kind = seqio.EncDecFeatureConverter if config is T5 else seqio.PrefixLMFeatureConverter
    rows = converted("mini_people_10templates", kind(pack=False))

    class Dataset:
        def as_numpy_iterator(self) -> Iterator[Any]:
            return enumerate(rows)

    functions = evaluator_functions(model, params, eos_id=1, max_length=12, batch_size=7)
    found = functions.predict_fn(Dataset())
    assert [number for number, _ in found] == list(range(NUM))
    texts = [ByteTokenizer(extra_ids=125).decode(ids) for _, ids in found]
    prompts = [
        e["inputs_pretokenized"].decode()
        for e in seqio.TaskRegistry.get("mini_people_10templates")
        .get_dataset(LENGTHS, "train", shuffle=False)
        .take(NUM)
        .as_numpy_iterator()
    ]
    assert texts == predictor.generate(prompts, max_length=12)
    assert len(set(texts)) > 4


def ranked() -> list[str]:
    """Returns a task of options whose numbers divide what is scored."""
    return [task.name for task in CATALOGUE.tasks() if task.mode == "rank"][:1]


def iter_options(task: Any, records: Any) -> Iterator[tuple[str, ...]]:
    return (task.to_fields(record)["options"] for record in records)


class Rows:
    """Converted rows as a dataset gives them."""

    def __init__(self, rows: list[Any]):
        self.rows = rows

    def as_numpy_iterator(self) -> Iterator[Any]:
        return enumerate(self.rows)


def causal_row(ids: list[int], num_prompt: int) -> dict[str, np.ndarray]:
    return {
        "decoder_target_tokens": np.array(ids),
        "decoder_input_tokens": np.array([0, *ids[:-1]]),
        "decoder_loss_weights": np.array([0] * num_prompt + [1] + [0] * (3 - num_prompt)),
    }


def test_a_prompt_without_an_end_id_goes_on_with_its_own_last_id():
    model = make_model(CAUSAL)
    params = jax.tree.map(lambda leaf: 6 * leaf, model.init(jax.random.key(1)))
    functions = evaluator_functions(model, params, eos_id=1, max_length=3, batch_size=2)
    rows = [causal_row([50, 60, 0, 0], 2), causal_row([50, 70, 80, 0], 3)]
    for (_, found), row in zip(
        functions.predict_fn(Rows(rows)), ([50, 60], [50, 70, 80]), strict=True
    ):
        for written in found:  # each is the likeliest after all before it, by a whole forward pass
            ids = np.array([row])
            shape = np.ones_like(ids)
            batch = SeqBatch(
                ids, ids, shape.astype(np.float32), shape, np.arange(len(row))[None],
                np.zeros_like(ids, bool), None,
            )  # fmt: skip
            hidden = model.hidden(params, batch)
            assert written == int(np.argmax(model.unembed(params, hidden[:, -1])))
            row.append(written)


def test_a_causal_row_without_a_prompt_cannot_be_answered():
    functions = evaluator_functions(make_model(CAUSAL), None, eos_id=1, max_length=2, batch_size=1)
    with pytest.raises(ValueError, match="must have a prompt to be answered, got none"):
        functions.predict_fn(Rows([causal_row([5, 6, 7, 0], 0)]))
