"""What of SeqIO's a run cannot take is refused in one line that names it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import seqio
import tensorflow as tf

from flanjax import foreign
from flanjax.certificate import split_catalogue
from flanjax.cli.catalog import load_catalog, run_catalog
from flanjax.data.ablation import AblationConfig
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.seqio_bridge.incoming import as_task
from flanjax.data.seqio_bridge.stateful import stateful_ops
from flanjax.data.task import UnavailableError
from flanjax.data.tokenize import ByteTokenizer, TokenizerConfig, make_tokenizer
from flanjax.evaluation.cluster import EvalConfig
from flanjax.experiment import Experiment
from flanjax.train_data import prepare_train_data
from tests.tfds.test_foreign_tasks import CAUSAL, experiment, trained

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings

VOCABULARY = seqio.ByteVocabulary(extra_ids=125)
NUMBERS = itertools.count()


def features(vocabulary: Any = VOCABULARY, **more: Any) -> dict[str, Any]:
    return {side: seqio.Feature(vocabulary) for side in ("inputs", "targets")} | more


class Shifted(seqio.ByteVocabulary):
    """As large as the run's vocabulary, and another."""

    def _encode(self, s: str) -> list[int]:
        return [number + 1 for number in super()._encode(s)]


def rows(split: str, shuffle_files: bool = False, seed: int | None = None) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"inputs": ["a b c", "d e"], "targets": ["x", "yy"]})


@pytest.fixture
def add() -> Iterator[Callable[..., seqio.Task]]:
    """Registers a task under a new name, and takes it back after the test."""
    names = []

    def register(
        *,
        preprocessors: Any = (seqio.preprocessors.tokenize,),
        output_features: Any = None,
        source: Any = None,
        splits: Any = ("train", "validation"),
        **judged: Any,
    ) -> seqio.Task:
        names.append(f"refused_{next(NUMBERS)}")
        return seqio.TaskRegistry.add(
            names[-1],
            source=source or seqio.FunctionDataSource(rows, splits=splits),
            preprocessors=list(preprocessors),
            output_features=output_features or features(),
            **judged,
        )

    yield register
    for name in names:
        seqio.TaskRegistry.remove(name)


def prepare(made: Experiment, tokenizer: Any = None) -> None:
    mixture = split_catalogue(made, run_catalog(made)).train
    prepare_train_data(made, mixture, tokenizer or ByteTokenizer(extra_ids=125))


def refused(message: str) -> Any:
    return pytest.raises(ValueError, match=re.escape(message))


def with_passthrough(size: int, eos_id: int | None = None) -> dict[str, Any]:
    return features(seqio.PassThroughVocabulary(size, eos_id))


@pytest.mark.parametrize(
    ("output_features", "message"),
    [
        (
            features(seqio.ByteVocabulary(extra_ids=100)),
            "with 359 ids, not 384; set TOKENIZER",
        ),
        (with_passthrough(1000), "got PassThroughVocabulary(size=1000, eos_id=None) with 1000 ids"),
        (with_passthrough(384, 7), "eos_id=7) with the end id 7; set TOKENIZER_PATH"),
        (
            features(images=seqio.Feature(VOCABULARY, rank=2)),
            "targets, got images besides",
        ),
        (
            features(targets=seqio.ContinuousFeature(rank=2)),
            "targets must hold ids in one row",
        ),
        (
            features(inputs=seqio.Feature(VOCABULARY, dtype=tf.string)),
            "one row, got Feature of 1",
        ),
        (features(inputs=seqio.Feature(VOCABULARY, required=False)), "got required=False; leave"),
        (features(Shifted(extra_ids=125)), "with other ids of 'It was the best of times"),
        (
            {"targets": seqio.Feature(VOCABULARY)},
            "for an encoder-decoder, got targets; register it with inputs",
        ),
    ],
)
def test_features_and_vocabularies_that_are_not_the_models(
    user_tasks, add, tmp_path, output_features, message
):
    task = add(output_features=output_features)
    with refused(message) as error:
        prepare(experiment(tmp_path, task.name))
    assert f"task {task.name}" in str(error.value)
    assert "\n" not in str(error.value)


def test_prompts_of_seqio_begin_as_it_begins_them(user_tasks, add, tmp_path):
    tokenizer = ByteTokenizer(extra_ids=125)
    tokenizer.bos_id = 5
    task = add()
    with refused(f"has_bos must be False for task {task.name} of SeqIO, got True; set it"):
        prepare(experiment(tmp_path, task.name), tokenizer)


def test_a_vocabulary_file_is_compared_by_its_content(user_tasks, add, tmp_path):
    trained = []
    for number, text in enumerate(("one two three four", "one two three fuor")):
        path = str(tmp_path / f"{number}.model")
        train_pieces(path, text)
        trained.append(path)
    task = add(output_features=features(seqio.SentencePieceVocabulary(trained[0], extra_ids=10)))
    same = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=trained[0], extra_ids=10))
    other = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=trained[1], extra_ids=10))
    made = experiment(tmp_path, task.name)
    prepare(made, same)
    with refused("with another model (sentencepiece-"):
        prepare(made, other)


