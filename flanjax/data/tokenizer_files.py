"""The files that a tokenizer is saved as."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping

CONFIG_FILE = "flanjax_tokenizer.json"
"""Says which kind of tokenizer lies beside it."""


def own_config(kind: str, extra_ids: int, *, has_bos: bool = False) -> bytes:
    """Returns what CONFIG_FILE holds: `TokenizerConfig` without its path."""
    about = {"kind": kind, "extra_ids": extra_ids} | ({"has_bos": True} if has_bos else {})
    return json.dumps(about).encode() + b"\n"


def save_files(directory: str | os.PathLike[str], contents: Mapping[str, bytes]) -> None:
    """Writes files into a directory, each aside and then renamed.

    Args:
      directory: Made if it is not there.
      contents: File name -> its bytes.
    """
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        aside = folder / f"{name}.partial"
        aside.write_bytes(content)
        os.replace(aside, folder / name)
