"""Local files: what is a row, what is a bad row, what is an error."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from flanjax.data.local_files import LocalFiles, parse_file
from flanjax.data.sources import Csv, Document, Jsonl, LabelledJsonl, Parquet, TextLines, Tsv
from flanjax.data.task import BadRecord, Record, UnavailableError

PUBLIC = "https://example.org/set"


def read(
    folder: pathlib.Path, source: LocalFiles, content: bytes, *, split: str = "train"
) -> list[Any]:
    """Writes `content` where `source` looks for `split`, and reads it."""
    path = folder / parse_file(source.files[split])[0]
    path.write_bytes(content)
    return list(source.records(split, data_dir=str(folder)))


def word(line: str) -> Record:
    return {"word": line}


def jsonl(**options: Any) -> Jsonl:
    return Jsonl(files={"train": "a.jsonl"}, public=PUBLIC, **options)


def tsv(**options: Any) -> Tsv:
    return Tsv(files={"train": "a.tsv"}, public=PUBLIC, **options)


def table_csv(**options: Any) -> Csv:
    return Csv(files={"train": "a.csv"}, public=PUBLIC, **options)


def lines(**options: Any) -> TextLines:
    return TextLines(files={"train": "a.txt"}, public=PUBLIC, parse=word, **options)


def test_each_format_reads_its_rows_in_order(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, jsonl(), b'{"a": 1}\n{"a": "x"}\n') == [{"a": 1}, {"a": "x"}]
    assert read(tmp_path, tsv(), b'a\tb\n1\t"2\n3\t4\n') == [
        {"a": "1", "b": '"2'},
        {"a": "3", "b": "4"},
    ]
    assert read(tmp_path, tsv(columns=("x", "y")), b"1\t2\n") == [{"x": "1", "y": "2"}]
    assert read(tmp_path, tsv(is_quoted=True), b'a\n"1\t""2"""\n') == [{"a": '1\t"2"'}]
    assert read(tmp_path, table_csv(), b'a,b\n"x, y",2\n') == [{"a": "x, y", "b": "2"}]
    assert read(tmp_path, lines(), b"one\ntwo") == [{"word": "one"}, {"word": "two"}]


def test_a_quoted_cell_keeps_its_line_breaks(tmp_path: pathlib.Path) -> None:
    rows = read(tmp_path, table_csv(), b'a,b\n"x\n\ny",2\nz,3\n')
    assert rows == [{"a": "x\n\ny", "b": "2"}, {"a": "z", "b": "3"}]


def test_parquet_rows_are_plain_python_and_places_count_rows(tmp_path: pathlib.Path) -> None:
    table = pyarrow.table({"text": ["a", "b", "c"], "label": [0, 1, 7], "tags": [["x"], [], None]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)

    def checked(row: Record) -> Record:
        if row["label"] > 1:
            raise ValueError("label must be 0 or 1.")
        return row

    source = Parquet(files={"train": "a.parquet"}, public=PUBLIC, to_record=checked)
    assert list(source.records("train", data_dir=str(tmp_path))) == [
        {"text": "a", "label": 0, "tags": ["x"]},
        {"text": "b", "label": 1, "tags": []},
        BadRecord(f"{tmp_path}/a.parquet:3", "label must be 0 or 1."),
    ]


def test_parquet_text_that_is_not_utf8_is_one_bad_row(tmp_path: pathlib.Path) -> None:
    raw = pyarrow.array([b"good", b"caf\xe9", b"fine"], pyarrow.binary())
    text = pyarrow.Array.from_buffers(pyarrow.string(), 3, raw.buffers())
    pyarrow.parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
    source = Parquet(files={"train": "a.parquet"}, public=PUBLIC)
    first, second, third = source.records("train", data_dir=str(tmp_path))
    assert (first, third) == ({"text": "good"}, {"text": "fine"})
    assert isinstance(second, BadRecord)
    assert second.place == f"{tmp_path}/a.parquet:2"
    assert "0xe9" in second.reason


def test_a_file_that_is_no_parquet_is_an_error_naming_it(tmp_path: pathlib.Path) -> None:
    source = Parquet(files={"train": "a.parquet"}, public=PUBLIC)
    with pytest.raises(ValueError, match=r"a\.parquet: file must be Parquet, got .*fetch it again"):
        read(tmp_path, source, b"not parquet at all")


@pytest.mark.parametrize("odd", ["\u2028", "\u0085", "\f", "\v", "\x1c", "a\rb"])
def test_only_newlines_end_a_line(tmp_path: pathlib.Path, odd: str) -> None:
    text = f"be{odd}fore"
    line = text.encode()
    assert read(tmp_path, lines(), line + b"\nnext\n") == [{"word": text}, {"word": "next"}]
    assert read(tmp_path, tsv(columns=("a", "b")), line + b"\t1\n") == [{"a": text, "b": "1"}]
    encoded = json.dumps({"a": text}, ensure_ascii=False).encode()
    assert read(tmp_path, jsonl(), encoded + b"\n") == [{"a": text}]
    assert read(tmp_path, table_csv(columns=("a",)), b'"' + line + b'"\n') == [{"a": text}]


def test_byte_order_mark_carriage_returns_and_blank_lines_are_no_text(
    tmp_path: pathlib.Path,
) -> None:
    bom = b"\xef\xbb\xbf"
    assert read(tmp_path, lines(), bom + b"one\r\n\r\n \ntwo\r\n") == [
        {"word": "one"},
        {"word": "two"},
    ]
    assert read(tmp_path, jsonl(), bom + b'{"a": 1}\r\n\n') == [{"a": 1}]
    assert read(tmp_path, tsv(), bom + b"a\tb\r\n1\t2\r\n") == [{"a": "1", "b": "2"}]
    assert read(tmp_path, table_csv(), bom + b"a,b\r\n\r\n1,2\r\n") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("source", "content", "line", "reason"),
    [
        (jsonl(), b'{"a": 1}\n{"a": \n', 2, "a line must be JSON, got '{\"a\": '"),
        (jsonl(), b"\n[1, 2]\n", 2, "a line must be a JSON object, got list"),
        (jsonl(), b"[" * 100_000 + b"\n", 1, "recursion"),
        (jsonl(), b'{"a": "\\ud800"}\n', 1, "half a surrogate pair"),
        (jsonl(), b'{"a": "\xe9"}\n', 1, "text must be utf-8, got byte 0xe9 at byte 8"),
        (tsv(), b"a\tb\n1\t2\n3\n", 3, "a row must have 2 columns, got 1"),
        (tsv(), b"a\tb\n\xff\t2\n", 2, "text must be utf-8, got byte 0xff at byte 1"),
        (table_csv(), b"a,b\n1,2\n1,2,3\n", 3, "a row must have 2 columns, got 3"),
        (table_csv(), b'a,b\n"x\ny",2\ncaf\xe9,2\n', 4, "text must be utf-8, got other bytes"),
        (lines(), b"fine\n\x80\n", 2, "text must be utf-8, got byte 0x80"),
    ],
)
def test_a_bad_row_names_its_line_and_spares_the_others(
    tmp_path: pathlib.Path, source: LocalFiles, content: bytes, line: int, reason: str
) -> None:
    rows = read(tmp_path, source, content)
    bad = [row for row in rows if isinstance(row, BadRecord)]
    assert len(bad) == 1
    assert bad[0].place == f"{tmp_path}/{parse_file(source.files['train'])[0]}:{line}"
    assert reason in bad[0].reason


