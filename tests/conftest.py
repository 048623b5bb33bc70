"""What every test shares: the platform, the data, and no silent skips."""

from __future__ import annotations

import os
import pathlib
import runpy
from collections.abc import Generator

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")

_ROOT = pathlib.Path(__file__).parents[1]
_DATA_VARIABLE = "FLANJAX_TEST_DATA"
_LAYOUT = _ROOT / "benchmarks" / "original_files.py"
_EIGHT_DEVICES = "--xla_force_host_platform_device_count=8"

# Most of the time goes into compiling. What was compiled once, by whichever process, is read again;
# not programs of eight devices: with those read, XLA:CPU has aborted (jaxlib 0.10.2).
if _EIGHT_DEVICES not in os.environ.get("XLA_FLAGS", ""):
    for _name, _value in (
        ("JAX_COMPILATION_CACHE_DIR", str(_ROOT / ".pytest_cache" / "compiled")),
        ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0"),
        ("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1"),
    ):
        os.environ.setdefault(_name, _value)


@pytest.fixture(scope="session")
def test_data() -> pathlib.Path:
    """The folder of real records; the test skips only where the variable is unset."""
    if _DATA_VARIABLE not in os.environ:
        pytest.skip(f"{_DATA_VARIABLE} is unset")
    folder = pathlib.Path(os.environ[_DATA_VARIABLE])
    assert folder.is_dir(), f"{_DATA_VARIABLE} must name a folder, got {folder}"
    return folder


@pytest.fixture(scope="session")
def original_files(
    tmp_path_factory: pytest.TempPathFactory, test_data: pathlib.Path
) -> pathlib.Path:
    """A DATA_DIR in which each FLAN 2021 task finds the sample files it reads."""
    data_dir = tmp_path_factory.mktemp("original_files")
    runpy.run_path(str(_LAYOUT))["lay_out"](test_data, data_dir)
    return data_dir


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses to run tests of eight devices in a process that has fewer."""
    multi_device = any("multi_device" in item.path.parts for item in items)
    if multi_device and _EIGHT_DEVICES not in os.environ.get("XLA_FLAGS", ""):
        raise pytest.UsageError(
            "tests/multi_device must run in a process of eight devices; "
            f"set XLA_FLAGS={_EIGHT_DEVICES} and name no other tests."
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.CallInfo[None], None]:
    """Turns a skip into a failure where the test data is at hand."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail") and _DATA_VARIABLE in os.environ:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip while {_DATA_VARIABLE} is set"
