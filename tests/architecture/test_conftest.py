"""tests/conftest.py keeps its word: no silent skip, eight devices where due."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import house_rules
import pytest

_READS_DATA = """
import os

def test_reads(test_data):
    assert test_data.is_dir()
    assert os.environ["JAX_PLATFORMS"]
"""
_SKIPS = """
import pytest

def test_skips():
    pytest.skip("not today")
"""
_WARNS = """
import warnings

def test_warns():
    warnings.warn("old", DeprecationWarning)
"""


def _pytest(folder: pathlib.Path, *, source: str, place: str, **environ: str) -> str:
    shutil.copy(house_rules.ROOT / "tests" / "conftest.py", folder)
    path = folder / place / "test_probe.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    config = house_rules.ROOT / "pyproject.toml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(config)]
    unset = {k: v for k, v in os.environ.items() if k not in ("FLANJAX_TEST_DATA", "XLA_FLAGS")}
    done = subprocess.run(
        [*command, f"--rootdir={folder}", str(path)],
        cwd=folder,
        env=unset | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_test_of_real_records_skips_only_without_them(tmp_path: pathlib.Path) -> None:
    skipped = _pytest(tmp_path, source=_READS_DATA, place="unit")
    assert "1 skipped" in skipped
    assert "FLANJAX_TEST_DATA is unset" in skipped
    passed = _pytest(tmp_path, source=_READS_DATA, place="unit", FLANJAX_TEST_DATA=str(tmp_path))
    assert "1 passed" in passed
    absent = str(tmp_path / "absent")
    failed = _pytest(tmp_path, source=_READS_DATA, place="unit", FLANJAX_TEST_DATA=absent)
    assert f"FLANJAX_TEST_DATA must name a folder, got {absent}" in failed


def test_a_skip_is_a_failure_where_the_data_is_at_hand(tmp_path: pathlib.Path) -> None:
    assert "1 skipped" in _pytest(tmp_path, source=_SKIPS, place="unit")
    failed = _pytest(tmp_path, source=_SKIPS, place="unit", FLANJAX_TEST_DATA=str(tmp_path))
    assert "1 failed" in failed
    assert "test_skips may not skip while FLANJAX_TEST_DATA is set" in failed


def test_a_warning_is_an_error(tmp_path: pathlib.Path) -> None:
    assert "DeprecationWarning: old" in _pytest(tmp_path, source=_WARNS, place="unit")


@pytest.mark.parametrize("flags", ["", "--xla_force_host_platform_device_count=2"])
def test_tests_of_eight_devices_refuse_other_processes(tmp_path: pathlib.Path, flags: str) -> None:
    source = "def test_passes():\n    pass\n"
    refused = _pytest(tmp_path, source=source, place="multi_device", XLA_FLAGS=flags)
    assert "tests/multi_device must run in a process of eight devices" in refused
    eight = "--xla_force_host_platform_device_count=8"
    assert "1 passed" in _pytest(tmp_path, source=source, place="multi_device", XLA_FLAGS=eight)
