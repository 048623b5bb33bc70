"""What every benchmark's result tells, and how it is written."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import re
import subprocess

import pytest

from benchmarks import record


def test_a_file_is_whole_or_as_it_was(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "results" / "pods.json"
    record.write_json(path, [{"name": "one"}])
    with pytest.raises(TypeError, match="not JSON serializable"):
        record.write_json(path, [object()])
    assert json.loads(path.read_text("utf-8")) == [{"name": "one"}]
    assert [file.name for file in path.parent.iterdir()] == ["pods.json"]


def test_a_result_names_machine_versions_and_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = record.describe_machine()
    assert machine["processor"] and machine["cores"] >= 1 and machine["load_average_1min"] >= 0
    assert set(machine["vectors"]) <= set(record.VECTORS)
    build = record.describe_build(("optax",))
    assert build["versions"].keys() == {"python", "optax"}
    assert build["versions"]["optax"] == importlib.metadata.version("optax")
    assert build["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", build["commit"])
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    malloc = record.describe_malloc()
    assert malloc["MALLOC_ARENA_MAX"] == "1" and "GLIBC_TUNABLES" not in malloc


def test_a_machine_tells_what_it_multiplies_with(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors of one name differ by it, and so do ratios in bfloat16."""
    told = tmp_path / "cpuinfo"
    told.write_text("model name\t: AMD EPYC\nflags\t\t: fma avx2 avx512f avx512_bf16 sse\n")
    monkeypatch.setattr(record, "CPUINFO", told)
    machine = record.describe_machine()
    assert machine["vectors"] == ["avx2", "avx512f", "avx512_bf16"]  # "bf16" is another one's
    assert machine["processor"] == "AMD EPYC"


def test_a_commit_is_dirty_where_more_than_results_was_changed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.describe_build(())["commit"] is None
    code, result = tmp_path / "pods.py", tmp_path / "benchmarks" / "results" / "pods.json"
    record.write_json(result, [])
    code.write_text("one\n")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("init",), ("add", "."), (*author, "commit", "--message=first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    clean = record.describe_build(())["commit"]
    assert re.fullmatch(r"[0-9a-f]{40}", clean)
    record.write_json(result, ["more"])
    assert record.describe_build(())["commit"] == clean
    code.write_text("two\n")
    assert record.describe_build(())["commit"] == f"{clean}-dirty"
