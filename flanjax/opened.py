"""A checkpoint of any make, opened; its arrays are read when they are used."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax

from flanjax import model_dir
from flanjax.data.hf_tokenizer import ABOUT_FILE, TOKENIZER_FILE, HfTokenizer, begins_prompts
from flanjax.data.tokenize import Tokenizer, TokenizerConfig, load_tokenizer, make_tokenizer
from flanjax.interop import moments, orbax_format, t5x, t5x_format, t5x_slots
from flanjax.interop.hf import checkpoint as hf
from flanjax.interop.moments import Moments
from flanjax.interop.places import Arrays, named_shapes
from flanjax.models import families
from flanjax.train import ema
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.restore import Weights

_BYTE_TOKENIZER = "ByT5Tokenizer"
_T5_IDS, _BYT5_IDS = 100, 125
"""Sentinels where tokenizer_config.json does not say."""


class Opened(NamedTuple):
    """A checkpoint of any make.

    Attributes:
      kind: Whose it is.
      path: Where it lies.
      step: Updates done by the run that wrote it; 0 where that is not known.
      config: The model's.
      arrays: Its parameters under our names.
      unread: Arrays of it, by its own names, that no parameter is made of.
      opt_state: Our optimizer's state by the names of `train.opt_state`, None
        for a checkpoint of another make, or without.
      open_moments: Opens Adafactor's second moments; gives None where there
        are none.
      tokenizers: What travels with it: the same one in several forms, the
        first of which is kept; () for nothing.
      left_out: Special tokens of its tokenizer that the model has no row for;
        the tokenizer goes without them.
      files: Where files of transformers lie that go with it, None for nowhere.
    """

    kind: str
    path: pathlib.Path
    step: int
    config: Any
    arrays: Arrays
    unread: tuple[str, ...] = ()
    opt_state: Arrays | None = None
    open_moments: Callable[[], Moments | None] = lambda: None
    tokenizers: tuple[Tokenizer, ...] = ()
    left_out: tuple[str, ...] = ()
    files: pathlib.Path | None = None


def open_any(
    path: str,
    *,
    config: Any = None,
    names: Collection[str] | None = None,
    weights: Weights = "trained",
) -> Opened:
    """Opens a checkpoint; parameters are read when they are used.

    Args:
      path: A MODEL_DIR or a checkpoint in it, T5X's checkpoint_N, or a
        directory of transformers.
      config: The model's where the checkpoint has none, as T5X's.
      names: The parameters of `config` that a T5X checkpoint must have, if
        not all; it may hold more then.
      weights: "averaged" for the moving average that a run of ours has kept.

    Raises:
      ValueError: There is none, it is damaged, its config is not known, or it
        has no average.
    """
    found = _open(path, config, names)
    return found if weights == "trained" else _with_average(found)


def _with_average(source: Opened) -> Opened:
    """Returns a checkpoint whose parameters are the average of what was trained."""
    kept = source.opt_state or {}
    if ema.COUNT not in kept:
        raise ValueError(
            f"weights 'averaged' must be read of a run that kept an average, got {source.kind} "
            f"checkpoint {source.path} without; train with EmaConfig.decay, or read those trained."
        )
    arrays = {name: kept.get(ema.leaf(name), array) for name, array in source.arrays.items()}
    return source._replace(arrays=arrays)


def _open(path: str, config: Any, names: Collection[str] | None) -> Opened:
    kind = model_dir.checkpoint_kind(path)
    if kind == "Hugging Face":
        return _open_hf(pathlib.Path(path))
    if kind == "flanjax":
        return _open_own(path)
    if config is None:
        raise ValueError(
            f"T5X checkpoint {path} must be opened with its model's config, which it does not "
            "hold, got none; give a gin file of models/ by --gin_file."
        )
    return _open_t5x(path, config, names)


def check_tokenizer(config: Any, tokenizer: Tokenizer) -> None:
    """Checks that a model has a row for every id.

    Raises:
      ValueError: It has not.
    """
    num_ids = config.vocab_size - config.embedding.num_unused
    if num_ids < tokenizer.vocab_size:
        raise ValueError(
            f"tokenizer must fit the checkpoint's {num_ids} ids, got {tokenizer.vocab_size}; take "
            "the model's own, whose files lie beside its weights."
        )


def shapes_of(config: Any) -> dict[str, tuple[int, ...]]:
    """Returns path -> shape of a model's parameters."""
    model = families.make_model(config)
    return named_shapes(jax.eval_shape(model.init, jax.random.key(0)))


