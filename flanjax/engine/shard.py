"""One pass of one task as files: tokens end to end, an index, checksums.

```
 pass-00.tokens   a a a $ A A $ b b $ B $ ...      prompts and targets in turn, $ the end id
 pass-00.index    one EXAMPLE each: where it starts, its two lengths, its record and template
 pass-00.json     counts, and a checksum of every block of examples; written last
```
"""

from __future__ import annotations

import json
import os
import pathlib
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

FORMAT = 1

EXAMPLE = np.dtype(
    [
        ("start", "<u8"),  # first token, counted from the file's beginning
        ("inputs", "<u4"),  # tokens of the prompt, its end id included
        ("targets", "<u4"),  # tokens of the target, its end id included
        ("row", "<u4"),  # row of the source's split, from 1
        ("template", "<u2"),
        ("flags", "<u2"),  # INPUTS_CUT, TARGETS_CUT
    ]
)
INPUTS_CUT, TARGETS_CUT = 1, 2

_READ_BYTES = 1 << 24


class Part(NamedTuple):
    """Some examples of a pass, tokenized.

    Attributes:
      tokens: uint16 or uint32.
      examples: EXAMPLE [n]; starts are counted from the part's own beginning.
      counts: Reason -> how many examples were dropped or cut for it.
    """

    tokens: np.ndarray
    examples: np.ndarray
    counts: Mapping[str, int]


class Shard(NamedTuple):
    """One pass of a task, ready to be read.

    Attributes:
      examples: EXAMPLE [n].
      tokens: The tokens, or the file that holds them.
      dtype: Their type.
      counts: As in Part, summed.
      fingerprint: A hash of every example.
    """

    examples: np.ndarray
    tokens: np.ndarray | pathlib.Path
    dtype: np.dtype
    counts: Mapping[str, int]
    fingerprint: str


def token_dtype(vocab_size: int) -> np.dtype:
    """Returns the smallest unsigned type that holds every id."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def in_memory(part: Part) -> Shard:
    """Returns a part as a whole shard, without any file."""
    crc = zlib.crc32(part.tokens.tobytes(), zlib.crc32(part.examples.tobytes()))
    return Shard(part.examples, part.tokens, part.tokens.dtype, part.counts, f"{crc:08x}")


def write_part(folder: pathlib.Path, name: str, part: Part) -> None:
    """Writes a part; its JSON file comes last and makes it whole."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"tokens": part.tokens.tobytes(), "index": part.examples.tobytes()}
    for suffix, data in content.items():
        _write(folder / f"{name}.{suffix}", [data])
    sums = {suffix: zlib.crc32(data) for suffix, data in content.items()}
    write_json(folder / f"{name}.json", {"counts": dict(part.counts), "sums": sums})


def read_part(folder: pathlib.Path, name: str, dtype: np.dtype) -> Part | None:
    """Returns a part, None where it is not whole."""
    try:
        about = read_json(folder / f"{name}.json")
        content = {s: (folder / f"{name}.{s}").read_bytes() for s in ("tokens", "index")}
    except (OSError, ValueError):
        return None
    if any(zlib.crc32(data) != about["sums"][suffix] for suffix, data in content.items()):
        return None
    tokens = np.frombuffer(content["tokens"], dtype)
    return Part(tokens, np.frombuffer(content["index"], EXAMPLE), about["counts"])


def whole_part(folder: pathlib.Path, name: str, dtype: np.dtype) -> Part:
    """Returns a part that must be whole.

    Raises:
      ValueError: It is not: its file was changed after it was written.
    """
    part = read_part(folder, name, dtype)
    if part is None:
        raise ValueError(_damage(folder / name, "be whole", "a damaged part", "all of it"))
    return part


def write_shard(folder: pathlib.Path, name: str, parts: Iterable[Part], dtype: np.dtype) -> None:
    """Writes parts as one shard, each a block with a checksum of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    asides = [_aside(folder / f"{name}.{suffix}") for suffix in ("tokens", "index")]
    try:
        with asides[0].open("wb") as tokens_file, asides[1].open("wb") as index_file:
            blocks, counts = _write_parts(parts, dtype, tokens_file, index_file)
        for aside, suffix in zip(asides, ("tokens", "index"), strict=True):
            os.replace(aside, folder / f"{name}.{suffix}")
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)
    about = {"format": FORMAT, "dtype": dtype.str, "counts": counts, "blocks": blocks}
    write_json(folder / f"{name}.json", about)


def _write_parts(
    parts: Iterable[Part], dtype: np.dtype, tokens_file: IO[bytes], index_file: IO[bytes]
) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Writes parts one after another; returns their blocks, and their counts summed."""
    blocks: list[dict[str, int]] = []
    counts: dict[str, int] = {}
    num_tokens = 0
    for part in parts:
        index = part.examples.copy()
        index["start"] += num_tokens
        data = (part.tokens.astype(dtype, copy=False).tobytes(), index.tobytes())
        tokens_file.write(data[0])
        index_file.write(data[1])
        blocks.append(_block(index, part.tokens.size, data))
        num_tokens += part.tokens.size
        for reason, count in part.counts.items():
            counts[reason] = counts.get(reason, 0) + count
    return blocks, counts


