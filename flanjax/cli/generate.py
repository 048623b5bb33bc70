"""`flanjax generate`: answers prompts from a checkpoint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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
    help="What to answer; may be repeated. Without it, each line of standard input is a prompt.",
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
@click.option("--seed", default=0, show_default=True, help="Seeds the draws.")
@weights_option
@json_option
@examples(
    'flanjax generate --checkpoint=/tmp/run --prompt="Is 7 odd? yes or no?"',
    "flanjax generate --checkpoint=/tmp/run --json < prompts.txt",
)
def generate(
    checkpoint: str,
    prompts: tuple[str, ...],
    max_length: int,
    temperature: float,
    seed: int,
    weights: Weights,
    as_json: bool,
) -> None:
    """Answer prompts with a trained model."""
    asked = prompts or tuple(line for line in _input_lines() if line.strip())
    if not asked:
        raise click.UsageError("No prompt given: use --prompt, or write prompts to standard input.")
    from flanjax import run

    answers = run.generate(
        checkpoint,
        asked,
        max_length=max_length,
        temperature=temperature,
        seed=seed,
        weights=weights,
    )
    if as_json:
        print_json([{"prompt": p, "answer": a} for p, a in zip(asked, answers, strict=True)])
        return
    for answer in answers:
        click.echo(answer)


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