def _open_t5x(path: str, config: Any, names: Collection[str] | None) -> Opened:
    shapes = shapes_of(config)
    if names is not None:
        shapes = {name: shape for name, shape in shapes.items() if name in names}
    found = t5x.our_arrays(path, config, shapes, has_more=names is not None)
    folder = pathlib.Path(path)

    def open_moments() -> Moments | None:
        return t5x_slots.our_moments(path, t5x_format.open_slots(folder), found.places)

    return Opened(
        kind="T5X",
        path=folder,
        step=t5x_format.open_step(folder) or 0,
        config=config,
        arrays=found.arrays,
        unread=found.unread,
        open_moments=open_moments,
    )


def _open_hf(folder: pathlib.Path) -> Opened:
    checkpoint = hf.open_checkpoint(folder)
    tokenizers, left_out = _within(_hf_tokenizers(folder), checkpoint.config.vocab_size)
    return Opened(
        kind="Hugging Face",
        path=folder,
        step=0,
        config=checkpoint.config,
        arrays=hf.our_arrays(checkpoint, shapes_of(checkpoint.config)),
        tokenizers=tokenizers,
        left_out=left_out,
        files=folder,
    )


def _hf_tokenizers(folder: pathlib.Path) -> list[Tokenizer]:
    """Returns the tokenizer of a directory of transformers, in each of its forms.

    T5's SentencePiece model comes before its tokenizer.json: it is the original.
    """
    about = folder / ABOUT_FILE
    plain = model_dir.read_object(about) if about.is_file() else {}
    extra_ids = plain.get("extra_ids")
    if extra_ids is not None and type(extra_ids) is not int:
        raise ValueError(f"{about}: extra_ids must be int, got {extra_ids!r:.60}; copy it again.")
    configs = []
    if (file := folder / "spiece.model").is_file():
        configs.append(
            TokenizerConfig(
                kind="sentencepiece",
                path=str(file),
                extra_ids=_T5_IDS if extra_ids is None else extra_ids,
            )
        )
    if (file := folder / TOKENIZER_FILE).is_file():
        has_bos = not configs and about.is_file() and begins_prompts(file)
        configs.append(TokenizerConfig(kind="huggingface", path=str(file), has_bos=has_bos))
    if not configs and plain.get("tokenizer_class") == _BYTE_TOKENIZER:
        configs.append(TokenizerConfig(extra_ids=_BYT5_IDS if extra_ids is None else extra_ids))
    if not configs:
        return []
    found = [make_tokenizer(configs[0])]
    with contextlib.suppress(ValueError):  # the first is what travels; another form is a courtesy
        found += [make_tokenizer(config) for config in configs[1:]]
    return found


def _within(
    tokenizers: Sequence[Tokenizer], num_ids: int
) -> tuple[tuple[Tokenizer, ...], tuple[str, ...]]:
    """Returns tokenizers without the special tokens beyond a model's rows, and these."""
    kept: list[Tokenizer] = []
    left_out: dict[str, None] = {}
    for each in tokenizers:
        if isinstance(each, HfTokenizer):
            each, beyond = each.within(num_ids)
            left_out |= dict.fromkeys(beyond)
        kept.append(each)
    return tuple(kept), tuple(left_out)


def _open_own(path: str) -> Opened:
    folder, step = model_dir.split_checkpoint(path)
    checkpoints = Checkpoints(folder)
    try:
        step = checkpoints.latest_step() if step is None else step
        if step is None or not checkpoints.has(step):
            raise ValueError(
                f"checkpoint must be a complete one, got none at {path}; train first, or name "
                "another."
            )
    finally:
        checkpoints.close()
    state = folder / "checkpoints" / str(step) / "state"
    tops = ("params", "frozen")
    params, frozen = (orbax_format.open_arrays(state, top=top) for top in tops)
    arrays = {**params, **frozen}
    shapes = {name: array.shape for name, array in arrays.items()}
    opt_state = orbax_format.open_arrays(state, top="opt_state", dtypes=orbax_format.STATE_DTYPES)
    return Opened(
        kind="flanjax",
        path=pathlib.Path(path),
        step=step,
        config=model_dir.read_model(folder),
        arrays=arrays,
        opt_state=opt_state or None,
        open_moments=lambda: moments.from_leaves(opt_state, shapes),
        tokenizers=(load_tokenizer(folder / model_dir.TOKENIZER),),
        files=model_dir.travelling_files(path),
    )
