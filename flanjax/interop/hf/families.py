"""Every family of transformers that can be read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from flanjax.interop.hf import gemma, gpt, llama, t5
from flanjax.interop.hf.family import Config, Family
from flanjax.interop.hf.keys import Keys
from flanjax.models.configs import RotaryConfig

FAMILIES: Mapping[str, Family] = {
    family.model_type: family
    for family in (
        t5.T5,
        t5.MT5,
        gemma.T5GEMMA,
        llama.LLAMA,
        llama.MISTRAL,
        llama.QWEN2,
        llama.QWEN3,
        gemma.GEMMA2,
        gemma.GEMMA3,
        llama.OLMO2,
        llama.PHI3,
        gpt.GPT_NEOX,
        gpt.GPT2,
    )
}
"""model_type -> family, the plainest of those that suit a config first."""


def family_of(raw: Mapping[str, Any], where: str) -> Family:
    """Returns the family of a config.json.

    Raises:
      ValueError: It is none of these, or quantized.
    """
    model_type = str(raw.get("model_type"))
    if model_type not in FAMILIES:
        raise ValueError(
            f"{where}: model_type must be one of {', '.join(FAMILIES)}, got {model_type!r:.40}; "
            "use a model of one of these families."
        )
    if raw.get("quantization_config") is not None:
        raise ValueError(
            f"{where}: quantization_config must be absent, got a quantized checkpoint; "
            "use the one that it was made from."
        )
    return FAMILIES[model_type]


def read_config(
    raw: Mapping[str, Any], where: str, *, names: Collection[str] = ()
) -> tuple[Family, Config]:
    """Returns the family and config of a config.json.

    Args:
      raw: Its content.
      where: The file, as messages name it.
      names: Those of the checkpoint's arrays.

    Raises:
      ValueError: The family is unknown, or a key is.
    """
    family, keys = family_of(raw, where), Keys(raw, where)
    try:
        config = family.read(keys, names)
    except ValueError as error:
        raise ValueError(str(error) if where in str(error) else f"{where}: {error}") from None
    except (ArithmeticError, TypeError) as error:
        raise ValueError(
            f"{where} must have values that a model can have, got {error}; copy the file again."
        ) from error
    keys.finish()
    return family, config


def write_config(family: Family, config: Config) -> dict[str, Any]:
    """Returns the config.json of a config; reading it gives the same network.

    Raises:
      ValueError: The family cannot express the config; what differs is named.
    """
    if not isinstance(config, family.kind):
        raise ValueError(
            f"{family.model_type} must be the family of a {family.kind.__name__}, got "
            f"{type(config).__name__}; export it as another family."
        )
    raw = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        **family.write(config),
    }
    names = () if config.embedding.is_tied else ("lm_head.weight",)
    _, again = read_config(raw, f"config.json of {family.model_type}", names=names)
    lost = [
        name
        for name in ("positions", "block", "embedding", "d_head", "num_kv_heads", "prefix_lm")
        if _field(again, name) != _field(config, name)
    ]
    if lost:
        raise ValueError(
            f"{family.model_type} must have all that the model has, got another "
            f"{', '.join(lost)} when read again; export it as another family."
        )
    return raw


def _field(config: Config, name: str) -> Any:
    if name == "num_kv_heads":
        return config.num_kv_heads or config.num_heads
    value = getattr(config, name, None)
    if isinstance(value, RotaryConfig):
        return dataclasses.replace(value, uses_long=False)  # transformers looks at the length
    return value
