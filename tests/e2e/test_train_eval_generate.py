"""One job from training to an answer, through the command line, in both families."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import shutil

import pytest

from flanjax import model_dir, scoring, start
from flanjax.experiment import fingerprint
from tests.e2e.verbs import flanjax
from tests.faults.tiny_run import ROOT, logged

SHARED = {
    "TRAIN_STEPS": "6",
    "BATCH_SIZE": "8",
    "MIXTURE_OR_TASK_NAME": "'struct_to_text'",
    "HOLD_OUT": "'entailment'",
    "TASK_FEATURE_LENGTHS": "{'inputs': 48, 'targets': 64}",
    "ScheduleConfig.warmup_steps": "1",
    "ScheduleConfig.peak": "0.01",
    "TrainConfig.log_period": "1",
    "DataConfig.max_examples": "60",
    "DataConfig.passes": "2",
    "EvalConfig.max_examples": "4",
    "EvalConfig.batch_size": "80",
    "EvalConfig.max_decode_length": "8",
}
FAMILIES = {
    "mini_t5": {
        "T5Config.d_model": "16",
        "T5Config.d_ff": "32",
        "T5Config.num_heads": "2",
        "T5Config.d_head": "8",
    },
    "mini_decoder": {
        "DecoderConfig.d_model": "16",
        "DecoderConfig.d_ff": "32",
        "DecoderConfig.num_heads": "2",
        "DecoderConfig.num_kv_heads": "1",
        "DecoderConfig.d_head": "8",
    },
}
CLUSTERS = ["entailment", "struct_to_text"]


def call(*args):
    return flanjax(*args).stdout


def train(family, folder, *flags, **bindings):
    bound = {**SHARED, **FAMILIES[family], "MODEL_DIR": f"'{folder}'", **bindings}
    gin_file = f"--gin_file={ROOT / 'gin_configs' / 'runs' / family}.gin"
    return call("train", gin_file, *flags, *(f"--gin.{k}={v}" for k, v in bound.items()))


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request, tmp_path_factory):
    """A finished run: its family, its directory, what it printed, its report."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    printed = train(request.param, folder)
    return request.param, folder, printed, report_of(folder / "report")


def report_of(folder):
    return json.loads((folder / "report.json").read_text("utf-8"))


