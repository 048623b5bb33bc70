"""A tokenizer whose prompts begin with an id that can be read and written."""

from __future__ import annotations

from flanjax.data.tokenize import ByteTokenizer


class BeginningTokenizer(ByteTokenizer):
    """Bytes after "^": a prompt is as if its text began with that letter."""

    bos_id = ord("^") + 3
