"""What a checkpoint answers to prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flanjax import model_dir, opened, start
from flanjax.evaluation.predict import Answer
from flanjax.models.configs import LearnedConfig
from flanjax.models.generation import DecodeConfig
from flanjax.parts import assemble_for_reading, make_predictor, param_shardings
from flanjax.train import restore


def generate(
    checkpoint: str,
    prompts: Sequence[str],
    *,
    max_length: int,
    decode_config: DecodeConfig,
    say: Callable[[str], None],
    stop_texts: Sequence[str] = (),
    seed: int = 0,
    weights: restore.Weights = "trained",
) -> list[list[Answer]]:
    """Returns what a checkpoint writes after each prompt, the best answer first.

    Args:
      checkpoint: MODEL_DIR, MODEL_DIR/checkpoints/STEP, or a directory of
        transformers.
      prompts: Texts.
      max_length: Tokens written at most.
      decode_config: How answers are written.
      say: Told in a line how many prompts were cut, if any.
      stop_texts: Texts that end an answer, and are not part of it.
      seed: Seeds draws.
      weights: Which of the checkpoint's.

    Raises:
      ValueError: It is none of them, has no tokenizer, or too few positions.
    """
    if model_dir.checkpoint_kind(checkpoint) == "T5X":
        raise ValueError(
            f"checkpoint must tell its model and tokenizer, got {checkpoint} of T5X, which keeps "
            "neither; turn it into a MODEL_DIR by `flanjax import t5x`."
        )
    source = opened.open_any(checkpoint)
    if not source.tokenizers:
        raise ValueError(
            f"checkpoint must have a tokenizer, got none in {checkpoint}; copy its files there."
        )
    experiment = model_dir.read_or_imagine(source.path, source.config)
    room = experiment.data.task_feature_lengths["inputs"]
    _check_places(source.config, room, max_length)
    opened.check_tokenizer(source.config, source.tokenizers[0])
    parts = assemble_for_reading(experiment, source.tokenizers[0])
    params = start.load_params(checkpoint, parts, param_shardings(parts), weights)
    predictor = make_predictor(
        experiment, parts, params, decode_config=decode_config, stop_texts=stop_texts, seed=seed
    )
    answers = predictor.answers(prompts, max_length=max_length)
    if predictor.num_truncated:
        lost = "beginning" if experiment.data.over_long == "truncate_left" else "end"
        say(
            f"{predictor.num_truncated:,} of {len(prompts):,} prompts were longer than {room:,} "
            f"tokens, and lost their {lost}"
        )
    return answers


def _check_places(model: Any, room: int, max_length: int) -> None:
    """Checks that learned positions reach the end of what is read and written."""
    positions = getattr(model, "positions", None)
    if isinstance(positions, LearnedConfig) and room + max_length > positions.max_length:
        raise ValueError(
            f"max_length must leave room for {room:,} tokens of a prompt among the model's "
            f"{positions.max_length:,} positions, got {max_length:,}; write "
            f"{positions.max_length - room:,} at most."
        )
