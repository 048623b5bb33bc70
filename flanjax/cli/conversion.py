"""`flanjax import`, `export` and `convert`: checkpoints of other makes, and back."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING, Any

import click

from flanjax.cli.options import examples, gin_options, json_option, weights_option
from flanjax.cli.output import open_console, print_json

if TYPE_CHECKING:
    import numpy as np

    from flanjax.experiment import Experiment
    from flanjax.model_comparison import Comparison
    from flanjax.opened import Opened
    from flanjax.train.restore import Weights

_DTYPES = ("float32", "bfloat16", "float16")
_SHOWN = 5


def _source(command: Any) -> Any:
    return click.argument("source", metavar="SRC", type=click.Path(exists=True))(command)


def _target(command: Any) -> Any:
    return click.argument("target", metavar="DST", type=click.Path(path_type=pathlib.Path))(command)


def _dtype_option(command: Any) -> Any:
    return click.option(
        "--dtype", type=click.Choice(_DTYPES), help="Of the parameters.  [default: as stored]"
    )(command)


def _multiple_option(command: Any) -> Any:
    return click.option(
        "--pad_vocab_to",
        "multiple",
        default=1,
        show_default=True,
        type=click.IntRange(min=1),
        help="Fill the vocabulary up to a multiple of this; export takes the rows away again.",
    )(command)


@click.group("import")
def import_() -> None:
    """Turn a checkpoint of another make into a MODEL_DIR."""


@import_.command("hf")
@_source
@_target
@_dtype_option
@_multiple_option
@examples(
    "flanjax import hf flan-t5-base /tmp/flan-t5-base",
    "flanjax train --gin_file=base.gin --gin_file=/tmp/flan-t5-base/model.gin ...",
)
def import_hf(source: str, target: pathlib.Path, dtype: str | None, multiple: int) -> None:
    """Import SRC, a directory of transformers, as DST.

    DST gets the parameters, the tokenizer and model.gin, which a run includes.
    """
    from flanjax import opened

    _check_kind(source, "Hugging Face", other="`flanjax import t5x` reads T5X's")
    _import(opened.open_any(source), target, dtype=dtype, multiple=multiple)


@import_.command("t5x")
@_source
@_target
@gin_options
@_dtype_option
@_multiple_option
@click.option(
    "--optimizer_state",
    type=click.Choice(["keep", "reset"]),
    default="keep",
    show_default=True,
    help="Whether the slots of T5X's Adafactor come along, where there are any.",
)
@examples(
    "flanjax import t5x checkpoint_1000000 /tmp/t5 --gin_file=models/t5_1_1_base.gin "
    "--gin.TOKENIZER_PATH=\"'sentencepiece.model'\"",
)
def import_t5x(
    source: str,
    target: pathlib.Path,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    dtype: str | None,
    multiple: int,
    optimizer_state: str,
) -> None:
    """Import SRC, T5X's checkpoint_N, as DST.

    The gin file gives the model and the tokenizer, which T5X does not keep with
    its checkpoints, and the Adafactor that a run goes on with from T5X's slots.
    """
    from flanjax import opened
    from flanjax.data.tokenize import make_tokenizer

    _check_kind(source, "T5X", other="`flanjax import hf` reads a directory of transformers")
    experiment = _experiment(gin_files, bindings, gin_search_paths)
    _import(
        opened.open_any(source, config=experiment.model),
        target,
        dtype=dtype,
        multiple=multiple,
        tokenizer=make_tokenizer(experiment.tokenizer),
        optimizer=experiment.optimizer if optimizer_state == "keep" else None,
    )


def _check_kind(source: str, kind: str, *, other: str) -> None:
    """Refuses a checkpoint of another make than the verb imports."""
    from flanjax import model_dir

    found = model_dir.checkpoint_kind(source)
    if found != kind:
        raise ValueError(
            f"SRC must be a {kind} checkpoint, got a {found} one at {source}; {other}."
        )


def _experiment(
    gin_files: tuple[str, ...], bindings: tuple[str, ...], search_paths: tuple[str, ...]
) -> Experiment:
    """Returns a run of a model's gin file, whatever else it lacks."""
    from flanjax import gin_bridge

    if not gin_files:
        raise click.UsageError("No model named: give --gin_file=models/NAME.gin.")
    needed = ["MODEL_DIR='unused'", "TRAIN_STEPS=1"]
    files = ["base.gin", *gin_files]
    return gin_bridge.load(files, [*needed, *bindings], search_paths=search_paths).experiment


def _import(
    source: Opened, target: pathlib.Path, *, dtype: str | None, multiple: int, **arguments: Any
) -> None:
    from flanjax import conversion, gin_text, model_dir

    config = conversion.import_into(
        source, target, dtype=_dtype(dtype), multiple=multiple, **arguments
    )
    text = gin_text.model_file(
        config,
        conversion.tokenizer_config(target),
        comment=f"A {source.kind} checkpoint; start from it by INITIAL_CHECKPOINT_PATH.",
    )
    model_dir.write_text(target / "model.gin", text)
    is_kept = arguments.get("optimizer") is not None and source.open_moments() is not None
    kept = f", optimizer at step {source.step:,}" if is_kept else ""
    click.echo(f"wrote {target}: {_size(source)}, from a {source.kind} checkpoint{kept}")
    if source.left_out:
        click.echo(f"left out of the tokenizer, without a row: {', '.join(source.left_out)}")


def _size(source: Opened) -> str:
    count = sum(math.prod(array.shape) for array in source.arrays.values())
    return f"{count / 1e6:,.1f} M parameters in {len(source.arrays)} arrays"


