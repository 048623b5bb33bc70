"""Files of the FLAN 2021 datasets where their tasks look for them."""

from __future__ import annotations

import pathlib
import runpy

import pytest

LAYOUT = pathlib.Path(__file__).parents[2] / "benchmarks" / "original_files.py"


@pytest.fixture(scope="session")
def original_files(
    tmp_path_factory: pytest.TempPathFactory, test_data: pathlib.Path
) -> pathlib.Path:
    """A DATA_DIR of the sample files."""
    data_dir = tmp_path_factory.mktemp("original_files")
    runpy.run_path(str(LAYOUT))["lay_out"](test_data, data_dir)
    return data_dir