@pytest.mark.parametrize("rest", [b'"y\nz\nz\n', b'"x"y\n', b'"a "bad" quote\nthen\n'])
def test_nothing_is_made_up_after_a_broken_quote(tmp_path: pathlib.Path, rest: bytes) -> None:
    expected = (
        r"a\.csv:3: quotes must be closed .*; mend the row, for what follows it cannot be read"
    )
    with pytest.raises(ValueError, match=expected):
        read(tmp_path, table_csv(), b"a\nx\n" + rest)


def test_a_cell_may_be_longer_than_an_article(tmp_path: pathlib.Path) -> None:
    text = "line\n" * 100_000
    assert read(tmp_path, table_csv(), f'a\n"{text}"\nx\n'.encode()) == [{"a": text}, {"a": "x"}]


def test_an_empty_row_of_a_table_counts_as_a_row(tmp_path: pathlib.Path) -> None:
    empty = {"a": "", "b": ""}
    assert read(tmp_path, table_csv(), b"a,b\n,\n1,2\n") == [empty, {"a": "1", "b": "2"}]
    assert read(tmp_path, tsv(), b"a\tb\n\t\n1\t2\n") == [empty, {"a": "1", "b": "2"}]


@pytest.mark.parametrize("file", ["a.jsonl[10]", "a.jsonl[:10%]", "a.jsonl[::2]"])
def test_a_cut_of_another_form_is_refused(file: str) -> None:
    with pytest.raises(ValueError, match=r"rows must be cut as \[start:stop\], whole numbers, got"):
        Jsonl(files={"train": file}, public=PUBLIC)


def test_test_rows_are_not_validated_on_either(tmp_path: pathlib.Path) -> None:
    source = Jsonl(files={"validation": "a.jsonl[:3]", "test": "a.jsonl[-3:]"}, public=PUBLIC)
    rows = b"".join(b'{"n": %d}\n' % n for n in range(4))
    assert read(tmp_path, source, rows, split="validation") == [{"n": 0}]
    assert list(source.records("test", data_dir=str(tmp_path))) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_another_encoding_is_read_where_it_is_declared(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path, lines(encoding="latin-1"), b"caf\xe9\n") == [{"word": "café"}]


@pytest.mark.parametrize("encoding", ["utf-16", "no-such-encoding"])
def test_an_encoding_without_plain_line_breaks_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=f"single-byte line breaks, got '{encoding}'"):
        lines(encoding=encoding)


def test_to_record_makes_the_record_or_the_row_bad(tmp_path: pathlib.Path) -> None:
    source = jsonl(to_record=lambda row: {"text": row["a"]})
    assert read(tmp_path, source, b'{"a": "x", "idx": 3}\n{"b": 1}\n') == [
        {"text": "x"},
        BadRecord(f"{tmp_path}/a.jsonl:2", "a row must have the column 'a'."),
    ]