def _block(index: np.ndarray, num_tokens: int, data: tuple[bytes, bytes]) -> dict[str, int]:
    return {
        "examples": len(index),
        "tokens": num_tokens,
        "first_row": int(index["row"].min()) if len(index) else 0,
        "last_row": int(index["row"].max()) if len(index) else 0,
        "tokens_sum": zlib.crc32(data[0]),
        "index_sum": zlib.crc32(data[1]),
    }


def open_shard(folder: pathlib.Path, name: str) -> Shard | None:
    """Opens a shard after checking every byte of it.

    Returns:
      The shard, its files mapped; None where it has not been built.

    Raises:
      ValueError: The shard is damaged; the message names the file and the
        examples and source rows of its first damaged block.
    """
    about_file = folder / f"{name}.json"
    if not about_file.is_file():
        return None
    about = read_json(about_file)
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{about_file} must be of format {FORMAT}, got {about.get('format')}; remove {folder}, "
            "it is built again."
        )
    dtype = np.dtype(about["dtype"])
    tokens_file, index_file = folder / f"{name}.tokens", folder / f"{name}.index"
    _check_file(tokens_file, about["blocks"], "tokens", dtype.itemsize)
    _check_file(index_file, about["blocks"], "index", EXAMPLE.itemsize)
    num_examples = sum(block["examples"] for block in about["blocks"])
    index = (
        np.memmap(index_file, EXAMPLE, "r").view(np.ndarray)
        if num_examples
        else np.zeros(0, EXAMPLE)
    )
    return Shard(index, tokens_file, dtype, about["counts"], f"{about['sum']:08x}")


def file_sizes(about: Mapping[str, Any]) -> dict[str, int]:
    """Returns suffix -> bytes of the files that a shard's manifest stands for."""
    blocks = about["blocks"]
    return {
        "tokens": sum(block["tokens"] for block in blocks) * np.dtype(about["dtype"]).itemsize,
        "index": sum(block["examples"] for block in blocks) * EXAMPLE.itemsize,
    }


def _check_file(
    path: pathlib.Path, blocks: Sequence[Mapping[str, int]], kind: str, itemsize: int
) -> None:
    """Checks a file's size and the checksum of each block."""
    unit = "tokens" if kind == "tokens" else "examples"
    example = 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ValueError(_damage(path, "be there", "no file", "all of it")) from None
    with file:
        for block in blocks:
            size = block[unit] * itemsize
            crc, left = 0, size
            while left and (data := file.read(min(left, _READ_BYTES))):
                crc, left = zlib.crc32(data, crc), left - len(data)
            where = (
                f"examples {example} to {example + block['examples'] - 1}, source rows "
                f"{block['first_row']} to {block['last_row']}"
            )
            if left:
                got = f"a file of {path.stat().st_size:,} bytes"
                raise ValueError(_damage(path, "be whole", got, where))
            if crc != block[f"{kind}_sum"]:
                raise ValueError(_damage(path, "have its checksum", f"{crc:08x}", where))
            example += block["examples"]
        if file.read(1):
            raise ValueError(_damage(path, "end there", "more bytes", "what follows its examples"))


def _damage(path: pathlib.Path, rule: str, got: str, where: str) -> str:
    return (
        f"{path} must {rule}, got {got}; damaged: {where}; remove {path.parent}, it is built again."
    )


def write_json(path: pathlib.Path, value: Mapping[str, Any]) -> None:
    """Writes JSON values with their checksum, aside and then renamed."""
    checked = {**value, "sum": _json_sum(value)}
    _write(path, [json.dumps(checked, indent=1, ensure_ascii=False).encode() + b"\n"])


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Returns the values of a file of `write_json`, "sum" included.

    Raises:
      ValueError: The file is damaged.
    """
    return parsed_json(path, path.read_bytes())


def parsed_json(path: pathlib.Path, content: bytes) -> dict[str, Any]:
    """Returns the values that a file of `write_json` holds.

    Raises:
      ValueError: The content is damaged; `path` is named.
    """
    try:
        value = json.loads(content)
        given = value["sum"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(_damage(path, "be JSON with a sum", "something else", "all")) from None
    if _json_sum({k: v for k, v in value.items() if k != "sum"}) != given:
        raise ValueError(_damage(path, "have its checksum", f"{given}", "all"))
    return dict(value)


def _json_sum(value: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def _aside(path: pathlib.Path) -> pathlib.Path:
    """Returns a path beside a file that no other process writes to."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file aside and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, [content])


def _write(path: pathlib.Path, content: Iterable[bytes]) -> None:
    aside = _aside(path)
    try:
        with aside.open("wb") as file:
            file.writelines(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
