"""`flanjax generate`: answers prompts from a checkpoint."""

from __future__ import annotations

import functools
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.options import (
    examples,
    json_option,
    weights_option,
)
from flanjax.cli.output import print_json

if TYPE_CHECKING:
    from flanjax.train.restore import Weights


@click.command()
@click.option(
    "--checkpoint",
    required=True,
    metavar="DIR",
    help="A run's MODEL_DIR (its newest checkpoint is taken), one checkpoint in it, an imported "
    "one, or a directory of transformers.",
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help="What to answer; may be repeated. Without it, each line of standard input is a prompt, "
    "but for blank ones.",
)
@click.option(
    "--max_length",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Tokens written at most.",
)
@click.option(
    "--temperature",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="0 takes the likeliest token each time; 1 draws as the model believes.",
)
@click.option(
    "--top_k",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Draws are among so many tokens; 0 for all.",
)
@click.option(
    "--top_p",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.0, max=1.0, min_open=True),
    help="Draws are among the fewest tokens that hold this share of the probability, of those "
    "that --top_k leaves.",
)
@click.option("--seed", type=int, help="Seeds the draws.  [default: 0]")
@click.option(
    "--num_beams",
    type=click.IntRange(min=1),
    help="Searches for the answers of the highest score with so many beams.",
)
@click.option(
    "--length_penalty",
    type=click.FloatRange(min=0.0),
    help="The score of a search is log p / ((5 + length) / 6) ** this.  [default: 0.6]",
)
@click.option(
    "--num_answers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Answers of each prompt: draws, or the best that a search finds.",
)
@click.option(
    "--stop",
    "stop_texts",
    multiple=True,
    metavar="TEXT",
    help="Ends an answer, and is not part of it; may be repeated.",
)
@weights_option
@json_option
@examples(
    'flanjax generate --checkpoint=/tmp/run --prompt="Is 7 odd? yes or no?"',
    "flanjax generate --checkpoint=/tmp/run --json < prompts.txt",
    'flanjax generate --checkpoint=/tmp/run --temperature=0.7 --top_p=0.9 --prompt="Tell of rain."',
    'flanjax generate --checkpoint=/tmp/run --num_beams=4 --num_answers=2 --prompt="Tell of rain."',
)
def generate(
    checkpoint: str,
    prompts: tuple[str, ...],
    max_length: int,
    stop_texts: tuple[str, ...],
    seed: int | None,
    weights: Weights,
    as_json: bool,
    **how: Any,
) -> None:
    """Answer prompts with a trained model."""
    settings = _decode_settings(**how)
    if seed is not None and settings["method"] != "sample":
        raise click.UsageError(f"--seed must go with {_CHOOSES['sample']}, got {seed}; add it.")
    asked = prompts or tuple(line for line in _input_lines() if line.strip())
    if not asked:
        raise click.UsageError("No prompt given: use --prompt, or write prompts to standard input.")
    from flanjax import answering
    from flanjax.compilation_cache import keep_programs
    from flanjax.models.generation import DecodeConfig

    keep_programs(os.environ)
    answers = answering.generate(
        checkpoint,
        asked,
        max_length=max_length,
        decode_config=DecodeConfig(**settings),
        stop_texts=stop_texts,
        seed=seed or 0,
        say=functools.partial(click.echo, err=True),
        weights=weights,
    )
    if as_json:
        print_json(
            [
                {"prompt": prompt, "answer": answer.text, "score": answer.score}
                for prompt, found in zip(asked, answers, strict=True)
                for answer in found
            ]
        )
        return
    for answer in itertools.chain.from_iterable(answers):
        click.echo(answer.text)


def _decode_settings(
    *,
    temperature: float,
    top_k: int,
    top_p: float,
    num_beams: int | None,
    length_penalty: float | None,
    num_answers: int,
) -> dict[str, Any]:
    """Returns the fields of a DecodeConfig that the flags stand for.

    Raises:
      click.UsageError: A flag goes with another that is missing.
    """
    flags = (
        ("temperature", temperature or None, ("sample",)),
        ("top_k", top_k or None, ("sample",)),
        ("top_p", top_p if top_p < 1 else None, ("sample",)),
        ("num_beams", num_beams, ("beam",)),
        ("length_penalty", length_penalty, ("beam",)),
        ("num_answers", num_answers if num_answers > 1 else None, ("sample", "beam")),
    )
    given = {name: value for name, value, _ in flags if value is not None}
    if temperature and num_beams is not None:
        raise click.UsageError(
            f"--temperature must not go with --num_beams, got {temperature} and {num_beams}; "
            "choose draws or a search."
        )
    method = "sample" if temperature else "greedy" if num_beams is None else "beam"
    for name, value, methods in flags:
        if value is not None and method not in methods:
            wanted = " or ".join(_CHOOSES[method] for method in methods)
            raise click.UsageError(f"--{name} must go with {wanted}, got {value}; add it.")
    return {"method": method, **given}


_CHOOSES = {"sample": "--temperature above 0", "beam": "--num_beams"}


def _input_lines() -> list[str]:
    """Returns the lines of standard input, none where it is a terminal."""
    if sys.stdin.isatty():
        return []
    lines = sys.stdin.buffer.read().splitlines()
    texts = []
    for number, line in enumerate(lines, start=1):
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"standard input, line {number}: a prompt must be UTF-8, got byte "
                f"0x{line[error.start]:02x}; convert the text."
            ) from None
    return texts
