"""A training run of seconds, as a command, for tests that break it."""

import json
import os
import pathlib
import subprocess
import sys

import jax

from flanjax import model_dir, parts, start

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 24
BINDINGS = (
    f"TRAIN_STEPS={STEPS}",
    "BATCH_SIZE=8",
    "MIXTURE_OR_TASK_NAME='struct_to_text'",
    "HOLD_OUT=None",
    "DROPOUT_RATE=0.1",
    "TASK_FEATURE_LENGTHS={'inputs': 160, 'targets': 64}",
    "T5Config.d_model=16",
    "T5Config.d_ff=32",
    "T5Config.num_heads=2",
    "T5Config.d_head=8",
    "ScheduleConfig.warmup_steps=4",
    "TrainConfig.log_period=1",
    "TrainConfig.checkpoint_period=4",
    "DataConfig.max_examples=200",
    "DataConfig.passes=2",
    "EvalConfig.before_and_after=False",
)


def command(folder, *bindings):
    """Returns the command; a binding replaces an earlier one of its name."""
    bound = dict(b.split("=", 1) for b in (*BINDINGS, f"MODEL_DIR='{folder}'", *bindings))
    flags = [f"--gin.{name}={value}" for name, value in bound.items()]
    run = "from flanjax.cli.main import main; main()"
    gin_file = f"--gin_file={ROOT / 'gin_configs/runs/mini_t5.gin'}"
    return [sys.executable, "-c", run, "train", gin_file, *flags]


def environment(cache, **extra):
    """Returns variables for one device and a shared compilation cache."""
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return {
        **kept,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(ROOT),
        **extra,
    }


def finish(folder, cache, *bindings):
    """Runs to the last step; the run must succeed."""
    done = subprocess.run(
        command(folder, *bindings),
        env=environment(cache), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def logged(folder):
    """Returns step -> loss of every complete line of the log."""
    file = pathlib.Path(folder) / "metrics.jsonl"
    if not file.exists():
        return {}
    lines = file.read_text("utf-8").split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    return {row["step"]: row["metrics"]["train/loss"] for row in rows}


def data_report(folder):
    """Returns what the run tells of the data it has seen."""
    return json.loads((pathlib.Path(folder) / model_dir.DATA_REPORT).read_text("utf-8"))


def final_params(folder):
    """Returns the arrays of the last checkpoint, in the order of the tree."""
    experiment = model_dir.read_experiment(pathlib.Path(folder))
    tokenizer = model_dir.read_tokenizer(pathlib.Path(folder))
    made = parts.assemble_for_reading(experiment, tokenizer)
    params = start.load_params(str(folder), made, parts.param_shardings(made))
    return jax.tree.leaves(jax.device_get(params))