def _dtype(name: str | None) -> np.dtype | None:
    import jax.numpy as jnp

    return None if name is None else jnp.dtype(name)


@click.group("export")
def export() -> None:
    """Turn a MODEL_DIR into a checkpoint of another make."""


@export.command("hf")
@_source
@_target
@click.option("--dtype", type=click.Choice(_DTYPES), default="float32", show_default=True)
@click.option(
    "--family",
    metavar="MODEL_TYPE",
    help="As config.json names it.  [default: the one it came from, or the first that fits]",
)
@weights_option
@examples(
    "flanjax export hf /tmp/run /tmp/run-hf --dtype=bfloat16",
    "flanjax export hf /tmp/run/checkpoints/2000 /tmp/run-hf --family=llama",
)
def export_hf(
    source: str, target: pathlib.Path, dtype: str, family: str | None, weights: Weights
) -> None:
    """Export SRC, a MODEL_DIR or a checkpoint in it, as DST for transformers.

    DST gets safetensors, config.json, the tokenizer's files and a model card.
    """
    from flanjax import conversion, opened

    found = opened.open_any(source, weights=weights)
    wanted = _dtype(dtype)
    assert wanted is not None
    model_type = conversion.export_hf(found, target, model_type=family, dtype=wanted)
    click.echo(f"wrote {target}: {_size(found)}, as {model_type} in {dtype}")
    if otherwise := conversion.beginnings(found, target):
        click.echo(otherwise)


@export.command("t5x")
@_source
@_target
@click.option("--dtype", type=click.Choice(_DTYPES), default="float32", show_default=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["legacy", "orbax"]),
    default="legacy",
    show_default=True,
    help="Which of T5X's two forms.",
)
@weights_option
@examples("flanjax export t5x /tmp/run /tmp/checkpoint_1100000")
def export_t5x(source: str, target: pathlib.Path, dtype: str, form: str, weights: Weights) -> None:
    """Export SRC, a MODEL_DIR or a checkpoint in it, as DST for T5X.

    DST is named checkpoint_N, and N becomes T5X's step. The slots of T5X's
    Adafactor are those of SRC's; zero where SRC has another optimizer.
    """
    from flanjax import conversion, opened

    found = opened.open_any(source, weights=weights)
    wanted = _dtype(dtype)
    assert wanted is not None
    chosen: Any = form
    step = conversion.export_t5x(found, target, form=chosen, dtype=wanted)
    slots = "its optimizer's slots" if found.open_moments() is not None else "slots that are zero"
    click.echo(f"wrote {target}: {_size(found)}, at step {step:,} in {dtype}, with {slots}")


@click.group("convert")
def convert() -> None:
    """Compare checkpoints of any makes."""


@convert.command("verify")
@click.argument("first", metavar="A", type=click.Path(exists=True))
@click.argument("second", metavar="B", type=click.Path(exists=True))
@gin_options
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-4,
    show_default=True,
    help="Of values and of logits.",
)
@json_option
@examples("flanjax convert verify flan-t5-base /tmp/flan-t5-base")
def verify(
    first: str,
    second: str,
    gin_files: tuple[str, ...],
    bindings: tuple[str, ...],
    gin_search_paths: tuple[str, ...],
    tolerance: float,
    as_json: bool,
) -> None:
    """Compare A and B, parameter by parameter and by the logits of a fixed batch.

    A gin file gives the model of a T5X checkpoint; without one, the other
    checkpoint's model is taken. Ends with status 1 where they differ.
    """
    from flanjax import model_comparison, model_dir, opened

    config = None
    if gin_files:
        config = _experiment(gin_files, bindings, gin_search_paths).model
    paths = sorted((first, second), key=lambda path: model_dir.checkpoint_kind(path) == "T5X")
    known = opened.open_any(paths[0], config=config)
    other = opened.open_any(paths[1], config=config or known.config)
    a, b = (known, other) if paths[0] == first else (other, known)
    found = model_comparison.compare(a, b)
    if as_json:
        print_json(_plain(found) | {"agrees": found.agrees(tolerance)})
    else:
        _print_comparison(found, tolerance)
    if not found.agrees(tolerance):
        raise SystemExit(1)


def _plain(found: Comparison) -> dict[str, Any]:
    """Returns a comparison as JSON values; what is no number is text, as "inf"."""
    plain = found._asdict()
    plain["tensors"] = {name: _number(apart) for name, apart in found.tensors.items()}
    return plain | {name: _number(plain[name]) for name in ("logits", "largest_logit")}


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _print_comparison(found: Comparison, tolerance: float) -> None:
    from rich.table import Table

    table = Table("parameter", "largest difference", title="farthest apart", title_justify="left")
    farthest = sorted(
        found.tensors.items(),
        key=lambda entry: (math.isfinite(entry[1]), -entry[1], entry[0]),
    )
    for name, distance in farthest[:_SHOWN]:
        table.add_row(name, f"{distance:.3g}")
    logits = "not comparable" if found.logits is None else f"{found.logits:.3g}"
    table.add_row(f"logits (up to {found.largest_logit:.3g})", logits)
    console = open_console()
    console.print(table)
    for title, lines in (
        ("the models differ in", found.config),
        ("in A alone", found.missing),
        ("in B alone", found.unexpected),
    ):
        if lines:
            console.print(f"{title}: {', '.join(lines)}", soft_wrap=True)
    same = f"{len(found.tensors)} parameters compared"
    verdict = "the same model" if found.agrees(tolerance) else "not the same model"
    console.print(f"{same}: {verdict} within {tolerance:g}")
