"""A config as a gin file, for models that come with no file of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from flanjax.data.tokenize import TokenizerConfig
from flanjax.gin_values import Reference, written


def model_file(config: Any, tokenizer: TokenizerConfig, *, comment: str) -> str:
    """Returns the gin file of a model: what a run includes in place of one of models/.

    Args:
      config: The model's.
      tokenizer: Its tokenizer's.
      comment: What the first line says.
    """
    name = type(config).__name__
    lines = [f"# {comment}", "", f"MODEL = {Reference(name)}", ""]
    lines += _bindings(tokenizer)
    lines += ["", *_bindings(config)]
    return "\n".join(lines) + "\n"


def _bindings(config: Any) -> Iterator[str]:
    """Yields a binding for each field, those of nested configs after it."""
    owner = type(config).__name__
    nested = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            nested.append(value)
            value = Reference(type(value).__name__)
        yield f"{owner}.{field.name} = {written(value)}"
    for value in nested:
        yield from _bindings(value)
