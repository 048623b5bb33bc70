"""Compiled programs on disk: where they go, and that the next process reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = """
import json, os, sys, warnings
import jax
from flanjax.compilation_cache import keep_programs
found = []
jax.monitoring.register_event_listener(lambda name, **_: found.append(name))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    jax.process_count = lambda: int(sys.argv[2])
    folder = keep_programs(os.environ, platform=sys.argv[1])
jax.jit(lambda x: x * 3 + 1)(2.0)
hits = found.count("/jax/compilation_cache/cache_hits")
print(json.dumps([folder, hits, [str(each.message) for each in told]]))
"""


def start(
    platform: str, *, num_processes: int = 1, **variables: str
) -> tuple[str | None, int, list[str]]:
    """Returns where a process keeps programs, how many it found, and its warnings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    small = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, platform, str(num_processes)],
        env={**kept, "PYTHONPATH": ROOT, **small, **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder, hits, told = json.loads(done.stdout)
    return folder, hits, told


def test_the_second_process_reads_what_the_first_has_compiled(tmp_path) -> None:
    expected = tmp_path / "flanjax" / "compiled"
    assert start("gpu", XDG_CACHE_HOME=str(tmp_path)) == (str(expected), 0, [])
    assert expected.stat().st_mode & 0o077 == 0
    folder, hits, _ = start("gpu", XDG_CACHE_HOME=str(tmp_path))
    assert folder == str(expected)
    assert hits >= 1


def test_without_a_cache_home_it_lies_in_the_users_own(tmp_path) -> None:
    expected = str(tmp_path / ".cache" / "flanjax" / "compiled")
    for void in ("", "relative"):
        assert start("tpu", HOME=str(tmp_path), XDG_CACHE_HOME=void)[0] == expected


def test_what_jax_is_told_goes_before(tmp_path) -> None:
    own, home = str(tmp_path / "own"), str(tmp_path / "home")
    told = {"JAX_COMPILATION_CACHE_DIR": own, "XDG_CACHE_HOME": home}
    assert start("gpu", **told)[0] == own
    assert start("cpu", **told)[0] == own
    assert start("gpu", JAX_ENABLE_COMPILATION_CACHE="0", XDG_CACHE_HOME=home)[0] is None
    assert start("cpu", XDG_CACHE_HOME=home)[0] is None
    assert start("gpu", num_processes=2, XDG_CACHE_HOME=home)[0] is None
    assert start("gpu", num_processes=2, **told)[0] == own
    assert not os.path.exists(home)


def test_a_home_without_room_is_told_and_the_run_goes_on(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    folder, _, (message,) = start("gpu", XDG_CACHE_HOME=str(file))
    assert folder is None
    assert "must be a directory that can be made" in message


@pytest.mark.parametrize("verb", ["train", "eval", "generate"])
def test_verbs_that_compile_keep_their_programs(verb: str, monkeypatch) -> None:
    """The seam: each verb asks before it runs anything."""
    from click.testing import CliRunner

    from flanjax.cli.main import main

    class AskedError(Exception):
        pass

    def ask(environ: object) -> None:
        raise AskedError

    monkeypatch.setattr("flanjax.compilation_cache.keep_programs", ask)
    gin = ["--gin_file=runs/mini_t5.gin", "--gin.MODEL_DIR='/nowhere'"]
    arguments = {"train": gin, "eval": gin, "generate": ["--checkpoint=/nowhere", "--prompt=a"]}
    assert isinstance(CliRunner().invoke(main, [verb, *arguments[verb]]).exception, AskedError)
