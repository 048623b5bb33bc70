"""TFDS records, without network: TFDS makes up the data of its own schemas."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from flanjax.data.task import BadRecord
from flanjax.data.tfds_source import Tfds, _plain
from flanjax.tasks.flan2021 import CATALOGUE

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own warnings


def source(name: str = "glue/sst2:2.0.0", split: str = "train[:3]") -> Tfds:
    return Tfds(name=name, tfds_splits={"train": split})


def test_records_are_plain_python_of_the_builders_schema() -> None:
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
            "idx": int,
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


def test_a_row_that_cannot_be_converted_is_bad_and_names_its_place() -> None:
    def refuse(record: Any) -> Any:
        raise KeyError("answer")

    with tfds.testing.mock_data(num_examples=2):
        rows = list(
            Tfds(
                name="glue/sst2:2.0.0", tfds_splits={"test": "validation"}, to_record=refuse
            ).records("test")
        )
    assert rows == [
        BadRecord("glue/sst2:2.0.0 validation:1", "KeyError: 'answer'"),
        BadRecord("glue/sst2:2.0.0 validation:2", "KeyError: 'answer'"),
    ]


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
    with pytest.raises(ValueError, match=f"TFDS must have {name} .*{what}") as caught:
        source(name).records("train")
    assert "\n" not in str(caught.value)


def test_a_fault_of_several_lines_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*args: Any, **kwargs: Any) -> None:
        raise ValueError("Unknown split 'trian'.\nShould be one of\n- train")

    monkeypatch.setattr(tfds, "load", load)
    with pytest.raises(ValueError, match="with the rows trian, got Unknown split 'trian'; check"):
        source(split="trian").records("train")


def test_names_are_checked_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="must state its version, got 'glue/sst2'"):
        source("glue/sst2")
    with pytest.raises(ValueError, match="split must be one of train, got 'test'"):
        source().records("test")
    with pytest.raises(ValueError, match="got 'valid'; did you mean validation"):
        Tfds(name="glue/sst2:2.0.0", tfds_splits={"valid": "train"})


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


@pytest.mark.parametrize("task", CATALOGUE.tasks(), ids=lambda task: task.name)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_flan_task_reads_its_tfds_schema(task: Any, split: str) -> None:
    with tfds.testing.mock_data(num_examples=300):
        records = list(task.source.tfds.records(split))
    expected = {
        "sst2": {"sentence", "label"},
        "rte": {"premise", "hypothesis", "label"},
        "glue_mrpc": {"sentence1", "sentence2", "label"},
        "aeslc": {"email_body", "subject_line"},
    }[task.name]
    assert records
    assert all(set(record) == expected for record in records)
    assert any(task.to_fields(record) is not None for record in records)
