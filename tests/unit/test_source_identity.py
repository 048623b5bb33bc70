"""Other rows, another identity; the same rows, the same one."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import tracemalloc
import types
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flanjax.data.local_files import LocalFiles
from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Csv, Jsonl, LabelledJsonl, Tsv
from flanjax.data.task import BadRecord, Record, Source
from flanjax.data.tfds_source import Tfds
from flanjax.engine.source_identity import source_identity
from flanjax.tasks.mini.source import Draw, GrammarSource

PUBLIC = "https://example.org/set"
FILES = {"train": "set/all.tsv[:-2]", "validation": "set/all.tsv[-2:]", "test": "set/test.tsv"}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/all.tsv").write_text("text\tlabel\na\t0\nb\t1\nc\t0\n")
    (tmp_path / "set/test.tsv").write_text("text\tlabel\nd\t1\n")
    return tmp_path


def identity(source: Source, folder: pathlib.Path, split: str = "train") -> dict[str, str]:
    found = source_identity(source, split, data_dir=str(folder))
    assert found is not None
    assert json.loads(json.dumps(found)) == found
    return found


def tsv(**changes: Any) -> Tsv:
    return Tsv(**{"files": FILES, "public": PUBLIC} | changes)


def test_the_identity_of_files_says_what_it_is_made_of(folder: pathlib.Path) -> None:
    assert identity(tsv(), folder) == {
        "format": "Tsv",
        "options": r"encoding='utf-8', delimiter='\t', is_quoted=False",
        "rows": "set/all.tsv[:-2]",
        "rows taken": "[-2:]",
        # printf 'text\tlabel\na\t0\nb\t1\nc\t0\n' | b2sum -l 128
        "file set/all.tsv": "23 bytes, blake2b b54681d3f18f9a42640688e01309fd8c",
    }
    assert identity(tsv(), folder, "test")["rows"] == "set/test.tsv[:]"


def test_another_byte_or_another_size_is_another_identity(folder: pathlib.Path) -> None:
    before = identity(tsv(), folder)
    path = folder / "set/all.tsv"
    path.write_text("text\tlabel\na\t0\nb\t1\nc\t1\n")  # of the same size
    changed = identity(tsv(), folder)
    path.write_text("text\tlabel\na\t0\nb\t1\nc\t0\n\n")  # a blank line, no row
    longer = identity(tsv(), folder)
    path.write_text("text\tlabel\na\t0\nb\t1\nc\t0\n")
    assert identity(tsv(), folder) == before
    assert before != changed != longer != before


def test_other_files_public_addresses_and_times_are_not_in_it(folder: pathlib.Path) -> None:
    before = identity(tsv(), folder)
    (folder / "set/test.tsv").write_text("text\tlabel\ne\t0\n")
    (folder / "set/other.tsv").write_text("new")
    os.utime(folder / "set/all.tsv", (1, 1))
    assert identity(tsv(public="https://example.org/moved"), folder) == before
    moved = folder.rename(folder.with_name("elsewhere"))
    assert identity(tsv(), moved) == before
    assert "example.org" not in str(before)


def test_a_cut_counts_for_the_splits_that_take_their_rows_after_it(folder: pathlib.Path) -> None:
    def cut(**files: str) -> list[dict[str, str]]:
        return [identity(tsv(files=FILES | files), folder, split) for split in FILES]

    train, validation, test = cut()
    assert cut(train="set/all.tsv[1:-2]")[1:] == [validation, test]
    assert cut(train="set/all.tsv[1:-2]")[0] != train
    other = cut(validation="set/all.tsv[-1:]")
    assert [other[0] != train, other[1] != validation, other[2] == test] == [True] * 3
    shared = cut(test="set/all.tsv[:1]")
    assert shared[0]["rows taken"] == "[-2:] [:1]"
    assert shared[1]["rows taken"] == "[:1]"
    assert shared[2]["rows taken"] == ""


def test_the_way_a_file_is_read_is_in_it_but_not_the_code(folder: pathlib.Path) -> None:
    class RenamedTsv(Tsv):
        """The same rows under another name; who knows."""

    ways: list[LocalFiles] = [
        tsv(),
        RenamedTsv(files=FILES, public=PUBLIC),
        Csv(files=FILES, public=PUBLIC),
        tsv(encoding="latin-1"),
        tsv(columns=("text", "label")),
        tsv(columns=("label", "text")),
        tsv(is_quoted=True),
    ]
    assert len({str(identity(way, folder)) for way in ways}) == len(ways)
    assert identity(tsv(to_record=dict), folder) == identity(tsv(), folder)


def test_labels_that_lie_beside_a_file_count_as_well(tmp_path: pathlib.Path) -> None:
    source = LabelledJsonl(files={"train": "a.jsonl"}, public=PUBLIC)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    assert source_identity(source, "train", data_dir=str(tmp_path)) is None
    (tmp_path / "a-labels.lst").write_text("1\n")
    one = identity(source, tmp_path)
    assert set(one) >= {"file a.jsonl", "file a-labels.lst"}
    (tmp_path / "a-labels.lst").write_text("2\n")
    assert identity(source, tmp_path) != one
    renamed = dataclasses.replace(source, field="class")
    assert identity(renamed, tmp_path)["options"] != one["options"]


def test_data_that_is_not_here_has_no_identity(tmp_path: pathlib.Path) -> None:
    assert source_identity(tsv(), "train", data_dir=None) is None
    assert source_identity(tsv(), "train", data_dir=str(tmp_path)) is None
    with pytest.raises(ValueError, match="split must be one of train, got 'dev'"):
        source_identity(tsv(files={"train": "a.tsv"}), "dev", data_dir=str(tmp_path))


def test_a_large_file_is_hashed_in_little_memory(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.truncate(100 * 2**20)
    source = Jsonl(files={"train": "a.jsonl"}, public=PUBLIC)
    tracemalloc.start()
    found = identity(source, tmp_path)["file a.jsonl"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.startswith("104857600 bytes, blake2b ")
    assert peak < 4 * 2**20


def published(**changes: Any) -> Published:
    tfds = {
        "name": "shop:1.0.0",
        "tfds_splits": {"train": "train[:-2]", "validation": "train[-2:]", "test": "test"},
        "features": {"text": str, "label": Labels(("bad", "good"))},
    }
    return Published(tfds=Tfds(**tfds | changes), originals=(tsv(),))


def make_builder(num_examples: int = 6, num_bytes: int = 120) -> types.SimpleNamespace:
    split = types.SimpleNamespace(num_examples=num_examples, num_bytes=num_bytes)
    info = types.SimpleNamespace(splits={"train": split})
    return types.SimpleNamespace(version="1.0.0", info=info)


@pytest.fixture
def tfds_builder(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What TFDS has prepared, by the place "now"; TensorFlow is not asked."""
    prepared = {"now": make_builder()}
    monkeypatch.setattr(Tfds, "_import", lambda self: None)
    monkeypatch.setattr(Tfds, "_prepared", lambda self, tfds: prepared["now"])
    return prepared