def predictions(folder, stage):
    lines = (folder / "predictions.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [{**row, "stage": None} for row in rows if row["stage"] == stage]


def test_training_prints_the_table_and_where_the_report_lies(trained):
    _, folder, printed, report = trained
    heads = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    header = next(line for line in printed.splitlines() if "chance" in line)
    assert header.split()[-4:] == ["before", "after", "change", "std"]
    for clusters in report["stages"].values():
        entailment, struct = clusters
        assert f"{entailment['mean']:.1f}±{entailment['standard_error']:.1f}" in heads["entailment"]
        for task in struct["tasks"]:
            assert f"{task['mean']:.1f}" in heads[task["task"]]
    assert heads["entailment"].split()[1] == "*"
    assert "held out: training never saw this cluster." in printed
    assert printed.splitlines()[-1] == f"report: {folder}/report/report.html"


def test_report_holds_every_stage_wording_and_prediction(trained):
    _, folder, _, report = trained
    assert list(report["stages"]) == ["before", "after"]
    for stage, clusters in report["stages"].items():
        assert [cluster["cluster"] for cluster in clusters] == CLUSTERS
        for cluster in clusters:
            assert [task["num_examples"] for task in cluster["tasks"]] == [4, 4, 4]
        kinds = clusters[0]["tasks"][1]
        assert (kinds["task"], kinds["mode"]) == ("mini_kinds", "rank")
        scores = [template["score"] for template in kinds["templates"]]
        assert len(scores) == 10
        assert kinds["mean"] == pytest.approx(sum(scores) / 10)
        rows = [row for row in predictions(folder / "report", stage) if row["task"] == "mini_kinds"]
        hits = sum(row["prediction"] == row["targets"] for row in rows)
        assert kinds["mean"] == pytest.approx(100 * hits / 40)
    assert report["facts"]["seed"] == "0"
    assert report["facts"]["command"].startswith("flanjax train --gin_file=")


def test_page_is_whole_and_names_both_clusters(trained):
    text = (trained[1] / "report" / "report.html").read_text("utf-8")
    opened = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: opened.append(tag)
    parser.feed(text)
    assert opened[0] == "html"
    assert text.rstrip().endswith("</html>")
    assert {"svg", "table"} <= set(opened)
    assert not {"script", "link", "img"} & set(opened)
    assert all(cluster in text for cluster in CLUSTERS)


def test_certificate_says_what_was_held_out(trained):
    _, folder, _, report = trained
    certificate = json.loads((folder / "certificate.json").read_text("utf-8"))
    assert certificate == report["certificate"]
    assert certificate == {
        "catalogue": "mini",
        "held_out": "entailment",
        "trained": ["mini_objects", "mini_people", "mini_timetables"],
        "tested": ["mini_comparisons", "mini_kinds", "mini_collections"],
        "dropped": {},
        "rule": "entailment",
        "corpus_closure": True,
        "ablation": "clusters reading_comprehension, sentiment, struct_to_text",
        "trained_corpora": [],
        "tested_corpora": [],
    }
    data = json.loads((folder / "data_report.json").read_text("utf-8"))
    assert list(data["tasks"]) == certificate["trained"]


def test_training_changed_the_answers(trained):
    folder = trained[1] / "report"
    assert predictions(folder, "before") != predictions(folder, "after")
    losses = list(logged(trained[1]).values())
    assert losses[-1] < losses[0] - 0.2


def test_eval_of_the_checkpoint_gives_the_numbers_after_training(trained, tmp_path):
    _, folder, _, report = trained
    clusters = [f"--cluster={name}" for name in CLUSTERS]
    printed = call("eval", f"--checkpoint={folder}", *clusters, f"--output={tmp_path}", "--json")
    outcome = json.loads(printed)
    assert outcome["report"]["stages"] == {"checkpoint": report["stages"]["after"]}
    assert outcome["files"]["json"] == str(tmp_path / "report" / "report.json")
    found = predictions(tmp_path / "report", "checkpoint")
    assert found == predictions(folder / "report", "after")


def test_eval_takes_the_held_out_cluster_and_the_run_directory(trained):
    _, folder, _, report = trained
    printed = call("eval", f"--model_dir={folder}")
    assert f"report: {folder}/eval/report/report.html" in printed
    written = report_of(folder / "eval" / "report")
    assert written["stages"] == {"checkpoint": report["stages"]["after"][:1]}


def test_a_checkpoint_is_scored_on_a_catalogue_that_its_run_did_not_know(trained, tmp_path):
    place = "flanjax.tasks.mini.prose:CATALOGUE"  # the run's own mixture is not in it
    flags = [f"--checkpoint={trained[1]}", f"--catalog={place}", f"--output={tmp_path}"]
    call("eval", *flags, "--cluster=text", "--max_examples=4")
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    ((scored,),) = report["stages"].values()
    assert [task["task"] for task in scored["tasks"]] == ["mini_text"]
    assert report["certificate"]["held_out"] == "entailment"


def test_a_run_is_scored_by_what_lies_in_its_directory(trained, tmp_path):
    """Though it was moved since, and its tokenizer's file is gone."""
    _, folder, _, report = trained
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    told = json.loads((moved / "experiment.json").read_text("utf-8"))
    told["model_dir"] = str(tmp_path / "elsewhere")
    told["tokenizer"] |= {"kind": "sentencepiece", "path": "gone.model"}
    (moved / "experiment.json").write_text(json.dumps(told), "utf-8")
    call("eval", f"--model_dir={moved}")
    written = report_of(moved / "eval" / "report")
    assert written["stages"] == {"checkpoint": report["stages"]["after"][:1]}
    assert not (tmp_path / "elsewhere").exists()
    assert written["facts"]["config"] == fingerprint(model_dir.read_experiment(moved))


def test_what_a_run_would_start_from_is_scored_without_a_checkpoint(trained, tmp_path):
    family, folder, _, report = trained
    bound = {**SHARED, **FAMILIES[family], "MODEL_DIR": f"'{tmp_path / 'new'}'"}
    flags = [f"--gin_file={ROOT / 'gin_configs' / 'runs' / family}.gin", f"--output={tmp_path}"]
    gin = [f"--gin.{name}={value}" for name, value in bound.items()]
    call("eval", *flags, *gin)
    untrained = report_of(tmp_path / "report")
    assert untrained["stages"] == {"untrained": report["stages"]["before"][:1]}
    assert untrained["facts"]["checkpoint"] == "untrained"
    started = f"--gin.INITIAL_CHECKPOINT_PATH='{folder}'"
    call("eval", *flags, *gin, started)
    begun = report_of(tmp_path / "report")
    assert begun["stages"] == {"before": report["stages"]["after"][:1]}
    assert begun["facts"]["checkpoint"] == str(folder)
    scores = predictions(tmp_path / "report", "before")
    assert scores == predictions(folder / "report", "after")[: len(scores)]
    # What a map leaves out begins as the run would begin it.
    call("eval", *flags, *gin, started, "--gin.RestoreConfig.assignment_map=((r'.*', None),)")
    assert (
        predictions(tmp_path / "report", "before")
        == predictions(folder / "report", "before")[: len(scores)]
    )
    missing = ["--gin.INITIAL_CHECKPOINT_PATH='/nowhere'"]
    assert "got /nowhere" in flanjax("eval", *flags, *gin, *missing, code=1).stderr


def test_where_a_report_cannot_go_is_told_before_anything_is_scored(trained, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    ended = flanjax("eval", f"--model_dir={trained[1]}", f"--output={tmp_path / 'file'}", code=1)
    assert "--output must be a directory that can be written, got" in ended.stderr
    assert "scoring" not in ended.output


def test_generate_answers_as_the_evaluation_did(trained):
    _, folder, _, _ = trained
    rows = [row for row in predictions(folder / "report", "after") if row["scores"] is None][:6]
    prompts = [f"--prompt={row['inputs']}" for row in rows]
    printed = call("generate", f"--checkpoint={folder}", *prompts, "--max_length=8", "--json")
    answers = json.loads(printed)
    assert [(answer["prompt"], answer["answer"]) for answer in answers] == [
        (row["inputs"], row["prediction"]) for row in rows
    ]
    assert any(answer["answer"] for answer in answers)
    assert all(answer["score"] < 0 for answer in answers)


def test_evaluation_writes_as_the_gin_files_say(trained, tmp_path):
    family, folder, _, _ = trained
    flags = [f"--model_dir={folder}", "--cluster=struct_to_text", f"--output={tmp_path / 'beam'}"]
    how = {"DecodeConfig.method": "'beam'", "DecodeConfig.num_beams": "2"}
    bound = {**SHARED, **FAMILIES[family], "MODEL_DIR": f"'{folder}'", **how}
    flags += [f"--gin_file={ROOT / 'gin_configs' / 'runs' / family}.gin"]
    call("eval", *flags, *(f"--gin.{name}={value}" for name, value in bound.items()))
    rows = [
        row
        for row in predictions(tmp_path / "beam" / "report", "checkpoint")
        if row["scores"] is None
    ]
    prompts = [f"--prompt={row['inputs']}" for row in rows[:6]]
    asked = ("--num_beams=2", "--max_length=8", "--json")
    answers = json.loads(call("generate", f"--checkpoint={folder}", *prompts, *asked))
    assert [answer["answer"] for answer in answers] == [row["prediction"] for row in rows[:6]]


def test_prompts_that_are_cut_are_told_beside_the_answers(trained):
    _, folder, _, _ = trained
    prompts = ["--prompt=short", f"--prompt={'long ' * 400}"]
    ended = flanjax("generate", f"--checkpoint={folder}", *prompts, "--max_length=2", "--json")
    assert "1 of 2 prompts were longer than 48 tokens, and lost their end" in ended.stderr
    assert len(json.loads(ended.stdout)) == 2


def test_an_answer_ends_where_a_stop_text_begins(trained):
    _, folder, _, _ = trained
    rows = [row for row in predictions(folder / "report", "after") if row["scores"] is None]
    prompts = {row["prediction"]: row["inputs"] for row in rows}  # one for each answer
    stops = [answer[1:3] for answer in prompts if len(answer) > 3]
    assert stops
    flags = [f"--prompt={prompt}" for prompt in prompts.values()]
    flags += ["--max_length=8", f"--stop={stops[0]}", "--json"]
    answers = json.loads(call("generate", f"--checkpoint={folder}", *flags))
    assert [answer["answer"] for answer in answers] == [
        answer.partition(stops[0])[0] for answer in prompts
    ]


def test_second_run_begins_with_the_weights_of_the_first(trained, tmp_path):
    family, first, _, report = trained
    bindings = {
        "INITIAL_CHECKPOINT_PATH": f"'{first}'",
        "TRAIN_STEPS": "2",
        "RANDOM_SEED": "5",
        "OptimizerConfig.name": "'adafactor'",
    }
    train(family, tmp_path / "run", **bindings)
    second = report_of(tmp_path / "run" / "report")
    assert second["stages"]["before"] == report["stages"]["after"]
    found = predictions(tmp_path / "run" / "report", "before")
    assert found == predictions(first / "report", "after")
    assert predictions(tmp_path / "run" / "report", "after") != found


@pytest.mark.parametrize(
    ("family", "objective"),
    [
        ("mini_decoder", "causal_lm"),
        ("mini_decoder", "prefix_lm"),
        ("mini_decoder", "span_corruption"),
        ("mini_t5", "span_corruption"),
    ],
)
def test_loss_of_every_objective_falls(tmp_path, family, objective):
    gin_file = f"--gin_file={ROOT / 'gin_configs' / 'objectives' / objective}.gin"
    train(family, tmp_path / "run", gin_file, **{"EvalConfig.before_and_after": "False"})
    losses = list(logged(tmp_path / "run").values())
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.2


def test_scores_on_the_way_stand_between_before_and_after(tmp_path):
    on_the_way = {"TrainConfig.eval_period": "3", "EvalConfig.score_seen_clusters": "False"}
    train("mini_decoder", tmp_path / "run", **on_the_way)
    stages = report_of(tmp_path / "run" / "report")["stages"]
    assert list(stages) == ["before", "step 3", "after"]
    means = [clusters[0]["mean"] for clusters in stages.values()]
    assert [clusters[0]["cluster"] for clusters in stages.values()] == ["entailment"] * 3
    assert len(predictions(tmp_path / "run" / "report", "step 3")) > 0
    assert all(0 <= mean <= 100 for mean in means)


def test_a_run_that_was_cut_tells_all_that_it_scored(tmp_path, monkeypatch):
    bindings = {
        "TrainConfig.eval_period": "2", "TrainConfig.checkpoint_period": "2",
        "EvalConfig.score_seen_clusters": "False",
    }  # fmt: skip
    train("mini_decoder", tmp_path / "whole", **bindings)
    scored = []

    def score(experiment, parts, records, params, stage, console):
        scored.append(stage)
        if stage == "step 4" and scored.count(stage) == 1:
            raise MemoryError("cut")
        return rightly(experiment, parts, records, params, stage, console)

    rightly = scoring.score
    monkeypatch.setattr(scoring, "score", score)
    with pytest.raises(AssertionError, match="cut"):
        train("mini_decoder", tmp_path / "cut", **bindings)
    resumed = train("mini_decoder", tmp_path / "cut", **bindings)
    assert "resumed from step 4" in resumed
    assert scored == ["before", "step 2", "step 4", "step 4", "after"]
    whole, cut = (report_of(tmp_path / name / "report") for name in ("whole", "cut"))
    assert list(cut["stages"]) == ["before", "step 2", "step 4", "after"]
    assert (cut["stages"], cut["changes"]) == (whole["stages"], whole["changes"])
    for stage in cut["stages"]:
        found = (predictions(tmp_path / name / "report", stage) for name in ("whole", "cut"))
        assert next(found) == next(found)
    again = train("mini_decoder", tmp_path / "cut", **bindings | {"EvalConfig.max_examples": "3"})
    for step in (2, 4):
        assert (
            f"not in the report: step {step}, which was scored with another evaluation.m" in again
        )
    assert "before, which" not in again
    assert list(report_of(tmp_path / "cut" / "report")["stages"]) == ["before", "after"]


def test_fewer_steps_than_are_done_are_refused(trained):
    experiment = model_dir.read_experiment(trained[1])
    assert start.latest_step(experiment) == 6
    fewer = dataclasses.replace(experiment.train, steps=3)
    with pytest.raises(ValueError, match="TRAIN_STEPS must be at least the 6 steps that MODEL_DIR"):
        start.latest_step(dataclasses.replace(experiment, train=fewer))


def test_the_report_counts_the_records_that_were_not_scored(trained):
    tasks = [task for cluster in trained[3]["stages"]["after"] for task in cluster["tasks"]]
    assert {task["num_examples"] for task in tasks} == {4}
    assert {task["num_unsampled"] for task in tasks} == {296}  # of 300 validation records


def test_each_checkpoint_carries_the_config_of_its_run(trained):
    _, folder, _, _ = trained
    written = json.loads((folder / "experiment.json").read_text("utf-8"))
    config = folder / "checkpoints" / SHARED["TRAIN_STEPS"] / "config" / "metadata"
    assert json.loads(config.read_text("utf-8")) == written