def train_pieces(path: str, text: str) -> None:
    import sentencepiece

    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([text, text[::-1]] * 20), model_writer=file, vocab_size=30,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip


@seqio.map_over_dataset
def noisy(example: Any) -> Any:
    number = tf.strings.as_string(tf.random.uniform([], 0, 9, tf.int32))
    return {**example, "inputs": tf.strings.join([example["inputs"], number])}


@seqio.map_over_dataset
def noisy_in_python(example: Any) -> Any:
    def draw() -> np.ndarray:
        return np.array(str(next(NUMBERS)).encode(), object)

    text = tf.ensure_shape(tf.numpy_function(draw, [], tf.string), [])
    return {**example, "inputs": text}


def test_stateful_operations_are_named(user_tasks, add, tmp_path):
    task = add(preprocessors=[noisy, seqio.preprocessors.tokenize])
    with refused(
        f"task {task.name}: its train split must come out the same each time, got the stateful "
        "RandomUniformInt; draw with tf.random.stateless_*"
    ):
        prepare(experiment(tmp_path, task.name))


def test_what_draws_elsewhere_is_found_by_making_the_examples_twice(user_tasks, add, tmp_path):
    task = add(preprocessors=[noisy_in_python, seqio.preprocessors.tokenize])
    with refused(f"task {task.name}: its train split must give the same examples each time"):
        prepare(experiment(tmp_path, task.name))


@pytest.mark.parametrize(
    ("draw", "op"),
    [
        (lambda: tf.random.normal([]), "RandomStandardNormal"),
        (lambda: tf.random.truncated_normal([]), "TruncatedNormal"),
        (lambda: tf.random.gamma([], 1.0), "RandomGamma"),
        (lambda: tf.random.poisson([], 1.0), "RandomPoissonV2"),
        (lambda: tf.random.shuffle(tf.range(5)), "RandomShuffle"),
        (lambda: tf.random.categorical([[0.5, 0.5]], 1), "Multinomial"),
        (lambda: tf.random.stateless_uniform([], [1, 2]), None),
        (lambda: tf.random.experimental.stateless_shuffle(tf.range(5), [1, 2]), None),
    ],
)
def test_which_operations_are_stateful(draw, op):
    dataset = tf.data.Dataset.range(3).map(lambda number: draw())
    assert stateful_ops(dataset) == ([] if op is None else [op])


def test_a_generator_of_its_own_is_stateful():
    generator = tf.random.Generator.from_seed(1)
    dataset = tf.data.Dataset.range(3).map(lambda number: generator.uniform([]))
    assert stateful_ops(dataset) == ["RngReadAndSkip"]


def test_a_task_without_a_train_split_is_named(user_tasks, add, tmp_path):
    task = add(splits=("validation", "test"))
    with refused(f"task {task.name} must have a train split, got validation, test; give"):
        prepare(experiment(tmp_path, task.name))


def needs_aux(targets: Any, predictions: Any, aux_values: Any) -> dict[str, float]:
    return {"aux": 0.0}


def misnamed(references: Any, predictions: Any) -> dict[str, float]:
    return {"none": 0.0}


def failing(targets: Any, predictions: Any) -> dict[str, float]:
    raise KeyError("label")


def test_metric_functions_that_no_model_here_serves(user_tasks, add, tmp_path):
    made = experiment(tmp_path, "user_all")
    task = add(metric_fns=[needs_aux])
    judge = foreign.make_judge(made, adapted(task), ByteTokenizer(extra_ids=125))
    assert judge == "has metric functions of PREDICTION_WITH_AUX, which no model here gives"
    task = add(metric_fns=[misnamed])
    with refused(f"task {task.name}: SeqIO must name its metric functions, got ValueError: Metric"):
        foreign.make_judge(made, adapted(task), ByteTokenizer(extra_ids=125))
    text = {"targets": seqio.Feature(VOCABULARY)}
    task = add(output_features=text, metric_fns=[user_tasks.accuracy])
    judge = foreign.make_judge(
        dataclasses.replace(made, model=CAUSAL), adapted(task), ByteTokenizer(extra_ids=125)
    )
    assert judge == "has metric functions of answers, but no inputs to be answered"


def test_stop_texts_are_refused_where_seqio_judges_whole_answers(user_tasks, add, tmp_path):
    made = experiment(tmp_path, "user_all")
    task = add(metric_fns=[user_tasks.accuracy])
    stopped = dataclasses.replace(made, evaluation=EvalConfig(stop_texts=("Q:",)))
    with refused(f"EvalConfig.stop_texts must be () for task {task.name} of SeqIO, got ('Q:',); l"):
        foreign.make_judge(stopped, adapted(task), ByteTokenizer(extra_ids=125))


def adapted(task: seqio.Task) -> Any:
    return as_task(task, lengths={"inputs": 96, "targets": 32}, seed=0)