def test_tfds_tells_what_it_has_prepared(
    tmp_path: pathlib.Path, tfds_builder: dict[str, Any]
) -> None:
    before = identity(published(), tmp_path)
    assert {name: text for name, text in before.items() if name != "features"} == {
        "format": "TFDS",
        "name": "shop:1.0.0",
        "version": "1.0.0",
        "rows": "train[:-2]",
        "num_examples": "6",
        "num_bytes": "120",
    }
    assert identity(published(), tmp_path, "validation")["rows"] == "train[-2:]"
    labels = {"text": str, "label": Labels(("good", "bad"))}
    assert identity(published(features=labels), tmp_path) != before
    for builder in (make_builder(num_examples=7), make_builder(num_bytes=121)):
        tfds_builder["now"] = builder
        assert identity(published(), tmp_path) != before
    with pytest.raises(ValueError, match=r"TFDS shop:1\.0\.0 must have the rows test, got 'test'"):
        identity(published(), tmp_path, "test")


def test_the_copy_that_counts_is_the_one_identified(
    folder: pathlib.Path, tfds_builder: dict[str, Any]
) -> None:
    originals = identity(published(), folder)
    assert originals["format"] == "Tsv"
    assert identity(tsv(), folder).items() <= originals.items()
    labels = {"text": str, "label": Labels(("good", "bad"))}
    assert identity(published(features=labels), folder) != originals
    (folder / "tfds/shop").mkdir(parents=True)
    for name in ("train", "test"):
        (folder / f"tfds/shop/{name}.jsonl").write_text('{"text": "a", "label": 0}\n')
    exports = identity(published(), folder)
    assert (exports["format"], exports["rows"]) == ("Jsonl", "tfds/shop/train.jsonl[:-2]")


