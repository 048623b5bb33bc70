"""Bad input ends the command with one line, and leaves nothing half-written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.faults import tiny_run
from tests.faults.shop import TASK_LINE, TEMPLATES_LINE, Shop, call, good_lines

TRAIN_FILE = "headlines.jsonl"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return Shop(tmp_path)


def refused(shop, *bindings):
    """Trains; returns the one line of the refusal, having left all files as they were."""
    before = shop.files()
    result = shop.train("EvalConfig.before_and_after=True", *bindings)
    assert result.exit_code == 1, (result.output, result.exception)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("flanjax: error: ")
    assert shop.files() == before
    return line


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of two steps; read, never written to."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("trained")
        monkeypatch.syspath_prepend(folder)
        made = Shop(folder)
        made.replace_line(TRAIN_FILE, 7, b'{"text": "cut sh')
        result = made.train("DataConfig.bad_record_limit=0.05")
        assert result.exit_code == 0, (result.output, result.exception)
        yield made


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "Is {text} fine?",
            "Is {txet} fine?",
            (
                r"task reviews, template 1: .* fields \(text, answer, options\), got \{txet\}; "
                rf"did you mean text\? \(.*shop_catalogue_\d+\.py, line {TASK_LINE}\)"
            ),
        ),
        (
            "Judge: {text}",
            "Judge: {text.__class__}",
            rf"plain fields, got \{{text\.__class__\}} in .*_\d+\.py, line {TEMPLATES_LINE}\)",
        ),
        (
            "Judge: {text}",
            "Judge: {text[0]}",
            rf"plain fields, got \{{text\[0\]\}} in .*_\d+\.py, line {TEMPLATES_LINE}\)",
        ),
        (
            "mode=mode,",
            'mode="guess",',
            rf"task reviews: mode must be 'rank' or 'generate', got 'guess'.*line {TASK_LINE}\)",
        ),
    ],
)
def test_fault_of_a_catalogue_names_the_task_or_the_line(shop, old, new, expected):
    shop.write_module(old, new)
    assert re.search(expected, refused(shop))


@pytest.mark.parametrize("key", ["MODEL_DIR", "CACHE_DIR"])
def test_file_in_place_of_a_directory_is_named_with_its_field(shop, key):
    file = shop.folder / "taken"
    file.write_text("here first")
    message = refused(shop, f"{key}='{file}/below'")
    assert f"{key} must be a directory that can be written, got {file}/below, and {file} can" in (
        message
    )


def test_hold_out_that_nothing_bears_is_named_with_its_field(shop):
    message = refused(shop, "HOLD_OUT='opinoins'")
    assert "HOLD_OUT = 'opinoins': cluster must be one of catalogue shop, got" in message
    assert "did you mean opinions?" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"text": "cut sh', r"\(2\.00%\), first \S*/headlines\.jsonl:7: a line must be JSON"),
        (b"[1, 2]", r"first \S*/headlines\.jsonl:7: a line must be a JSON object, got list"),
        (
            b'{"text": "\xff", "label": "bad"}',
            r"first \S*/headlines\.jsonl:7: text must be utf-8, got byte 0xff at byte 11",
        ),
        (b'{"text": "item"}', r"first record 7: .*KeyError\('label'\) on fields text"),
        (b'{"text": "item", "label": " "}', r"first record 7: .*answer must not be empty, got ' '"),
        (
            b'{"text": "item", "label": 3}',
            r"first record 7: .*field 'answer' must be text, got int",
        ),
    ],
)
def test_bad_line_above_the_bound_is_fatal_and_named(shop, line, expected):
    shop.replace_line(TRAIN_FILE, 7, line)
    message = refused(shop)
    assert "task headlines, split train: at most 1.00% of records may be bad" in message
    assert re.search(expected, message)


def test_options_without_the_answer_are_named(shop):
    shop.replace_line("reviews.jsonl", 7, b'{"text": "item", "label": "great"}')
    message = refused(shop, "MIXTURE_OR_TASK_NAME='opinions'", "HOLD_OUT=None")
    assert "task reviews, split train: " in message
    assert "first record 7: " in message
    assert "options must hold the answer 'great', got 'bad', 'good'" in message


def test_bad_records_of_the_scored_split_are_found_before_training(shop):
    shop.write_lines("reviews_held.jsonl", [*good_lines(4), b"{"])
    message = refused(shop)
    assert "task reviews, split validation: " in message
    assert "reviews_held.jsonl:5: a line must be JSON" in message


def test_field_that_to_fields_does_not_return_is_named(shop):
    shop.write_module("    return fields\n", "    del fields['text']\n    return fields\n")
    assert "task reviews: a record must give the field 'text', got answer" in refused(shop)


def test_empty_target_of_an_inverted_template_is_named(shop):
    shop.write_module(
        'Template("Is {text} fine?")', 'Template("Say {answer}.", "{text}", inverted=True)'
    )
    shop.replace_line(TRAIN_FILE, 7, b'{"text": "", "label": "bad"}')
    expected = "first record 7: task headlines, template 1: targets must not be empty"
    assert expected in refused(shop)


def test_missing_file_is_named_with_where_to_get_it(shop):
    (shop.data / TRAIN_FILE).unlink()
    message = refused(shop)
    assert f"task headlines: a source's file must exist, got no {shop.data / TRAIN_FILE}" in message
    assert "get it from https://example.org/headlines" in message


def test_bad_line_below_the_bound_is_counted_and_the_run_goes_on(trained):
    report = json.loads((trained.model_dir / "data_report.json").read_text("utf-8"))
    account = report["tasks"]["headlines"]
    assert (account["read"], account["kept"], account["bad"]) == (50, 49, 1)
    (example,) = account["bad_examples"]
    assert f"{trained.data / TRAIN_FILE}:7: a line must be JSON" in example
    assert list(tiny_run.logged(trained.model_dir)) == [1, 2]


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("HOLD_OUT='opinion'", "got 'opinion'; did you mean opinions?"),
        ("MIXTURE_OR_TASK_NAME='headline'", "got 'headline'; did you mean headlines"),
        ("TRAIN_STEPS=1", "warmup_steps must be below the run's 1 steps, got 1"),
        (
            "TASK_FEATURE_LENGTHS={'inputs': 48, 'targets': 4}",
            (
                "task reviews, template 0: an option and its end must fit the target length 4, "
                "got 5 tokens of 'good'; raise TASK_FEATURE_LENGTHS['targets']."
            ),
        ),
        ("T5Config.vocab_size=99", "vocab_size must be at least the tokenizer's 384, got 99"),
        ("MeshConfig.fsdp=3", "mesh axes must multiply to the 1 devices, got data -1 x fsdp 3"),
        ("INITIAL_CHECKPOINT_PATH='nowhere'", "nowhere"),
    ],
)
def test_value_that_does_not_fit_is_refused_before_training(shop, binding, expected):
    assert expected in refused(shop, binding)


def test_batch_that_the_mesh_does_not_divide_is_refused(shop, tmp_path):
    done = subprocess.run(
        shop.command("BATCH_SIZE=3", "MeshConfig.fsdp=2"),
        cwd=tmp_path,
        env=tiny_run.environment(
            tmp_path / "cache", XLA_FLAGS="--xla_force_host_platform_device_count=2"
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    expected = "batch_size must be a multiple of microbatches x data x fsdp = 1 x 2, got 3; "
    assert expected in line
    assert not shop.model_dir.exists()


def test_initial_checkpoint_of_another_vocabulary_is_refused(shop, trained):
    message = refused(
        shop, f"INITIAL_CHECKPOINT_PATH='{trained.model_dir}'", "TokenizerConfig.extra_ids=100"
    )
    assert f"tokenizer must be the checkpoint's bytes-125 ({trained.model_dir})" in message
    assert "got bytes-100; " in message


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("T5Config.d_model=24", "d_model: 16 -> 24"),
        ("EmbeddingConfig.is_tied=True", "embedding.is_tied: False -> True"),
    ],
)
def test_initial_checkpoint_of_another_model_is_refused(shop, trained, binding, expected):
    message = refused(shop, f"INITIAL_CHECKPOINT_PATH='{trained.model_dir}'", binding)
    assert f"model must be that of checkpoint {trained.model_dir}, got {expected}; " in message


def test_checkpoint_of_a_step_that_was_not_kept_is_refused(shop, trained):
    path = f"{trained.model_dir}/checkpoints/1"
    message = refused(shop, f"INITIAL_CHECKPOINT_PATH='{path}'")
    assert f"checkpoint must be a complete one, got none at {path}" in message


@pytest.fixture
def resumed(shop, trained):
    """A folder of its own in which the finished run lies."""
    shutil.copytree(trained.model_dir, shop.model_dir)
    shutil.copy(trained.data / TRAIN_FILE, shop.data / TRAIN_FILE)
    return shop


def test_directory_of_another_experiment_is_refused_by_what_differs(resumed):
    message = refused(resumed, "RANDOM_SEED=3")
    assert f"MODEL_DIR must hold the same experiment, got {resumed.model_dir} with" in message
    assert "train.seed: 0 -> 3" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "must be JSON, got Expecting"),
        ("[]", "must be a JSON object, got []"),
        ("{}", "must hold an Experiment, got {}"),
        ('{"type": "Experiment"}', "must have the fields of this version"),
        ('{"type": "Exprmnt"}', "a config's type must be known, got 'Exprmnt'"),
        ("\xff", "must be JSON, got 'utf-8' codec"),
    ],
)
def test_corrupt_experiment_is_refused_by_its_file(resumed, text, expected):
    file = resumed.model_dir / "experiment.json"
    file.write_bytes(text.encode("latin-1"))
    message = refused(resumed)
    assert str(file) in message
    assert expected in message


@pytest.mark.parametrize("verb", [["eval"], ["generate", "--prompt=Is it fine?"]])
def test_corrupt_experiment_stops_every_reader(resumed, verb):
    file = resumed.model_dir / "experiment.json"
    file.write_text("{", "utf-8")
    result = call(*verb, f"--checkpoint={resumed.model_dir}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"flanjax: error: {file} must be JSON")
    assert len(result.stderr.splitlines()) == 1


def test_corrupt_tokenizer_is_refused_by_its_file(resumed):
    file = resumed.model_dir / "tokenizer" / "flanjax_tokenizer.json"
    file.write_text("{", "utf-8")
    result = call("generate", "--prompt=Is it fine?", f"--checkpoint={resumed.model_dir}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"flanjax: error: {file}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", [["eval"], ["generate", "--prompt=Is it fine?"]])
def test_checkpoint_that_is_not_there_is_named(tmp_path, verb):
    result = call(*verb, f"--checkpoint={tmp_path / 'none'}")
    assert result.exit_code == 1
    assert str(tmp_path / "none") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_cluster_to_score_is_named_with_its_neighbours(trained):
    result = call("eval", f"--checkpoint={trained.model_dir}", "--cluster=title")
    assert result.exit_code == 1
    assert "got 'title'; did you mean titles?" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["train"],
        ["train", "--gin_file=x.gin", "--num_processes=0"],
        ["eval"],
        ["generate"],
    ],
)
def test_wrong_usage_exits_with_two(args):
    result = call(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: flanjax")
