"""`flanjax preflight` compiles a run's step and looks at what it reads."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import types

import jax
import pytest

from flanjax import gin_bridge, parts
from flanjax.cli.catalog import run_catalog
from flanjax.engine.cache import CacheConfig
from flanjax.experiment import Experiment
from flanjax.preflight import checks, collectives, hlo, report, topology
from flanjax.preflight.examine import examine
from flanjax.preflight.out_of_memory import gib
from tests.e2e.verbs import call
from tests.unit.test_out_of_memory import TPU_COMPILER

PAGE = pathlib.Path(__file__).parents[2] / "docs/scaling.md"
TINY = {
    "TRAIN_STEPS": "100",
    "BATCH_SIZE": "4",
    "TASK_FEATURE_LENGTHS": "{'inputs': 256, 'targets': 64}",
    "OptimizerConfig.name": "'adamw'",
    "DecoderConfig.d_model": "16",
    "DecoderConfig.d_ff": "32",
    "DecoderConfig.num_heads": "2",
    "DecoderConfig.d_head": "8",
    "DecoderConfig.num_layers": "3",
    "DecoderConfig.scan_layers": "True",
}


def arguments(folder: pathlib.Path, **changes: str) -> list[str]:
    bound = {"MODEL_DIR": f"'{folder}'", **TINY, **changes}
    return ["--gin_file=runs/mini_decoder.gin", *(f"--gin.{k}={v}" for k, v in bound.items())]


def experiment_of(folder: pathlib.Path) -> Experiment:
    bound = [f"{k}={v}" for k, v in {"MODEL_DIR": f"'{folder}'", **TINY}.items()]
    return gin_bridge.load(["runs/mini_decoder.gin"], bound).experiment


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> report.Report:
    """The report on a tiny run, compiled once for this machine's device."""
    experiment = experiment_of(tmp_path_factory.mktemp("run") / "new")
    before = {id(array) for array in jax.live_arrays()}
    made = examine(experiment, topology.local_target(), lambda: run_catalog(experiment))
    largest = max((a.nbytes for a in jax.live_arrays() if id(a) not in before), default=0)
    assert largest < 1024  # no parameter was made, only keys and counters
    return made


def test_a_run_that_would_start_fits_and_says_so(found):
    assert found.is_ready and found.fits
    assert [check.name for check in found.checks] == [
        "output", "tokenizer", "data", "evaluation", "checkpoint",
    ]  # fmt: skip
    assert all(check.is_ok for check in found.checks)
    assert found.lines()[-1] == "fits"


def test_the_page_on_scaling_shows_what_is_printed(found):
    """Its sample is of another run: paths, numbers and sizes are its own."""

    def words(line: str) -> str:
        return re.sub(r"/[^:]+|\d[\d.,]*%?( [GM]iB)?", "#", line)

    page = PAGE.read_text("utf-8").split("$ flanjax preflight --gin_file=runs/mini_t5.gin ")[1]
    sample, printed = page.partition("```")[0].splitlines()[1:], found.lines()
    assert sample[0] == printed[0]  # the mesh, axis by axis
    assert [words(line) for line in sample] == [words(line) for line in printed]


def test_arguments_are_twelve_bytes_a_parameter_and_the_rows(found):
    trained, frozen = found.parameters
    # 384 rows of 16; three layers of 4 squares of 16 with one key head of two, MLP 3 x 16 x 32.
    assert frozen == 0
    row_bytes = (256 + 64) * 5 * 4  # five arrays of four bytes; a causal model reads no prefix
    counters_and_key = 3 * 4 + 2 * 4
    assert found.program.memory["arguments"] == pytest.approx(
        12 * trained + 4 * row_bytes + counters_and_key, abs=16
    )


def test_the_model_s_work_is_counted_over_all_layers(found):
    assert found.tokens == 4 * 320
    assert found.model_flops > 6 * found.tokens * 3 * (3 * 16 * 32)
    assert found.program.flops < found.model_flops  # the compiler takes the scanned layers once


