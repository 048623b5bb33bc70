"""How quickly the FLAN 2021 catalogue loads, and what a check of it finds.

  python benchmarks/catalogue.py            # about half a minute

Writes benchmarks/results/catalogue.json: seconds are medians of whole
processes, with the least and the most.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from flanjax import model_dir

RESULT = pathlib.Path(__file__).parent / "results" / "catalogue.json"
NUM_RUNS = 11
_IMPORT = """
import sys
from flanjax.tasks.flan2021 import CATALOGUE
assert len(CATALOGUE.tasks()) == 70
assert "tensorflow" not in sys.modules and "jax" not in sys.modules
"""
COMMANDS = {
    "import of every task": [
        "-c",
        _IMPORT,
    ],
    "flanjax tasks list": ["-m", "flanjax.cli.main", "tasks", "list", "--catalog=flan2021"],
    "python alone": ["-c", "pass"],
}


def seconds(arguments: list[str]) -> dict[str, float]:
    """Returns the median, least and most seconds of a process."""
    taken = []
    for _ in range(NUM_RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return {
        "median": round(statistics.median(taken), 3),
        "min": round(min(taken), 3),
        "max": round(max(taken), 3),
    }


def main() -> None:
    """Measures, checks and writes."""
    check = subprocess.run(
        [sys.executable, "-m", "flanjax.cli.main", "tasks", "check", "--all", "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    checked = [
        {key: value for key, value in found.items() if key != "lengths"}
        for found in json.loads(check.stdout)
    ]
    result = {
        "command": "python benchmarks/catalogue.py",
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "runs": NUM_RUNS,
        "seconds": {name: seconds(arguments) for name, arguments in COMMANDS.items()},
        "check": checked,
    }
    model_dir.write_json(RESULT, result)
    print(json.dumps(result["seconds"], indent=2))


if __name__ == "__main__":
    main()