def test_a_metric_function_that_fails_is_named(user_tasks, add, tmp_path):
    task = add(metric_fns=[failing])
    with refused(f"task {task.name}: SeqIO must judge it, got ValueError: Failed to evaluate task"):
        trained(experiment(tmp_path, task.name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"over_long": "drop"},
            "over_long must be 'truncate_right' for task user_nli of",
        ),
        ({"num_shots": 2}, "DataConfig.num_shots must be 0 for task user_nli of SeqIO, got 2"),
        (
            {"ablation": AblationConfig(wording="none")},
            "wording must be 'instruction'",
        ),
        (
            {"ablation": AblationConfig(num_templates=1)},
            "num_templates must be None",
        ),
        (
            {"ablation": AblationConfig(has_inverted=False)},
            "has_inverted must be True",
        ),
        ({"objective": ObjectiveConfig(name="span_corruption")}, "must not be span_corruption"),
    ],
)
def test_what_only_tasks_with_templates_do(user_tasks, tmp_path, change, message):
    made = experiment(tmp_path, "user_nli")
    of_data = {name: value for name, value in change.items() if hasattr(made.data, name)}
    made = dataclasses.replace(
        made,
        data=dataclasses.replace(made.data, **of_data),
        **{name: value for name, value in change.items() if name not in of_data},
    )
    with refused(message):
        prepare(made)


def test_data_that_is_not_here_is_unavailable_and_may_be_dropped(user_tasks, add, tmp_path):
    absent = seqio.TfdsDataSource(
        "user_absent:1.0.0", tfds_data_dir=str(tmp_path), splits=["train"]
    )
    task = add(source=absent)
    with pytest.raises(UnavailableError, match=f"task {task.name}: SeqIO must make"):
        prepare(experiment(tmp_path, task.name))
    files = {"train": str(tmp_path / "none*.txt")}
    task = add(source=seqio.TextLineDataSource(files))
    with pytest.raises(UnavailableError, match=f"task {task.name}: SeqIO must make"):
        prepare(experiment(tmp_path, task.name))
    name = f"with_{task.name}"
    seqio.MixtureRegistry.add(name, [(task.name, 1.0), ("user_nli", 1.0)])
    made = experiment(tmp_path, name, missing_tasks="drop")
    data = prepare_train_data(
        made, split_catalogue(made, run_catalog(made)).train, ByteTokenizer(extra_ids=125)
    )
    assert list(data.prepared) == ["user_nli"]
    assert "prepare its data" in data.missing[task.name]


def test_a_member_that_is_not_registered_is_named(user_tasks, add):
    task = add()
    stray = task.replace(name="stray")
    seqio.MixtureRegistry.add(f"stray_{task.name}", [(stray, 1.0), (task.name, 1.0)])
    with refused("its tasks must be registered, got stray, which is not; add it by"):
        load_catalog("seqio:t5x_user_tasks").mixture(f"stray_{task.name}")


def test_a_rate_that_cannot_be_had_is_named(user_tasks, add):
    task = add()
    name = f"sized_{task.name}"
    seqio.MixtureRegistry.add(name, [(task.name, seqio.mixing_rate_num_examples)])
    with refused(f"mixture {name}: the rate of {task.name} must be a number, got TypeError"):
        load_catalog("seqio:t5x_user_tasks").mixture(name)


def test_names_are_those_of_tasks_and_mixtures(user_tasks):
    catalogue = load_catalog("seqio:t5x_user_tasks")
    with refused("got 'user_al'; did you mean user_all"):
        catalogue.mixture("user_al")
    with refused("mixture must be a task or mixture of SeqIO that seqio:t5x_user_tasks registers"):
        catalogue.mixture(catalogue.name)
    with refused("catalog must read seqio:module, got 'seqio:a b'"):
        load_catalog("seqio:a b")
    with refused("catalog must name a module, got 'user_task' and there is no user_task"):
        load_catalog("seqio:user_task")


def test_a_name_that_is_taken_ends_the_import_with_its_line(tmp_path):
    module = tmp_path / "twice.py"
    module.write_text(
        "import seqio\n"
        "def rows(split, shuffle_files=False, seed=None): return None\n"
        "for _ in range(2):\n"
        "    seqio.TaskRegistry.add('twice', source=seqio.FunctionDataSource(rows, ['train']), "
        "output_features={})\n",
        "utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "flanjax.cli.main", "tasks", "list", "--catalog=seqio:twice"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert "catalog module twice must import, got ValueError:" in last
    assert "twice" in last.partition("got ValueError:")[2]
    assert "twice.py, line 4" in last


def test_a_prompt_with_exemplars_is_not_seqios(user_tasks, tmp_path):
    made = experiment(tmp_path, "user_nli")
    made = dataclasses.replace(made, evaluation=EvalConfig(num_shots=2))
    task = run_catalog(made).task("user_nli")
    assert "no exemplars are added" in foreign.make_judge(made, task, ByteTokenizer(extra_ids=125))
