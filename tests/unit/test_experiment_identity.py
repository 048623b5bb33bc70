"""Which settings a resumed run may change, and which pairs no run may have."""

import dataclasses

import pytest

from flanjax.evaluation.cluster import EvalConfig
from flanjax.experiment import DataConfig, Experiment, fingerprint
from flanjax.losses.tokens import LossConfig
from flanjax.models.configs import EmbeddingConfig, LearnedConfig
from flanjax.parallel import MeshConfig
from flanjax.train.ema import EmaConfig
from flanjax.train.loop import TrainConfig
from flanjax.train.optim import OptimizerConfig, ScheduleConfig
from tests.unit.tiny_models import TINY_DECODER, TINY_T5

RUN = Experiment(
    model_dir="out",
    model=TINY_T5,
    optimizer=OptimizerConfig(ema=EmaConfig(decay=0.9)),
    train=TrainConfig(steps=4, batch_size=8),
)


def changed(name, **fields):
    return dataclasses.replace(RUN, **{name: dataclasses.replace(getattr(RUN, name), **fields)})


FREE = {
    "MODEL_DIR": dataclasses.replace(RUN, model_dir="elsewhere"),
    "the mesh": dataclasses.replace(RUN, mesh=MeshConfig(fsdp=8)),
    "data_dir": changed("data", data_dir="elsewhere"),
    "a chunk of the loss": changed("loss", chunk=4),
    "the attention's code": changed("model", attention_backend="xla"),
    "what is computed again": changed("model", remat="full"),
    "stacked layers": changed("model", scan_layers=not TINY_T5.scan_layers),
    "which weights are scored": changed("optimizer", ema=EmaConfig(decay=0.9, is_scored=False)),
    "microbatches": changed("train", microbatches=2),
    "periods": changed("train", log_period=1, checkpoint_period=1, eval_period=1),
    "steps of a constant rate": changed("train", steps=5),
}
BOUND = {
    "the loss": changed("loss", z_loss=0.5),
    "the model": changed("model", d_ff=TINY_T5.d_ff * 2),
    "the average": changed("optimizer", ema=EmaConfig(decay=0.8)),
    "rows": changed("train", batch_size=4),
    "the seed": changed("train", seed=1),
}


@pytest.mark.parametrize("name", FREE)
def test_what_a_resumed_run_may_change(name):
    assert FREE[name] != RUN
    assert fingerprint(FREE[name]) == fingerprint(RUN)


def test_learned_positions_reach_the_end_of_what_is_read_and_written():
    positions = LearnedConfig(max_length=96)
    model = dataclasses.replace(TINY_DECODER, positions=positions)
    for inputs, written, longest in ((64, 32, None), (65, 32, 97), (64, 64, 128)):
        data = DataConfig(task_feature_lengths={"inputs": inputs, "targets": 32})
        evaluation = EvalConfig(max_decode_length=written)
        if longest is None:
            Experiment(model_dir="out", model=model, data=data, evaluation=evaluation,
                       train=RUN.train)  # fmt: skip
            continue
        with pytest.raises(ValueError, match=f"learned positions, 96, got .* of {longest} tokens"):
            Experiment(model_dir="out", model=model, data=data, evaluation=evaluation,
                       train=RUN.train)  # fmt: skip


@pytest.mark.parametrize("name", BOUND)
def test_what_a_resumed_run_may_not_change(name):
    assert fingerprint(BOUND[name]) != fingerprint(RUN)


def test_steps_are_part_of_a_run_whose_rate_depends_on_them():
    def cosine(steps):
        optimizer = OptimizerConfig(schedule=ScheduleConfig(name="cosine"))
        return dataclasses.replace(RUN, optimizer=optimizer, train=TrainConfig(steps=steps))

    assert fingerprint(cosine(4)) != fingerprint(cosine(5))


def test_labels_are_not_smoothed_over_rows_that_stand_for_no_token():
    padded = dataclasses.replace(TINY_DECODER, embedding=EmbeddingConfig(num_unused=3))
    message = "label_smoothing must be 0.0 where 3 rows of the vocabulary are unused, got 0.1"
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RUN, model=padded, loss=LossConfig(label_smoothing=0.1))
    dataclasses.replace(RUN, model=padded)
    dataclasses.replace(RUN, loss=LossConfig(label_smoothing=0.1))
