"""TFDS records, without network: TFDS makes up the data of its own schemas."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from flanjax.data.records import read_records
from flanjax.data.render import RecordError, checked_fields
from flanjax.data.schema import Labels
from flanjax.data.task import BadRecord, UnavailableError
from flanjax.data.tfds_source import Tfds, _plain
from flanjax.engine.source_identity import source_identity
from flanjax.tasks.flan2021 import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings


SST2 = {"sentence": str, "label": Labels(("negative", "positive"))}


def source(name: str = "glue/sst2:2.0.0", split: str = "train[:3]", **changes: Any) -> Tfds:
    return Tfds(**{"name": name, "tfds_splits": {"train": split}, "features": SST2} | changes)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the builders believe that their data is on disk; TFDS makes it up."""
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)


@pytest.mark.usefixtures("prepared")
def test_records_are_plain_python_of_the_schema() -> None:
    with tfds.testing.mock_data(num_examples=5):
        records = list(source(split="train").records("train"))
        again = list(source(split="train").records("train"))
    assert len(records) == 5
    assert records == again
    for record in records:
        assert not isinstance(record, BadRecord)
        assert {name: type(value) for name, value in record.items()} == {
            "sentence": str,
            "label": int,
        }


def test_nested_values_become_plain_too() -> None:
    row = {
        "id": np.int64(3),
        "text": b"caf\xc3\xa9",
        "flag": np.bool_(True),
        "choices": {"text": np.array([b"a", b"b"], dtype=object), "score": np.array([0.5, 1.0])},
        "matrix": np.array([[1, 2], [3, 4]]),
        "ragged": tf.ragged.constant([[b"x"], [], [b"y", b"z"]]),
        "pairs": [np.float32(0.25), (b"k", None)],
    }
    plain = _plain(row)
    assert plain == {
        "id": 3,
        "text": "café",
        "flag": True,
        "choices": {"text": ["a", "b"], "score": [0.5, 1.0]},
        "matrix": [[1, 2], [3, 4]],
        "ragged": [["x"], [], ["y", "z"]],
        "pairs": [0.25, ["k", None]],
    }
    assert type(plain["id"]) is int
    assert type(plain["flag"]) is bool
    assert type(plain["matrix"][0][0]) is int


@pytest.mark.usefixtures("prepared")
def test_a_row_that_cannot_be_converted_is_bad_and_names_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "flanjax.data.tfds_source._plain", lambda row: {"sentence": "a", "label": 5}
    )
    with tfds.testing.mock_data(num_examples=2):
        first, second = source(tfds_splits={"test": "validation"}).records("test")
    assert isinstance(first, BadRecord)
    assert first.place == "glue/sst2:2.0.0 validation:1"
    assert "field 'label' must be a label (0 = negative, 1 = positive), got 5" in first.reason
    assert isinstance(second, BadRecord)
    assert second.place.endswith(":2")


@pytest.mark.parametrize(
    ("features", "what"),
    [
        ({"label": Labels(("positive", "negative"))}, "'label' with negative, positive instead of"),
        ({"label": Labels(("a", "b", "c"))}, "'label' with negative, positive instead of a, b, c"),
        ({"sentence": Labels(("a", "b"))}, "'sentence' with Text instead of a, b"),
        ({"text": str}, "no 'text' among .*sentence"),
        ({"idx": str}, "'idx' as "),
        ({"sentence": [str]}, "'sentence' as Text instead of a sequence"),
    ],
)
def test_other_fields_or_another_class_order_than_the_builders_are_refused(
    features: Any, what: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"sst2:2\.0\.0 must have the task's fields, got .*{what}"
    ):
        source(features=features).records("train")


def test_a_dataset_that_is_not_prepared_says_what_to_run_and_how_large_it_is() -> None:
    unprepared = source(download_mib=7.1)
    with pytest.raises(
        UnavailableError, match=r"run `tfds build glue/sst2` \(downloads 7\.1 MiB\)"
    ):
        unprepared.records("train")
    by_hand = source(manual="get it from its authors and put it there")
    with pytest.raises(UnavailableError, match="authors and put it there, then run `tfds build"):
        by_hand.records("train")


