"""The whole run as one frozen value."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flanjax.data.ablation import AblationConfig
from flanjax.data.catalogue import MAX_EXAMPLES
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.tokenize import TokenizerConfig
from flanjax.engine.cache import CacheConfig
from flanjax.engine.tokenized import OVER_LONG, OverLong
from flanjax.evaluation.cluster import EvalConfig
from flanjax.losses.tokens import LossConfig
from flanjax.models.configs import (
    AttentionConfig,
    BlockConfig,
    EmbeddingConfig,
    LearnedConfig,
    RelativeConfig,
    RotaryConfig,
)
from flanjax.models.decoder import DecoderConfig
from flanjax.models.generation import DecodeConfig
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig
from flanjax.train.ema import EmaConfig
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig
from flanjax.train.restore import RestoreConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on, and how long a row is.

    Attributes:
      catalogue: "module:NAME" of a Catalogue value, or "seqio:module" for the
        tasks and mixtures that a module registers with SeqIO.
      mixture_or_task_name: The catalogue's own name, a cluster or a task.
      hold_out: What training must not see: "nli", "nli+commonsense",
        "intra:0" or "task:rte"; None trains on all.
      corpus_closure: Whether tasks that share a source text with a held-out
        one are left out of training too.
      missing_tasks: "fail", or "drop" to train and test without the tasks
        whose data is not on this machine, said in the certificate.
      task_feature_lengths: Tokens per row: "inputs" and "targets" for an
        encoder-decoder; a causal row holds the sum of both.
      data_dir: Where local files lie.
      max_examples: Examples used of each task; None is 30,000, or all of a
        task of SeqIO.
      rate_cap: A task's size counts as at most this much in the mixture.
      temperature: Mixing temperature.
      passes: Different wordings of each record at most; only as many are
        prepared as the run draws, and later passes repeat them.
      over_long: What becomes of an example longer than its row:
        "truncate_right" keeps its beginning, "truncate_left" its end, "drop"
        leaves it out, "error" stops; all are counted. Span corruption cuts the
        text before it masks any. Prompts that are scored or answered are cut
        at their end, with "truncate_left" at their beginning.
      stages: Examples drawn before -> weight of each task from there on, in
        place of sizes; the first is 0. A task that is not named has weight 0.
      num_shots: Exemplars in each prompt; 0 is zero-shot.
      bad_record_limit: Share of unreadable records above which a task is an
        error, whoever has cached its tokens.
    """

    catalogue: str = "flanjax.tasks.mini:CATALOGUE"
    mixture_or_task_name: str = "mini"
    hold_out: str | None = None
    corpus_closure: bool = True
    missing_tasks: str = "fail"
    task_feature_lengths: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {"inputs": 512, "targets": 128}
    )
    data_dir: str | None = None
    max_examples: int | None = None
    rate_cap: int = 3_000
    temperature: float = 1.0
    passes: int = 10
    over_long: OverLong = "truncate_right"
    stages: Mapping[int, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    num_shots: int = 0
    bad_record_limit: float = 0.01

    def __post_init__(self) -> None:
        lengths = self.task_feature_lengths
        if set(lengths) != {"inputs", "targets"} or min(lengths.values()) < 2:
            raise ValueError(
                "task_feature_lengths must give inputs and targets of at least 2 tokens, "
                f"got {dict(lengths)}; write {{'inputs': 512, 'targets': 128}}."
            )
        if self.max_examples is not None and self.max_examples < 1:
            raise ValueError(
                f"max_examples must be positive, got {self.max_examples}; None takes the usual."
            )
        if self.missing_tasks not in ("fail", "drop"):
            raise ValueError(
                f"missing_tasks must be 'fail' or 'drop', got {self.missing_tasks!r}; choose one."
            )
        if self.passes < 1:
            raise ValueError(f"passes must be positive, got {self.passes}; use 1 for one wording.")
        stages = {int(start): weights for start, weights in self.stages.items()}
        object.__setattr__(self, "stages", stages)  # JSON knows text keys alone
        if self.over_long not in OVER_LONG:
            raise ValueError(
                f"over_long must be one of {', '.join(OVER_LONG)}, got {self.over_long!r}; "
                "choose one."
            )
        if self.num_shots < 0:
            raise ValueError(
                f"num_shots must not be negative, got {self.num_shots}; 0 is zero-shot."
            )
        if not 0 <= self.bad_record_limit < 1:
            raise ValueError(
                f"bad_record_limit must lie in [0, 1), got {self.bad_record_limit}; use 0.01."
            )

    @property
    def num_read(self) -> int:
        """Examples used of a task that has templates."""
        return MAX_EXAMPLES if self.max_examples is None else self.max_examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run: data, model, objective, optimizer, mesh, evaluation.

    Attributes:
      model_dir: Where checkpoints, logs and reports go.
      data: What is trained on.
      cache: Where tokenized tasks are kept.
      ablation: What training does without.
      tokenizer: Text to ids.
      model: A T5Config or a DecoderConfig.
      objective: What an example asks to predict.
      loss: How a token is scored.
      optimizer: How parameters move.
      mesh: How arrays are laid over devices.
      train: Steps, batch, periods, seed.
      evaluation: How clusters are scored.
      initial_checkpoint_path: What to start from, or None: a checkpoint of
        flanjax, T5X or transformers.
      restore: What of it is read.
    """

    model_dir: str
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    cache: CacheConfig = dataclasses.field(default_factory=CacheConfig)
    ablation: AblationConfig = dataclasses.field(default_factory=AblationConfig)
    tokenizer: TokenizerConfig = dataclasses.field(default_factory=TokenizerConfig)
    model: T5Config | DecoderConfig
    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    train: TrainConfig
    evaluation: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    initial_checkpoint_path: str | None = None
    restore: RestoreConfig = dataclasses.field(default_factory=RestoreConfig)

    def __post_init__(self) -> None:
        if not self.model_dir:
            raise ValueError("MODEL_DIR must name a directory, got ''; set MODEL_DIR.")
        if "://" in self.model_dir:
            raise ValueError(
                f"MODEL_DIR must be a path of this machine, got {self.model_dir}; name a local "
                "directory, or mount the bucket and name its path."
            )
        if self.initial_checkpoint_path is None and self.restore != RestoreConfig():
            raise ValueError(
                "RestoreConfig must go with a checkpoint to start from, got no "
                "INITIAL_CHECKPOINT_PATH; set it."
            )
        is_prefix = getattr(self.model, "prefix_lm", False)
        if self.objective.name == "prefix_lm" and not is_prefix:
            raise ValueError(
                "objective prefix_lm must have a decoder that reads prompts both ways, got "
                f"{type(self.model).__name__}; set DecoderConfig.prefix_lm = True."
            )
        if is_prefix and self.objective.name != "prefix_lm":
            raise ValueError(
                f"DecoderConfig.prefix_lm must go with objective prefix_lm, got "
                f"{self.objective.name}; change one of them."
            )
        unused, smoothing = self.model.embedding.num_unused, self.loss.label_smoothing
        if unused and smoothing:
            raise ValueError(
                f"LossConfig.label_smoothing must be 0.0 where {unused} rows of the vocabulary are "
                f"unused, got {smoothing}; a share of the target would be theirs."
            )
        self._check_places()
        if self.objective.name == "causal_lm" and isinstance(self.model, T5Config):
            raise ValueError(
                "objective causal_lm must have a decoder-only model, got T5Config; "
                "use instruction or span_corruption."
            )

    def _check_places(self) -> None:
        """Checks that learned positions reach the end of what is read and written."""
        positions = getattr(self.model, "positions", None)
        if not isinstance(positions, LearnedConfig):
            return
        lengths = self.data.task_feature_lengths
        longest = lengths["inputs"] + max(lengths["targets"], self.evaluation.max_decode_length)
        if longest > positions.max_length:
            raise ValueError(
                "TASK_FEATURE_LENGTHS must fit the model's learned positions, "
                f"{positions.max_length}, got inputs and targets (or EvalConfig.max_decode_length) "
                f"of {longest} tokens; shorten them."
            )

    @property
    def row_lengths(self) -> tuple[int, ...]:
        """Columns of a batch's arrays: of encoder and decoder, or of both in one row."""
        lengths = self.data.task_feature_lengths
        each = (lengths["inputs"], lengths["targets"])
        return each if self.is_encoder_decoder else (sum(each),)

    @property
    def is_encoder_decoder(self) -> bool:
        return isinstance(self.model, T5Config)


_MAY_CHANGE = (
    "model_dir",
    "cache",
    "mesh",
    "evaluation",
    "data.data_dir",
    "loss.chunk",
    "model.attention_backend",
    "model.remat",
    "model.scan_layers",
    "optimizer.ema.is_scored",
    "train.microbatches",
    "train.log_period",
    "train.checkpoint_period",
    "train.eval_period",
    "train.keep_checkpoints",
)
"""Fields that a resumed run may set otherwise."""


def to_plain(value: Any) -> Any:
    """Returns a config as plain JSON values, with its type's name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [to_plain(entry) for entry in value]
    return value


CONFIGS: Mapping[str, type] = {
    config.__name__: config
    for config in (
        Experiment,
        DataConfig,
        CacheConfig,
        AblationConfig,
        TokenizerConfig,
        T5Config,
        DecoderConfig,
        RotaryConfig,
        RelativeConfig,
        LearnedConfig,
        BlockConfig,
        AttentionConfig,
        EmbeddingConfig,
        ObjectiveConfig,
        LossConfig,
        OptimizerConfig,
        ScheduleConfig,
        EmaConfig,
        RestoreConfig,
        MeshConfig,
        TrainConfig,
        EvalConfig,
        DecodeConfig,
    )
}
"""Every config by its name: what gin files bind, and what `to_plain` writes."""


def from_plain(plain: Any) -> Any:
    """Returns the config that `to_plain` wrote.

    Raises:
      ValueError: It names a type or field that this version does not know.
    """
    if not isinstance(plain, Mapping):
        return plain
    if "type" not in plain:
        return {key: from_plain(entry) for key, entry in plain.items()}
    name = plain["type"]
    if name not in CONFIGS:
        raise ValueError(
            f"a config's type must be known, got {name!r}; use the version that wrote it."
        )
    fields = {key: from_plain(entry) for key, entry in plain.items() if key != "type"}
    try:
        return CONFIGS[name](**fields)
    except TypeError as error:
        raise ValueError(
            f"{name} must have the fields of this version, got {error}; "
            "use the version that wrote it."
        ) from None


def identity(experiment: Experiment) -> dict[str, Any]:
    """Returns the part of an experiment that a resumed run must share.

    Where and by which code it runs, in how many microbatches and chunks, how often it logs and how
    it is evaluated may change; so may the number of steps, unless the learning rate depends on it.
    """
    depends_on_steps = experiment.optimizer.schedule.name not in ("constant", "rsqrt")
    free = _MAY_CHANGE if depends_on_steps else (*_MAY_CHANGE, "train.steps")
    plain: dict[str, Any] = to_plain(experiment)
    for path in free:
        *parents, name = path.split(".")
        part = plain
        for parent in parents:
            part = part[parent]
        del part[name]
    return plain


def fingerprint(experiment: Experiment) -> str:
    """Returns a short hash of `identity`."""
    text = json.dumps(identity(experiment), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(old: Any, new: Any, *, where: str = "") -> list[str]:
    """Returns `path: old -> new` for each entry in which two configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in sorted(set(old) | set(new)):
            place = f"{where}.{key}" if where else key
            found += differences(old.get(key), new.get(key), where=place)
        return found
    return [] if old == new else [f"{where}: {old!r} -> {new!r}"]