def test_what_does_not_fit_says_what_it_needs_and_what_to_try(found):
    needed = found.program.needed
    tight = found._replace(available=needed - 1)
    assert not tight.fits and not tight.is_ready
    assert tight.verdict().startswith("does not fit: needs ")
    assert tight.verdict().endswith(f"per device; {found.advice}")
    assert any(line.startswith("largest ") for line in tight.lines())
    program = found.program._replace(is_refused=True)
    refused = found._replace(program=program._replace(available=needed // 2))
    assert refused.verdict().startswith("does not fit: needs ")
    silent = found._replace(program=program, available=needed * 2)  # it told of one array alone
    assert not silent.fits
    assert f"the compiler found no room in the {gib(needed * 2)} of a device; " in silent.verdict()
    assert found._replace(available=None).fits
    moved = collectives.Collective(
        "all-gather", hlo.Array("f32", (4, 320, 16)), 81_920, 8, 3, True, ""
    )
    spread = tight._replace(whole_batch=[moved])
    assert "; rows do not stay on their devices (see layout); try " in spread.verdict()
    assert any("3 x f32[4,320,16]" in line for line in spread.lines())


def test_what_fits_but_cannot_start_is_not_ready(found):
    failed = checks.Check("tokenizer", False, "it is gone")
    broken = found._replace(checks=[failed])
    assert broken.fits and not broken.is_ready
    assert broken.verdict() == "fits, but will not start: tokenizer"
    assert "tokenizer    FAILS: it is gone" in broken.lines()


def test_the_report_is_json(found):
    plain = json.loads(json.dumps(found.to_plain()))
    assert plain["fits"] is plain["is_ready"] is True
    assert plain["needed_bytes"] == sum(plain["memory_bytes"].values())
    assert plain["collectives"] == []
    assert plain["roofline_estimate"] is None  # a CPU's peak is in no data sheet


def looks(experiment: Experiment) -> dict[str, checks.Check]:
    step = parts.assemble_step(experiment)
    found = checks.check_run(experiment, lambda: run_catalog(experiment), step)
    return {check.name: check for check in found}


def test_each_fault_is_told_and_the_others_are_looked_at(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    experiment = dataclasses.replace(
        experiment_of(tmp_path / "file" / "run"),
        initial_checkpoint_path=str(tmp_path / "nowhere"),
    )
    found = looks(experiment)
    assert {name for name, check in found.items() if not check.is_ok} == {"output", "checkpoint"}
    assert "MODEL_DIR must be a directory that can be written" in found["output"].text
    assert "nowhere" in found["checkpoint"].text
    assert "9 tasks" in found["data"].text
    (tmp_path / "run").mkdir()
    cache = CacheConfig(cache_dir=str(tmp_path / "file"))
    check = looks(dataclasses.replace(experiment_of(tmp_path / "run"), cache=cache))["output"]
    assert not check.is_ok and "CACHE_DIR must be a directory that can be read" in check.text


def test_without_a_tokenizer_nothing_is_read(tmp_path):
    experiment = experiment_of(tmp_path / "run")
    tokenizer = dataclasses.replace(experiment.tokenizer, kind="huggingface", path="gone.json")
    found = looks(dataclasses.replace(experiment, tokenizer=tokenizer))
    assert "gone.json" in found["tokenizer"].text
    assert found["output"].is_ok
    assert found["data"] == ("data", False, "not looked at, for want of a tokenizer")


def test_a_directory_of_another_run_is_refused(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    check = looks(experiment_of(tmp_path / "run"))["output"]
    assert not check.is_ok and "MODEL_DIR must be free or hold a run" in check.text


def line_of(*args: str) -> str:
    result = call("preflight", *args)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("name", ["v9:2x2", "v5e:2x2x2", "v5e:axb", "v5e", "16x16"])
def test_an_unknown_topology_is_refused_with_those_that_are_known(tmp_path, name):
    line = line_of(*arguments(tmp_path), f"--topology={name}")
    assert f"--topology must be a TPU and a slice of it, got {name!r}" in line
    assert "v5e: 1x1, 2x2" in line or "v5e: 2x2" in line
    assert "v5p: 2x2x1" in line


def test_without_libtpu_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = line_of(*arguments(tmp_path), "--topology=v5e:2x2")
    assert line.endswith(f'pip install "jax[tpu]=={jax.__version__}".')


def test_what_libtpu_refuses_is_told_in_a_line(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise RuntimeError("INVALID_ARGUMENT: not divisible\nand more")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: types.SimpleNamespace())
    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", refuse)
    for variable in ("TPU_SKIP_MDS_QUERY", "TPU_ACCELERATOR_TYPE", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("ALLOW_MULTIPLE_LIBTPU_LOAD", "")
    line = line_of(*arguments(tmp_path), "--topology=v5e:3x7")
    assert "got 'v5e:3x7' (INVALID_ARGUMENT: not divisible)" in line


def test_a_mesh_that_is_not_the_devices_is_refused(tmp_path):
    line = line_of(*arguments(tmp_path, **{"MeshConfig.fsdp": "3"}), "--step_only")
    assert "mesh axes must multiply to the 1 devices" in line


def test_training_out_of_memory_ends_with_three_lines(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(TPU_COMPILER)

    monkeypatch.setattr("flanjax.run.train_and_evaluate", fail)
    result = call("train", *arguments(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "flanjax: error: out of memory: needs 63.80 GiB of 30.75 GiB",
        (
            "  largest arrays: 2.00 GiB f32[32,4096,4096] of self_attention/dot_general; "
            "1.50 GiB bf16[32,4096,6144] of mlp/dot_general; 0.1 MiB s32[24576]"
        ),
        (
            "  try DecoderConfig.remat = 'full', DecoderConfig.dtype = 'bfloat16', "
            "TrainConfig.microbatches = 4"
        ),
    ]
    whole = call("--traceback", "train", *arguments(tmp_path))
    assert str(whole.exception) == TPU_COMPILER


def test_other_errors_of_the_device_keep_their_traceback(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("INTERNAL: the device is lost")

    monkeypatch.setattr("flanjax.run.train_and_evaluate", fail)
    result = call("train", *arguments(tmp_path))
    assert str(result.exception) == "INTERNAL: the device is lost"


def test_training_tells_what_the_mesh_does_not_divide_before_any_state_is_made(
    tmp_path, monkeypatch
):
    def stop(*_: object) -> None:
        raise ValueError("far enough")

    monkeypatch.setattr("flanjax.run.undivided_lines", lambda model, mesh: ["5 is no multiple"])
    monkeypatch.setattr("flanjax.run.make_state", stop)
    small = {"EvalConfig.before_and_after": "False", "DataConfig.max_examples": "20"}
    result = call("train", *arguments(tmp_path / "run", **small))
    assert "far enough" in result.stderr
    assert "layout: 5 is no multiple" in result.stdout.splitlines()
