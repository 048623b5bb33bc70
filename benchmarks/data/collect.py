"""Puts lines of JSON that benchmarks printed into one file, with the machine and the command.

python -m benchmarks.data.collect --command 'bash benchmarks/data/run.sh packing' OUTPUT LINES...
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib

from benchmarks import record
from benchmarks.data.sidebyside import machine


def main() -> None:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("lines", type=pathlib.Path, nargs="+")
    parser.add_argument("--command", required=True)
    arguments = parser.parse_args()
    texts = [file.read_text("utf-8") for file in arguments.lines]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": arguments.command,
        "machine": machine(),
        "lines": lines,
    }
    record.write_json(arguments.output, result)


if __name__ == "__main__":
    main()
