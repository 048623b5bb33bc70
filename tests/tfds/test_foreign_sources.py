"""Other data, other tokens; shared data, held out together; none, said so."""

from __future__ import annotations

import functools
import importlib
import json
import pathlib
import sys
from typing import Any

import pytest
import seqio
import tensorflow as tf

from flanjax.certificate import split_catalogue
from flanjax.cli.catalog import run_catalog
from flanjax.data.seqio_bridge import origins
from flanjax.data.tokenize import ByteTokenizer
from flanjax.length_sample import sample_lengths
from tests.tfds.test_foreign_refusals import NUMBERS, VOCABULARY, add, refused
from tests.tfds.test_foreign_tasks import CAUSAL, experiment, prepared, trained

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings
__all__ = ["add"]

TOKENIZE = [seqio.preprocessors.tokenize, seqio.preprocessors.append_eos]


def fingerprints(folder: pathlib.Path, name: str) -> list[str]:
    found: list[str] = prepared(experiment(folder, name)).prepared[name]["fingerprints"]
    return found


def renamed(task: seqio.Task, **changes: Any) -> None:
    """Registers a task anew under its name, changed."""
    seqio.TaskRegistry.remove(task.name)
    seqio.TaskRegistry.add_provider(task.name, task.replace(**changes))


def sliced(user_tasks: Any, rows: str) -> seqio.TfdsDataSource:
    splits = {"train": rows, "validation": "validation"}
    folder = f"{user_tasks.DATA}/tfds"
    return seqio.TfdsDataSource("user_nli:1.0.0", tfds_data_dir=folder, splits=splits)


def test_another_slice_of_the_same_files_makes_other_tokens(user_tasks, add, tmp_path, monkeypatch):
    monkeypatch.setattr("flanjax.data.seqio_bridge.incoming._NUM_COMPARED", 10)
    to_text = functools.partial(user_tasks.entailment, prefix="nli", labels=user_tasks.LABELS)
    task = add(source=sliced(user_tasks, "train[:60]"), preprocessors=[to_text, *TOKENIZE])
    first = fingerprints(tmp_path, task.name)
    renamed(task, source=sliced(user_tasks, "train[:40]"))
    assert fingerprints(tmp_path, task.name) != first
    renamed(task, source=sliced(user_tasks, "train[:60]"))
    assert fingerprints(tmp_path, task.name) == first


def write_cache(folder: pathlib.Path, texts: list[str]) -> None:
    """Writes a task's training split as SeqIO's cache has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "train.tfrecord-00000-of-00001")) as file:
        for text in texts:
            ids = tf.train.Feature(int64_list=tf.train.Int64List(value=VOCABULARY.encode(text)))
            named = tf.train.Features(feature={"inputs": ids, "targets": ids})
            file.write(tf.train.Example(features=named).SerializeToString())
    specs = {side: {"shape": [None], "dtype": "int32"} for side in ("inputs", "targets")}
    info = {"num_shards": 1, "features": specs, "seqio_version": seqio.__version__}
    (folder / "info.train.json").write_text(json.dumps(info), "utf-8")
    (folder / "stats.train.json").write_text(json.dumps({"examples": len(texts)}), "utf-8")
    (folder / "COMPLETED").touch()


def test_a_task_that_must_be_cached_is_read_from_seqios_cache(user_tasks, add, tmp_path):
    absent = seqio.TfdsDataSource("user_absent:1.0.0", tfds_data_dir=str(tmp_path))
    needed = seqio.CacheDatasetPlaceholder(required=True)
    steps = [seqio.preprocessors.tokenize, needed, seqio.preprocessors.append_eos_after_trim]
    task = add(source=absent, preprocessors=steps)
    texts = [f"number {number}" for number in range(300)]
    write_cache(tmp_path / "cached" / task.name, texts)
    seqio.add_global_cache_dirs([str(tmp_path / "cached")])
    data = prepared(experiment(tmp_path, task.name))
    first = data.prepared[task.name]["fingerprints"]
    assert data.tokens.stores[0].pass_sizes == (300,)
    texts[270] = "something else"
    write_cache(tmp_path / "cached" / task.name, texts)
    assert fingerprints(tmp_path, task.name) != first


MODULE = """
import seqio, tensorflow as tf

@seqio.map_over_dataset
def kept(example):
    return {**example, "targets": tf.strings.join([example["targets"], "END"])}
