"""What runs of several processes are compared with: one process, four devices."""

from __future__ import annotations

import pytest

from tests.multi_device import process_runs


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def one_process(tmp_path_factory, cache):
    """Runs one process of four devices to LAST; returns its directory."""
    folder = tmp_path_factory.mktemp("one") / "run"
    process_runs.run(
        folder,
        cache,
        process_runs.ON_FOUR_DEVICES,
        steps=process_runs.LAST,
        num_processes=1,
        num_devices=4,
    )
    return folder
