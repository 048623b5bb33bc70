"""The data of `t5x_user_tasks`, as a user of T5X has it: prepared, in files."""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def user_tasks(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Writes the data, and imports the module that registers its tasks."""
    folder = tmp_path_factory.mktemp("user_tasks")
    write_user_data(folder)
    os.environ["USER_TASKS_DATA"] = str(folder)
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    return importlib.import_module("t5x_user_tasks")


def write_user_data(folder: pathlib.Path) -> None:
    """Writes a TFDS dataset, TFRecords in two shards, and tab-separated text."""
    _nli_builder()(data_dir=str(folder / "tfds")).download_and_prepare()
    for split, num in {"train": 320, "validation": 20}.items():
        first = 0 if split == "train" else 500
        lines = (f"What is {i} plus {i % 7}?\t{i + i % 7}\n" for i in range(first, first + num))
        (folder / f"questions.{split}.tsv").write_text("".join(lines), "utf-8")
    for split, num in {"train": 70, "validation": 10, "test": 10}.items():
        words = [f"{split}{number * number}" for number in range(num)]
        for shard in range(2):
            path = str(folder / f"reversed.{split}.tfrecord-{shard:05d}-of-00002")
            _write_records(path, words[shard::2])


def _write_records(path: str, words: Sequence[str]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(path) as file:
        for word in words:
            file.write(_serialized({"word": word, "backwards": word[::-1]}))


def _nli_builder() -> type:
    import tensorflow_datasets as tfds

    class UserNli(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """Pairs of sentences, the second of which may follow from the first."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):  # type: ignore[no-untyped-def]
            features = {
                "premise": tfds.features.Text(),
                "hypothesis": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=["no", "yes"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):  # type: ignore[no-untyped-def]
            return {"train": _pairs(0, 90), "validation": _pairs(500, 24)}

        def _generate_examples(self):  # type: ignore[no-untyped-def]
            raise AssertionError("splits are generators themselves")

    return UserNli


def _pairs(first: int, num: int) -> Iterator[tuple[int, dict[str, object]]]:
    names = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
    things = ("a cup", "a hat", "a red box", "an old door", "the key")
    for number in range(first, first + num):
        name, thing = names[number % 6], things[number // 6 % 5]
        other = things[(number // 6 + number % 2) % 5]
        yield (
            number,
            {
                "premise": f"{name} has {thing} since {1900 + number}.",
                "hypothesis": f"{name} has {other}.",
                "label": (number + 1) % 2,
            },
        )


def _serialized(texts: dict[str, str]) -> bytes:
    import tensorflow as tf

    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
        for name, text in texts.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