def test_a_published_set_without_any_copy_has_no_identity(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert source_identity(published(), "train", data_dir=str(tmp_path)) is None


@dataclasses.dataclass(frozen=True)
class Rows:
    """A source in memory that has what `Source` asks for and no more."""

    rows: Sequence[Record | BadRecord]

    def splits(self) -> tuple[str, ...]:
        return ("train",)

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        yield from self.rows

    def describe(self) -> str:
        return "rows in memory"


def test_rows_in_code_are_hashed_in_their_order_bad_ones_too(tmp_path: pathlib.Path) -> None:
    bad = BadRecord("f:2", "cut.")
    sets: list[Sequence[Record | BadRecord]] = [
        [],
        [{"a": 1}],
        [{"a": 1}, {"a": 2}],
        [{"a": 2}, {"a": 1}],
        [{"a": 1}, bad],
        [{"a": 1}, bad._replace(place="f:3")],
        [{"a": 1}, bad._replace(reason="torn.")],
        [{"a": 1}, {"a": object()}],
    ]
    found = [identity(Rows(rows), tmp_path) for rows in sets]
    assert len({entry["rows"] for entry in found}) == len(sets)
    assert [entry["num_rows"] for entry in found] == ["0", "1", "2", "2", "2", "2", "2", "2"]
    assert found == [identity(Rows(rows), tmp_path) for rows in sets]
    assert identity(Rows([{"b": 2, "a": 1}]), tmp_path) == identity(
        Rows([{"a": 1, "b": 2}]), tmp_path
    )


def test_a_grammar_is_identified_by_what_it_writes(tmp_path: pathlib.Path) -> None:
    def number(draw: Draw) -> Record:
        return {"n": draw.below(1000)}

    grammar = GrammarSource(
        name="n", make=number, topic=("n",), num_train=20, num_validation=5, num_test=5
    )
    before = identity(grammar, tmp_path)
    assert identity(grammar, tmp_path) == before
    assert identity(dataclasses.replace(grammar, seed=1), tmp_path) != before
    assert identity(grammar, tmp_path, "test") != before


@dataclasses.dataclass(frozen=True)
class Told(Rows):
    """A source that tells its identity itself."""

    told: Any = None

    def identity(self, split: str, *, data_dir: str | None = None) -> dict[str, str]:
        return self.told if self.told else {"split": split, "data_dir": str(data_dir)}


def test_a_source_may_tell_its_identity_itself(tmp_path: pathlib.Path) -> None:
    assert identity(Told(()), tmp_path) == {"split": "train", "data_dir": str(tmp_path)}
    for told in ("rows", {"rows": 3}, {3: "rows"}):
        with pytest.raises(
            ValueError, match=r"memory: identity must be a dict of text, got .*rows"
        ):
            identity(Told((), told), tmp_path)