"""


def test_edited_code_makes_another_identity(tmp_path, monkeypatch):
    path = tmp_path / "edited_tasks.py"
    path.write_text(MODULE.replace("END", "!"), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("edited_tasks")
    first = origins.described([module.kept, functools.partial(module.kept, flags=(1, "a"))])
    assert "edited_tasks.kept" in first
    assert "given [{'flags'" not in first
    assert "'flags', [1, 'a']" in first
    assert origins.described([module.kept]) != first
    origins._file_hash.cache_clear()
    path.write_text(MODULE.replace("END", "?"), "utf-8")
    changed = origins.described([module.kept, functools.partial(module.kept, flags=(1, "a"))])
    assert changed != first
    assert "0x" not in first
    del sys.modules["edited_tasks"]


def sentences_of(split: str, shuffle_files: bool, seed: int | None = None, topic: str = "") -> Any:
    return tf.data.Dataset.from_tensor_slices({"inputs": [topic], "targets": ["x"]})


def test_what_shares_data_shares_its_name(user_tasks):
    folder = f"{user_tasks.DATA}/tfds"
    nli = ("TFDS user_nli",)
    parts = {"train": seqio.utils.TfdsSplit("user_nli:1.0.0", "train", folder)}
    assert origins.corpora(seqio.TfdsDataSource(splits=parts)) == nli
    exemplars = seqio.experimental.FewshotDataSource(user_tasks.NLI, num_shots=2)
    assert origins.corpora(exemplars) == nli == origins.corpora(user_tasks.NLI)
    lines = seqio.TextLineDataSource({"train": f"{user_tasks.DATA}/questions.*.tsv"})
    one = seqio.TextLineDataSource({"train": f"{user_tasks.DATA}/questions.validation.tsv"})
    assert set(origins.corpora(one)) < set(origins.corpora(lines))

    def of(topic: str) -> tuple[str, ...]:
        made_by = functools.partial(sentences_of, topic=topic)
        return origins.corpora(seqio.FunctionDataSource(made_by, ["train"]))

    assert of("a") == of("a") != of("b")


def test_tasks_whose_data_is_absent_are_dropped_from_training_and_scoring(
    user_tasks, add, tmp_path, capsys
):
    absent = seqio.TfdsDataSource("user_absent:1.0.0", tfds_data_dir=str(tmp_path))
    task = add(source=absent, metric_fns=[user_tasks.exact_match])
    name = f"with_{task.name}"
    seqio.MixtureRegistry.add(name, [(task.name, 1.0), ("user_questions", 1.0)])
    outcome = trained(experiment(tmp_path / "run", name, missing_tasks="drop"))
    assert [report.cluster for report in outcome.stages["after"]] == ["user_questions"]
    with refused(f"task {task.name}: SeqIO must"):
        trained(experiment(tmp_path / "other", name))


def nothing_to_validate(split: str, shuffle_files: bool, seed: int | None = None) -> Any:
    num = 3 if split == "train" else 0
    rows = {"inputs": ["a b", "c d", "e f"][:num], "targets": ["x", "y", "z"][:num]}
    return tf.data.Dataset.from_tensor_slices(
        {side: tf.constant(texts, tf.string) for side, texts in rows.items()}
    )


def undefined(targets: Any, predictions: Any) -> dict[str, float]:
    return {"pearson": float("nan")}


def partly_undefined(targets: Any, predictions: Any) -> dict[str, float]:
    return {"pearson": float("nan"), "num": len(targets), "ratio": float("inf")}


def test_what_cannot_be_scored_is_passed_over_and_named(user_tasks, add, tmp_path):
    source = seqio.FunctionDataSource(nothing_to_validate, ["train", "validation"])
    empty = add(source=source, preprocessors=TOKENIZE, metric_fns=[user_tasks.exact_match])
    unsure = add(preprocessors=TOKENIZE, metric_fns=[undefined])
    partly = add(preprocessors=TOKENIZE, metric_fns=[partly_undefined])
    unsplit = add(splits=["train"], preprocessors=TOKENIZE, metric_fns=[user_tasks.exact_match])
    name = f"unsure_{next(NUMBERS)}"
    members = [(task.name, 1.0) for task in (empty, unsure, partly, unsplit)]
    seqio.MixtureRegistry.add(name, [*members, ("user_fill_in", 1.0)])
    text = []
    outcome = trained(experiment(tmp_path, name), told=text)
    (report,) = outcome.stages["after"]
    assert report.tasks[0].metric == "num"
    assert dict(report.tasks[0].metrics) == {"num": 2.0}
    assert report.tasks[0].not_numbers == ("pearson", "ratio")
    told = " ".join("".join(text).split())
    assert f"not scored: {empty.name} has no examples in its validation split." in told
    assert f"not scored: {unsplit.name} has no validation split." in told
    assert "not scored: user_fill_in has no metric functions." in told
    line = f"after, not scored: {unsure.name} has metric functions that gave no finite number"
    assert line in told


def short_texts(split: str, shuffle_files: bool, seed: int | None = None) -> Any:
    return tf.data.Dataset.from_tensor_slices({"targets": ["ab", "a", "", "abc"]})


def test_examples_that_predict_nothing_are_counted(user_tasks, add, tmp_path):
    task = add(
        source=seqio.FunctionDataSource(short_texts, ["train"]),
        output_features={"targets": seqio.Feature(VOCABULARY)},
    )
    data = prepared(experiment(tmp_path, task.name, model=CAUSAL, objective="causal_lm"))
    assert data.prepared[task.name]["reasons"] == {"empty_target": 2}
    assert data.prepared[task.name]["examples"] == 2


def chunks(dataset: Any, sequence_length: Any) -> Any:
    limit = sequence_length["targets"]
    return dataset.map(lambda row: {side: row[side][:limit] for side in ("inputs", "targets")})


def long_rows(split: str, shuffle_files: bool, seed: int | None = None) -> Any:
    return tf.data.Dataset.from_tensor_slices(
        {"inputs": ["b" * 150] * 3, "targets": ["a" * 40] * 3}
    )


def test_advice_sees_examples_whole_unless_a_task_itself_reads_the_lengths(
    user_tasks, add, tmp_path
):
    cut = [seqio.preprocessors.tokenize, seqio.preprocessors.append_eos_after_trim]
    source = seqio.FunctionDataSource(long_rows, ["train"])
    for steps, lengths in ((cut, (151, 41)), ([cut[0], chunks], (32, 32))):
        task = add(source=source, preprocessors=steps)
        made = experiment(tmp_path, task.name)
        mixture = split_catalogue(made, run_catalog(made, is_uncut=True)).train
        sample = sample_lengths(made, mixture, ByteTokenizer(extra_ids=125), num_records=10)
        assert {tuple(row) for row in sample.lengths[task.name].tolist()} == {lengths}
