"""Flags and environment name the processes of a run, or an error says why not."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from flanjax import distributed
from flanjax.distributed import Processes, initialize, resolve

_TWO = {"JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}


def _resolve(
    address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    **environ: str,
) -> Processes | None:
    return resolve(
        coordinator_address=address,
        num_processes=num_processes,
        process_id=process_id,
        environ=environ,
    )


def test_a_run_without_flags_or_variables_is_one_process() -> None:
    assert _resolve() is None
    initialize(None)


def test_variables_name_the_processes() -> None:
    assert _resolve(**_TWO) == Processes(
        coordinator_address="10.0.0.1:1234", num_processes=2, process_id=1
    )


def test_a_flag_goes_before_its_variable_even_when_it_is_zero() -> None:
    assert _resolve("node7:99", 4, 0, **_TWO) == Processes(
        coordinator_address="node7:99", num_processes=4, process_id=0
    )


def test_auto_leaves_everything_to_the_machine() -> None:
    assert _resolve("auto", **_TWO) == Processes(coordinator_address="auto")


def test_the_coordinator_of_a_loopback_address_listens_on_loopback_only() -> None:
    for address, bind in (
        ("127.0.0.1:1234", "127.0.0.1:1234"),
        ("localhost:1234", "localhost:1234"),
        ("[::1]:1234", "[::1]:1234"),
        ("10.0.0.1:1234", None),
    ):
        processes = Processes(coordinator_address=address, num_processes=2, process_id=0)
        assert processes.bind_address == bind


@pytest.mark.parametrize(
    ("address", "num_processes", "process_id", "message"),
    [
        ("node7", 2, 0, "coordinator address must be HOST:PORT or auto, got 'node7'; name"),
        (":99", 2, 0, "coordinator address must be HOST:PORT or auto, got ':99'; name"),
        ("node7:x", 2, 0, "coordinator address must be HOST:PORT or auto, got 'node7:x'; name"),
        ("node7:99", 2, None, "num_processes and process_id, got 2 and None; give both"),
        ("node7:99", None, 1, "num_processes and process_id, got None and 1; give both"),
        ("node7:99", 2, 2, r"process_id must lie in \[0, num_processes\), got 2 of 2; count"),
        ("node7:99", 2, -1, r"process_id must lie in \[0, num_processes\), got -1 of 2; count"),
        ("auto", 2, None, "auto must stand alone, got num_processes 2 and process_id None; leave"),
        (None, 2, None, "must come with a coordinator address, got 2 and None alone; name"),
    ],
)
def test_a_contradiction_is_one_clear_line(
    address: str | None, num_processes: int | None, process_id: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _resolve(address, num_processes, process_id)


def test_a_variable_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="JAX_PROCESS_ID must be a whole number, got 'one'; corre"):
        _resolve("node7:99", 2, JAX_PROCESS_ID="one")


def test_processes_that_read_otherwise_are_told(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    for others, match in (
        (lambda own: [own, own, own], None),
        (lambda own: [own, own + 1, own], "another in process 1 than in process 0"),
        (lambda own: [own + 1, own, own], r"in process 1, 2 than .* \(this one lacks words\)"),
    ):
        gather = lambda own, others=others: np.stack(others(own))  # noqa: E731
        monkeypatch.setattr(distributed.multihost_utils, "process_allgather", gather)
        if match is None:
            distributed.check_same("training data", "abc")
            continue
        with pytest.raises(ValueError, match=match):
            distributed.check_same("training data", "abc", ["words"])
