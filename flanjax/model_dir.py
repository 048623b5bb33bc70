"""What lies in a run's directory, and whose it is.

```
MODEL_DIR/experiment.json    the run as plain data
          model.json         in its place, the model of a checkpoint that was imported
          huggingface/       the files of transformers that came with the model
          config.gin         the resolved gin bindings, each with its origin
          certificate.json   trained, held out, dropped and why
          data_report.json   what was read, left out, cut, and seen until the last checkpoint
          cache/             tokenized tasks, where CACHE_DIR names no other place
          tokenizer/         the tokenizer, which every checkpoint needs
          checkpoints/STEP/  parameters, optimizer, data position
          metrics.jsonl      and tensorboard/
          stages/            what was scored before training and after some steps
          report/            report.html, report.json, predictions.jsonl
```
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Literal

from flanjax.base import listed, nearest_existing
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.tokenize import Tokenizer, load_tokenizer
from flanjax.evaluation.cluster import EvalConfig
from flanjax.evaluation.results import Certificate
from flanjax.experiment import DataConfig, Experiment, differences, from_plain, identity, to_plain
from flanjax.interop import t5x_format
from flanjax.interop.hf import checkpoint as hf
from flanjax.models.configs import LearnedConfig
from flanjax.train.loop import TrainConfig

EXPERIMENT = "experiment.json"
MODEL = "model.json"
HF_FILES = "huggingface"
CONFIG = "config.gin"
CERTIFICATE = "certificate.json"
DATA_REPORT = "data_report.json"
TOKENIZER = "tokenizer"
STAGES = "stages"
REPORT = "report"


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file aside, then renames it, so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    aside.write_text(text, "utf-8")
    os.replace(aside, path)


def write_json(path: pathlib.Path, value: Any, *, indent: int | None = 2) -> None:
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def check_directory(key: str, folder: pathlib.Path, *, is_written: bool) -> None:
    """Checks that a directory is there or can be made, and writes nothing.

    Args:
      key: What names it in gin.
      folder: The directory.
      is_written: Whether one that is there must take new files.

    Raises:
      ValueError: A file is in its place, or it cannot be written.
    """
    path, there = folder.absolute(), nearest_existing(folder)
    needed = os.R_OK if there == path and not is_written else os.W_OK
    if not there.is_dir() or not os.access(there, needed | os.X_OK):
        may = "read" if needed == os.R_OK else "written"
        raise ValueError(
            f"{key} must be a directory that can be {may}, got {path}, and {there} cannot; "
            "choose another."
        )


def check_owner(experiment: Experiment) -> None:
    """Checks that the directory is free or holds this very experiment.

    Raises:
      ValueError: It cannot be written, or holds another one; the message names
        what differs.
    """
    folder = pathlib.Path(experiment.model_dir)
    check_directory("MODEL_DIR", folder, is_written=True)
    file = folder / EXPERIMENT
    if not file.is_file():
        if (folder / "checkpoints").is_dir():
            raise ValueError(
                f"MODEL_DIR must be free or hold a run with its {EXPERIMENT}, got {folder} with "
                "checkpoints alone; choose another directory."
            )
        return
    old = read_experiment(folder)
    found = differences(_named(old), _named(experiment))
    if found:
        raise ValueError(
            f"MODEL_DIR must hold the same experiment, got {folder} with "
            f"{listed(found, 3, separator='; ')}; set it back, choose another MODEL_DIR, or remove "
            "that one."
        )


def _named(experiment: Experiment) -> Any:
    plain: Any = json.loads(json.dumps(identity(experiment)))
    return plain


def claim(experiment: Experiment, *, resolved_text: str, tokenizer: Tokenizer) -> None:
    """Writes the run's config and tokenizer into its directory."""
    folder = pathlib.Path(experiment.model_dir)
    tokenizer.save(folder / TOKENIZER)
    write_text(folder / CONFIG, resolved_text)
    files = travelling_files(experiment.initial_checkpoint_path)
    if files is not None:
        keep_files(files, folder)
    write_json(folder / EXPERIMENT, to_plain(experiment))


def travelling_files(checkpoint: str | None) -> pathlib.Path | None:
    """Returns where files of transformers lie that go with a checkpoint, if any."""
    if not checkpoint:
        return None
    if checkpoint_kind(checkpoint) == "Hugging Face":
        return pathlib.Path(checkpoint)
    folder = split_checkpoint(checkpoint)[0] / HF_FILES
    return folder if folder.is_dir() else None


def keep_files(source: pathlib.Path, folder: pathlib.Path) -> None:
    """Copies the files of transformers that go with a model into a directory."""
    target = folder / HF_FILES
    target.mkdir(parents=True, exist_ok=True)
    hf.copy_travelling(source, target)
    write_text(target / hf.CONFIG, (source / hf.CONFIG).read_text("utf-8"))


def read_data_report(folder: pathlib.Path) -> dict[str, Any] | None:
    """Returns what a run with checkpoints has told of its data; None before the first."""
    file = folder / DATA_REPORT
    if not file.is_file() or not (folder / "checkpoints").is_dir():
        return None
    return read_object(file)