@pytest.mark.usefixtures("prepared")
def test_the_identity_is_the_prepared_datasets_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_train(num_examples: int) -> dict[str, str]:
        info = tfds.core.SplitInfo(name="train", shard_lengths=[num_examples], num_bytes=120)
        splits = tfds.core.SplitDict([info])
        monkeypatch.setattr(tfds.core.DatasetInfo, "splits", splits)
        return source().identity("train")

    found = with_train(6)
    assert {name: text for name, text in found.items() if name != "features"} == {
        "format": "TFDS",
        "name": "glue/sst2:2.0.0",
        "version": "2.0.0",
        "rows": "train[:3]",
        "num_examples": "6",
        "num_bytes": "120",
    }
    assert with_train(7) != found
    with pytest.raises(ValueError, match="must have the rows validation, got"):
        source(split="validation").identity("train")


def test_a_dataset_that_is_not_prepared_has_no_identity() -> None:
    assert source_identity(source(), "train", data_dir=None) is None


@pytest.mark.usefixtures("prepared")
def test_tensorflow_sees_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: list[tuple[list[Any], str]] = []
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda devices, kind: hidden.append((devices, kind))
    )
    with tfds.testing.mock_data(num_examples=1):
        list(source().records("train"))
    assert hidden == [([], "GPU"), ([], "TPU")]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("no_such_set:1.0.0", "Dataset no_such_set not found"),
        ("glue/sst3:2.0.0", "BuilderConfig sst3 not found"),
        ("glue/sst2:9.9.9", "cannot be loaded at version 9.9.9"),
    ],
)
def test_an_unknown_name_is_one_clear_line(name: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"TFDS must have {name}, .*{what}") as caught:
        source(name).records("train")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("prepared")
def test_a_fault_of_several_lines_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_dataset(*args: Any, **kwargs: Any) -> None:
        raise ValueError("Unknown split 'trian'.\nShould be one of\n- train")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", as_dataset)
    with pytest.raises(ValueError, match="have the rows trian, got Unknown split 'trian'; check"):
        source(split="trian").records("train")


def test_names_are_checked_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="must state its version, got 'glue/sst2'"):
        source("glue/sst2")
    with pytest.raises(ValueError, match="split must be one of train, got 'test'"):
        source().records("test")
    with pytest.raises(ValueError, match="got 'valid'; did you mean validation"):
        source(tfds_splits={"valid": "train"})


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_tfds(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "tensorflow_datasets":
            raise ModuleNotFoundError("No module named 'tensorflow_datasets'")
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "tensorflow_datasets")
    monkeypatch.setattr(builtins, "__import__", without_tfds)
    with pytest.raises(ValueError, match=r"pip install 'flanjax\[seqio\]'"):
        source().records("train")


CLASSES_IN_PLAIN_TYPES = ("copa", "story_cloze", "wsc273")
"""Their builders give a class as plain text or number, and made-up ones are none of the classes."""


def _refusal(task: Any, record: Any) -> str:
    """Returns why a task refuses a record; made-up text may repeat an option, say."""
    try:
        checked_fields(task, record)
    except RecordError as error:
        return str(error)
    return ""


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("task", CATALOGUE.tasks(), ids=lambda task: task.name)
def test_every_flan_task_agrees_with_its_builder(task: Any) -> None:
    """Names, types and class order; TFDS then makes rows up, which the task must take."""
    with tfds.testing.mock_data(num_examples=12):
        splits = task.source.splits()
        records = [row for name in splits for row in task.source.tfds.records(name)]
    assert len(records) >= 12
    assert not [record for record in records if isinstance(record, BadRecord)]
    refusals = {_refusal(task, record) for record in records}
    if task.name not in CLASSES_IN_PLAIN_TYPES:
        assert "to_fields must accept every record" not in " ".join(refusals)


@pytest.mark.usefixtures("prepared")
def test_a_task_is_read_from_tfds_where_no_file_is_there() -> None:
    with tfds.testing.mock_data(num_examples=300):
        read = read_records(CATALOGUE.task("rte"), "train")
    assert read.counts.kept > 90
    assert set(read.records[0]) == {"premise", "hypothesis", "label"}
