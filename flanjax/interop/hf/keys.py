"""A config.json as an importer reads it: every key is known or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GENERAL = """
_name_or_path architectures model_type torch_dtype dtype transformers_version use_cache
attn_implementation _attn_implementation gradient_checkpointing return_dict use_return_dict
output_attentions output_hidden_states output_past tokenizer_class finetuning_task pruned_heads
is_encoder_decoder is_decoder problem_type id2label label2id chunk_size_feed_forward auto_map
cache_implementation
"""
_START = """
initializer_range initializer_factor attention_dropout hidden_dropout resid_pdrop embd_pdrop
attn_pdrop classifier_dropout classifier_dropout_rate
"""
_TEXT = """
bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id max_position_embeddings
n_positions n_ctx task_specific_params prefix suffix max_length early_stopping num_beams
no_repeat_ngram_size length_penalty summary_type summary_use_proj summary_activation
summary_proj_to_labels summary_first_dropout
"""
IGNORED = frozenset(f"{_GENERAL} {_START} {_TEXT}".split())
"""Keys that say nothing of what the network computes without dropout."""

_MISSING = object()


class Keys:
    """Reads a config.json; what nobody asked for is refused at the end.

    Args:
      raw: The file's content, or a part of it.
      where: The file, as messages name it.
    """

    def __init__(self, raw: Mapping[str, Any], where: str):
        self._raw, self._where = raw, where
        self._left = set(raw) - IGNORED

    def take(self, name: str, kind: type, default: Any = _MISSING, *, null: Any = _MISSING) -> Any:
        """Returns a key's value; an int may stand for a float.

        Args:
          name: The key.
          kind: Of its value.
          default: What it means that the key is absent.
          null: What null means, if not the same.

        Raises:
          ValueError: It is not there and has no default, or is of another kind.
        """
        self._left.discard(name)
        value = self._raw.get(name)
        if value is None:
            if name in self._raw and null is not _MISSING:
                return null
            if default is _MISSING:
                raise ValueError(f"{self._where} must have {name}, got none; copy the file again.")
            return default
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ValueError(
                f"{self._where}: {name} must be {kind.__name__}, got {value!r:.60}; "
                "copy the file again."
            )
        return value

    def expect(self, name: str, *allowed: Any) -> None:
        """Checks that a key is absent or has a value that changes nothing.

        Raises:
          ValueError: It has another.
        """
        self._left.discard(name)
        if name in self._raw and self._raw[name] not in allowed:
            raise ValueError(
                f"{self._where}: {name} must be {' or '.join(map(repr, allowed))}, got "
                f"{self._raw[name]!r:.60}; this model needs what flanjax does not have."
            )

    def part(self, name: str) -> Keys | None:
        """Returns the keys of a key that holds some itself; None where it is absent."""
        value = self.take(name, dict, None)
        return None if value is None else Keys(value, f"{self._where}, {name}")

    def finish(self) -> None:
        """Checks that every key was read.

        Raises:
          ValueError: Some were not; they are named.
        """
        if self._left:
            named = ", ".join(f"{name} = {self._raw[name]!r:.40}" for name in sorted(self._left))
            raise ValueError(
                f"{self._where} must have keys that are known, got {named}; remove those that do "
                "not matter to the network."
            )