def read_first_step(folder: pathlib.Path) -> int | None:
    """Returns how many updates came before a run's first; None before it has begun."""
    file = folder / DATA_REPORT
    return int(read_object(file).get("first_step", 0)) if file.is_file() else None


def read_experiment(folder: pathlib.Path) -> Experiment:
    """Returns the experiment whose run made a directory.

    Raises:
      ValueError: The directory holds none.
    """
    file = folder / EXPERIMENT
    if not file.is_file():
        raise ValueError(
            f"checkpoint must be a MODEL_DIR with {EXPERIMENT}, got {folder}; check the path, or "
            "give a --gin_file that says how a checkpoint of another make is run."
        )
    plain = read_object(file)
    try:
        experiment = from_plain(plain)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{file} must hold an Experiment, got {plain!r:.60}; restore the file.")
    return experiment


def read_run(checkpoint: str) -> Experiment:
    """Returns the run that made a checkpoint, in the directory where it lies now.

    Its tokenizer's file may have gone since: `read_tokenizer` gives the copy that lies there.

    Raises:
      ValueError: The directory holds no run.
    """
    folder, _ = split_checkpoint(checkpoint)
    return dataclasses.replace(read_experiment(folder), model_dir=str(folder))


def read_or_imagine(path: pathlib.Path, model: Any) -> Experiment:
    """Returns the run that made a checkpoint, or a run of an imported model."""
    folder, _ = split_checkpoint(str(path))
    if (folder / EXPERIMENT).is_file():
        return read_experiment(folder)
    is_prefix = getattr(model, "prefix_lm", False)
    data, evaluation = DataConfig(), EvalConfig()
    positions = getattr(model, "positions", None)
    if isinstance(positions, LearnedConfig):
        lengths = _fitting_lengths(data.task_feature_lengths, positions.max_length)
        data = DataConfig(task_feature_lengths=lengths)
        written = min(evaluation.max_decode_length, lengths["targets"])
        evaluation = EvalConfig(max_decode_length=written)
    return Experiment(
        model_dir=str(folder),
        data=data,
        evaluation=evaluation,
        model=model,
        objective=ObjectiveConfig(name="prefix_lm" if is_prefix else "instruction"),
        train=TrainConfig(steps=1),
    )


def _fitting_lengths(lengths: Mapping[str, int], num_places: int) -> dict[str, int]:
    """Returns lengths of a row for which a model has positions."""
    targets = min(lengths["targets"], max(2, num_places // 4))
    return {"inputs": min(lengths["inputs"], num_places - targets), "targets": targets}


def read_model(folder: pathlib.Path) -> Any:
    """Returns the config of the model in a run's directory, or in an imported one.

    Raises:
      ValueError: The directory holds neither.
    """
    file = folder / MODEL
    if not file.is_file():
        return read_experiment(folder).model
    try:
        return from_plain(read_object(file)["model"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{file} must hold a model, got {error}; restore the file.") from None


def read_certificate(checkpoint: str | None) -> Certificate | None:
    """Returns what a checkpoint's run was certified, None where none is kept.

    Raises:
      ValueError: The file is not what a run writes.
    """
    file = split_checkpoint(checkpoint)[0] / CERTIFICATE if checkpoint else None
    if file is None or not file.is_file():
        return None
    plain = read_object(file)
    try:
        return Certificate.from_json(plain)
    except TypeError as error:
        raise ValueError(
            f"{file} must hold the certificate of this version, got {error}; "
            "use the version that wrote it."
        ) from None


def read_object(file: pathlib.Path) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Raises:
      ValueError: It holds none.
    """
    try:
        value = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} must be JSON, got {error}; restore the file.") from None
    if not isinstance(value, dict):
        raise ValueError(f"{file} must be a JSON object, got {value!r:.60}; restore the file.")
    return value


def read_tokenizer(folder: pathlib.Path) -> Tokenizer:
    """Returns the tokenizer that travels with a run's checkpoints."""
    return load_tokenizer(folder / TOKENIZER)


def split_checkpoint(path: str) -> tuple[pathlib.Path, int | None]:
    """Splits MODEL_DIR or MODEL_DIR/checkpoints/STEP into folder and step."""
    place = pathlib.Path(path)
    if place.name.isdigit() and place.parent.name == "checkpoints":
        return place.parent.parent, int(place.name)
    return place, None


def checkpoint_kind(path: str) -> Literal["flanjax", "T5X", "Hugging Face"]:
    """Returns whose checkpoint lies at a path.

    Raises:
      ValueError: There is none.
    """
    folder, _ = split_checkpoint(path)
    if (folder / TOKENIZER).is_dir():
        return "flanjax"
    if t5x_format.find_form(pathlib.Path(path)) is not None:
        return "T5X"
    if hf.is_checkpoint(pathlib.Path(path)):
        return "Hugging Face"
    raise ValueError(
        "checkpoint must be a local MODEL_DIR of flanjax, checkpoint_N directory of T5X or "
        f"directory of transformers with config.json, got {path}; check the path."
    )