def test_a_parser_that_refuses_a_line_makes_it_bad(tmp_path: pathlib.Path) -> None:
    source = TextLines(
        files={"train": "a.txt"}, public=PUBLIC, parse=lambda line: {"number": int(line)}
    )
    first, second = read(tmp_path, source, b"7\nseven\n")
    assert first == {"number": 7}
    assert second.place == f"{tmp_path}/a.txt:2"
    assert "'seven'" in second.reason


def test_splits_share_a_file_and_training_gets_what_the_others_leave(
    tmp_path: pathlib.Path,
) -> None:
    source = Tsv(
        files={"train": "a.tsv[:-2]", "validation": "a.tsv[-2:]", "test": "a.tsv[1:3]"},
        public=PUBLIC,
    )
    content = b"a\n0\n\n1\n2\n3\n4\n"
    got = {s: [r["a"] for r in read(tmp_path, source, content, split=s)] for s in source.splits()}
    assert got == {"train": ["0"], "validation": ["3", "4"], "test": ["1", "2"]}


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (b"", "the first row must name the columns, got an empty file"),
        (b"\xff\n1\n", "the first row must name the columns, got text must be utf-8"),
        (b"a\ta\n1\t2\n", "column names must differ, got a, a"),
    ],
)
def test_a_table_without_usable_header_is_an_error(
    tmp_path: pathlib.Path, header: bytes, what: str
) -> None:
    with pytest.raises(ValueError, match=rf"a\.tsv:1: {what}"):
        read(tmp_path, tsv(), header)


@pytest.mark.parametrize("file", ["/etc/passwd", "../a", "a/../../b", "", "[:3]"])
def test_a_path_outside_data_dir_is_refused(file: str) -> None:
    with pytest.raises(ValueError, match="must be a relative path without"):
        Jsonl(files={"train": file}, public=PUBLIC)


def test_splits_must_be_known_and_there_must_be_one() -> None:
    with pytest.raises(ValueError, match="got 'valid'; did you mean validation"):
        Jsonl(files={"valid": "a"}, public=PUBLIC)
    with pytest.raises(ValueError, match="files must name a split, got none"):
        Jsonl(files={}, public=PUBLIC)
    with pytest.raises(ValueError, match="split must be one of train, got 'test'"):
        jsonl().records("test", data_dir=".")


def test_a_missing_file_or_data_dir_says_where_to_get_it(tmp_path: pathlib.Path) -> None:
    remedy = r"get it from https://example\.org/set and put it at DATA_DIR/a\.jsonl"
    with pytest.raises(ValueError, match="data_dir must be given to read a.jsonl.*" + remedy):
        jsonl().records("train")
    with pytest.raises(ValueError, match=rf"got no {tmp_path}/a\.jsonl; {remedy}"):
        jsonl().records("train", data_dir=str(tmp_path))


def test_documents_and_labels_beside_a_file_are_read(tmp_path: pathlib.Path) -> None:
    document = Document(files={"train": "a.json[1:]"}, public=PUBLIC, read=json.loads)
    assert read(tmp_path, document, b'\xef\xbb\xbf[{"n": 1}, {"n": 2}, {"n": 3}]') == [
        {"n": 2},
        {"n": 3},
    ]
    labelled = LabelledJsonl(files={"train": "b.jsonl"}, public=PUBLIC)
    (tmp_path / "b-labels.lst").write_text("0\n1\n")
    assert read(tmp_path, labelled, b'{"n": 1}\n{"n": 2}\n') == [
        {"n": 1, "label": "0"},
        {"n": 2, "label": "1"},
    ]


def test_a_document_that_cannot_be_read_is_an_error_that_names_it(tmp_path: pathlib.Path) -> None:
    document = Document(files={"train": "a.json"}, public=PUBLIC, read=json.loads)
    with pytest.raises(ValueError, match=r"a\.json: file must be as its publisher writes it, got"):
        read(tmp_path, document, b'[{"n": 1}')


def test_labels_must_lie_beside_their_file_line_for_line(tmp_path: pathlib.Path) -> None:
    labelled = LabelledJsonl(files={"train": "b.jsonl"}, public=PUBLIC)
    with pytest.raises(UnavailableError, match=r"got no .*b-labels\.lst; get them from"):
        read(tmp_path, labelled, b'{"n": 1}\n')
    (tmp_path / "b-labels.lst").write_text("0\n")
    with pytest.raises(ValueError, match="must have a line for each of"):
        read(tmp_path, labelled, b'{"n": 1}\n{"n": 2}\n')


def test_what_validation_takes_of_a_short_file_is_not_trained_on(tmp_path: pathlib.Path) -> None:
    source = Jsonl(files={"train": "a.jsonl[:100]", "validation": "a.jsonl[-2:]"}, public=PUBLIC)
    rows = b"".join(b'{"n": %d}\n' % n for n in range(5))
    assert read(tmp_path, source, rows) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert list(source.records("validation", data_dir=str(tmp_path))) == [{"n": 3}, {"n": 4}]
