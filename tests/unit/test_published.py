"""A dataset's records are the same from whichever copy they are read."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator

import pytest

from flanjax.data.published import Published
from flanjax.data.schema import Labels
from flanjax.data.sources import Tsv
from flanjax.data.task import BadRecord, Record, UnavailableError
from flanjax.data.tfds_source import Tfds

ROWS = [{"text": f"row {i}", "label": i % 2, "idx": i} for i in range(6)]
EXPECTED = [{"text": f"row {i}", "label": i % 2} for i in range(6)]


def make_source(**changes: str) -> Published:
    splits = {"train": "train[:3]", "validation": "train[-2:]", "test": "dev"} | changes
    return Published(
        tfds=Tfds(
            name="shop/small:1.0.0",
            tfds_splits=splits,
            features={"text": str, "label": Labels(("bad", "good"))},
            download_mib=2.5,
        ),
        originals=(
            Tsv(
                files={
                    "train": "shop/all.tsv[:3]",
                    "validation": "shop/all.tsv[-2:]",
                    "test": "shop/dev.tsv",
                },
                public="https://example.org/shop",
                to_record=lambda row: {"text": row["sentence"], "label": row["class"]},
            ),
        ),
    )


def write_jsonl(folder: pathlib.Path) -> None:
    for name in ("train", "dev"):
        lines = [json.dumps({**row, "label": ["bad", "good"][row["label"]]}) for row in ROWS]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))


def write_csv(folder: pathlib.Path) -> None:
    for name in ("train", "dev"):
        lines = ["idx,label,text"] + [f'{r["idx"]},{r["label"]},"{r["text"]}"' for r in ROWS]
        (folder / f"{name}.csv").write_text("\n".join(lines))


def write_parquet(folder: pathlib.Path) -> None:
    import pyarrow
    import pyarrow.parquet

    for name in ("train", "dev"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / f"{name}.parquet")


def read(source: Published, split: str, data_dir: pathlib.Path) -> list[Record | BadRecord]:
    return list(source.records(split, data_dir=str(data_dir)))


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_parquet])
def test_files_in_tfds_names_are_cut_as_tfds_would(
    tmp_path: pathlib.Path, write: Callable[[pathlib.Path], None]
) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    write(folder)
    source = make_source()
    assert read(source, "train", tmp_path) == EXPECTED[:3]
    assert read(source, "validation", tmp_path) == EXPECTED[-2:]
    assert read(source, "test", tmp_path) == EXPECTED


def test_a_row_of_validation_is_never_one_of_train_in_a_short_file(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    write_jsonl(folder)
    source = make_source(train="train[:30000]", validation="train[-4:]")
    assert read(source, "train", tmp_path) == EXPECTED[:2]
    assert read(source, "validation", tmp_path) == EXPECTED[-4:]


def test_distributed_files_give_the_same_records(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    words = ["bad", "good"]
    rows = "\n".join(f"{row['text']}\t{words[row['label']]}" for row in ROWS)
    for name in ("all", "dev"):
        (folder / f"{name}.tsv").write_text(f"sentence\tclass\n{rows}")
    assert read(make_source(), "train", tmp_path) == EXPECTED[:3]
    assert read(make_source(), "test", tmp_path) == EXPECTED


def test_a_class_that_the_schema_does_not_know_is_bad_and_names_its_line(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("all", "dev"):
        (folder / f"{name}.tsv").write_text("sentence\tclass\nfine\tgood\nodd\tneutral\n")
    _, bad = read(make_source(), "test", tmp_path)
    assert bad == BadRecord(
        f"{tmp_path}/shop/dev.tsv:3",
        "field 'label' must be a label (0 = bad, 1 = good), got 'neutral'.",
    )


def test_files_in_tfds_names_come_before_distributed_ones(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    write_jsonl(folder)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/dev.tsv").write_text("sentence\tclass\nother\tgood\n")
    assert read(make_source(), "test", tmp_path) == EXPECTED


def test_half_a_copy_is_never_mixed_with_another(tmp_path: pathlib.Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/dev.tsv").write_text("sentence\tclass\nother\tgood\n")
    with pytest.raises(UnavailableError, match=r"must exist, got no .*all\.tsv; get it from"):
        read(make_source(), "train", tmp_path)


def test_two_formats_in_one_folder_are_refused(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    write_jsonl(folder)
    write_csv(folder)
    with pytest.raises(ValueError, match="must hold one format, got csv and jsonl; remove one"):
        read(make_source(), "train", tmp_path)


def test_where_no_copy_is_here_every_remedy_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Tfds, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        raise UnavailableError(f"TFDS {self.name} must be prepared; {self.remedy()}.")

    monkeypatch.setattr(Tfds, "records", refuse)
    expected = (
        r"run `tfds build shop/small` \(downloads 2\.5 MiB\), or put its rows at "
        r"DATA_DIR/tfds/shop/small/train\.jsonl, or get https://example\.org/shop and put it at "
        r"DATA_DIR/shop/all\.tsv\.$"
    )
    with pytest.raises(UnavailableError, match=expected):
        read(make_source(), "train", tmp_path)


def test_every_copy_must_have_the_same_splits() -> None:
    original = Tsv(files={"train": "a.tsv"}, public="https://example.org/shop")
    tfds = Tfds(name="shop:1.0.0", tfds_splits={"test": "test"}, features={"text": str})
    with pytest.raises(ValueError, match="must have the same splits, got train and test"):
        Published(tfds=tfds, originals=(original,))


def test_a_whole_copy_comes_before_part_of_one(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text(json.dumps(ROWS[0]))
    (tmp_path / "shop").mkdir()
    for name in ("all", "dev"):
        (tmp_path / f"shop/{name}.tsv").write_text("sentence\tclass\nother\tgood\n")
    source = make_source()
    assert read(source, "test", tmp_path) == [{"text": "other", "label": 1}]
    assert source.place("test", data_dir="data") == "TFDS shop/small:1.0.0 dev"
    place = source.place("train", data_dir=str(tmp_path))
    assert place == f"{tmp_path}/shop/all.tsv[:3]"


def test_files_of_other_names_are_not_passed_over(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    (folder / "train-00000-of-00001.parquet").write_bytes(b"")
    expected = (
        "must hold dev and train as .parquet, .jsonl or .csv, got train-00000-of-00001.parquet; "
        "rename them"
    )
    with pytest.raises(ValueError, match=expected):
        read(make_source(), "train", tmp_path)


def test_an_unknown_split_is_refused(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/shop/small"
    folder.mkdir(parents=True)
    write_jsonl(folder)
    with pytest.raises(ValueError, match="split must be one of train, validation, test, got 'dev'"):
        read(make_source(), "dev", tmp_path)
