"""Writes the random weights that both sides of a comparison read.

Prints one JSON line: the seconds that it took.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Sequence

from benchmarks.peers import sizes, turns


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=sizes.CONFIGS, required=True)
    parser.add_argument("--tiny", action="store_true", help="a model of that kind, but tiny")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="must not exist")
    return parser.parse_args(arguments)


def main() -> None:
    """Writes one model, in bfloat16."""
    args = parse_arguments()
    started = time.monotonic()
    config = sizes.find(args.size, is_tiny=args.tiny)
    sizes.write_for_peers(config, args.folder, dtype="bfloat16")
    turns.say({"seconds": round(time.monotonic() - started, 1)})


if __name__ == "__main__":
    main()
