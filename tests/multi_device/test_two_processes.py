"""Two processes on loopback are one run over one mesh."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

# Each process owns two devices. The rows are 1..8, two for each of the four
# places along (data, fsdp); the sums below are over all of them.
_PROGRAM = """
import json, os, sys
import jax, numpy as np
from flanjax import distributed, parallel

distributed.initialize(
    distributed.resolve(
        coordinator_address=sys.argv[1], num_processes=2, process_id=None, environ=os.environ
    )
)
fsdp, tensor, slices = map(int, sys.argv[2:])
mesh = parallel.make_mesh(parallel.MeshConfig(data=2, fsdp=fsdp, tensor=tensor, slices=slices))
sharding = parallel.row_sharding(mesh)
rows = np.arange(1.0, 9.0, dtype=np.float32)
global_rows = jax.make_array_from_callback(rows.shape, sharding, lambda index: rows[index])
add = lambda x: jax.lax.psum(x.sum(), parallel.BATCH_AXES)
spec = sharding.spec
total = jax.jit(
    jax.shard_map(add, mesh=mesh, in_specs=spec, out_specs=jax.sharding.PartitionSpec())
)(global_rows)
squares = jax.jit(lambda x: x * x, out_shardings=parallel.replicated(mesh))(global_rows)
print(json.dumps({
    "process": jax.process_index(),
    "local_devices": jax.local_device_count(),
    "devices": jax.device_count(),
    "local_rows": sorted({float(v) for s in global_rows.addressable_shards for v in s.data}),
    "total": float(total),
    "owners": [[device.process_index for device in copy.flat] for copy in mesh.devices],
    "squares": np.asarray(squares).tolist(),
}))
"""


def _run_two_processes(*sizes: int) -> list[dict[str, object]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environ |= {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, address, *map(str, sizes)],
            env=environ | {"JAX_PROCESS_ID": str(process_id)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process_id in (0, 1)
    ]
    try:
        outputs = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


@pytest.mark.parametrize(
    ("fsdp", "tensor", "slices"),
    [(2, 1, 1), (1, 2, 1), (1, 2, 2)],
)
def test_two_processes_add_and_gather_over_one_mesh(fsdp: int, tensor: int, slices: int) -> None:
    results = _run_two_processes(fsdp, tensor, slices)
    local_rows = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
    assert results == [
        {
            "process": process,
            "local_devices": 2,
            "devices": 4,
            "local_rows": local_rows[process],
            "total": 36.0,
            "owners": [[0, 0], [1, 1]],
            "squares": [1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0],
        }
        for process in (0, 1)
    ]
