"""Files of tokens: what is written comes back, what is damaged never does."""

import json

import numpy as np
import pytest

from flanjax.engine import shard
from tests.unit.token_stores import make_part

DTYPE = np.dtype("<u2")
PARTS = [
    make_part([([5, 6], [7]), ([8], [9, 10])], first_row=3),
    make_part([([11], [12])], first_row=8)._replace(counts={"inputs_truncated": 1}),
]


@pytest.fixture
def folder(tmp_path):
    shard.write_shard(tmp_path, "pass-00", PARTS, DTYPE)
    return tmp_path


def spoil(path, at, value=0xFF):
    content = bytearray(path.read_bytes())
    content[at] ^= value
    path.write_bytes(content)


def test_a_shard_comes_back_as_it_was_written(folder):
    found = shard.open_shard(folder, "pass-00")
    assert found.examples["start"].tolist() == [0, 5, 10]
    assert found.examples["row"].tolist() == [3, 4, 8]
    tokens = np.fromfile(found.tokens, found.dtype)
    assert tokens.tolist() == [5, 6, 1, 7, 1, 8, 1, 9, 10, 1, 11, 1, 12, 1]
    assert found.counts == {"inputs_truncated": 1}


def test_a_shard_that_was_not_built_is_none(tmp_path):
    assert shard.open_shard(tmp_path, "pass-00") is None


@pytest.mark.parametrize("suffix", ["tokens", "index"])
def test_a_flipped_bit_is_found_and_its_records_are_named(folder, suffix):
    spoil(folder / f"pass-00.{suffix}", -1, value=1)
    expected = (
        rf"pass-00\.{suffix} must have its checksum, got \w+; damaged: examples 2 to 2, "
        r"source rows 8 to 8; remove .*, it is built again"
    )
    with pytest.raises(ValueError, match=expected):
        shard.open_shard(folder, "pass-00")


@pytest.mark.parametrize("suffix", ["tokens", "index"])
def test_a_file_cut_short_is_found_from_its_first_record_on(folder, suffix):
    path = folder / f"pass-00.{suffix}"
    path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(ValueError, match=r"must be whole, got a file of 7 bytes; .* rows 3 to 4"):
        shard.open_shard(folder, "pass-00")


def test_a_file_that_is_longer_or_gone_is_found(folder):
    path = folder / "pass-00.tokens"
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="must end there, got more bytes"):
        shard.open_shard(folder, "pass-00")
    path.unlink()
    with pytest.raises(ValueError, match="must be there, got no file"):
        shard.open_shard(folder, "pass-00")


def test_a_changed_manifest_is_found(folder):
    path = folder / "pass-00.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "counts": {"inputs_truncated": 0}}))
    with pytest.raises(ValueError, match=r"pass-00\.json must have its checksum"):
        shard.open_shard(folder, "pass-00")
    path.write_text("{")
    with pytest.raises(ValueError, match=r"pass-00\.json must be JSON with a sum"):
        shard.open_shard(folder, "pass-00")


def test_another_format_is_refused(folder):
    path = folder / "pass-00.json"
    value = {k: v for k, v in shard.read_json(path).items() if k != "sum"}
    shard.write_json(path, {**value, "format": 99})
    with pytest.raises(ValueError, match="must be of format 1, got 99"):
        shard.open_shard(folder, "pass-00")


def test_a_part_is_whole_or_none(tmp_path):
    shard.write_part(tmp_path, "00000", PARTS[0])
    found = shard.read_part(tmp_path, "00000", DTYPE)
    assert found.tokens.tolist() == PARTS[0].tokens.tolist()
    spoil(tmp_path / "00000.tokens", 0)
    assert shard.read_part(tmp_path, "00000", DTYPE) is None
    with pytest.raises(ValueError, match="00000 must be whole, got a damaged part"):
        shard.whole_part(tmp_path, "00000", DTYPE)
    (tmp_path / "00000.json").unlink()
    assert shard.read_part(tmp_path, "00000", DTYPE) is None


def test_shards_of_other_tokens_have_another_fingerprint(tmp_path):
    found = set()
    for number, parts in enumerate([PARTS, PARTS[:1], PARTS]):
        shard.write_shard(tmp_path, f"pass-{number:02d}", parts, DTYPE)
        found.add(shard.open_shard(tmp_path, f"pass-{number:02d}").fingerprint)
    assert len(found) == 2


def test_nothing_is_left_of_a_shard_that_could_not_be_written(tmp_path):
    def parts():
        yield PARTS[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        shard.write_shard(tmp_path, "pass-00", parts(), DTYPE)
    assert list(tmp_path.iterdir()) == []


def test_two_bytes_hold_a_vocabulary_of_65536_ids():
    assert shard.token_dtype(1 << 16).itemsize == 2
    assert shard.token_dtype((1 << 16) + 1).itemsize == 4
