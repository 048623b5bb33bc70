"""The miniature's grid, its table and its page."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import click
import pytest

from benchmarks.mini import execute, grid, page, plots, table
from benchmarks.mini.__main__ import (
    DEVELOPED,
    DOCUMENT,
    DOCUMENTS,
    PUBLISHED,
    RESULTS,
    _is_wanted,
    _make_all,
    _without_idle_texts,
)
from benchmarks.mini.bag_of_words import BagOfWords
from benchmarks.mini.world import fingerprint
from flanjax import gin_bridge
from flanjax.model_dir import EXPERIMENT, write_json
from flanjax.tasks.mini import CATALOGUE
from flanjax.train.checkpoint import Checkpoints

RUNS = list(grid.every_run(CATALOGUE))


def result(study: str, held: str, score: float, **changed: Any) -> dict[str, Any]:
    """Returns a run's result: two tasks, two points apart around a score."""
    run = grid.Run(study, "t5", 0, held)._replace(**changed)
    known = {"chance": 50.0, "majority": 60.0}
    tasks = {"a": {"mean": score - 1, **known}, "b": {"mean": score + 1, **known}}
    return {"run": run._asdict(), "held_out": dict.fromkeys(run.held, tasks), "num_clusters": 3}


# --- the grid ----------------------------------------------------------------


def test_no_two_runs_share_a_name() -> None:
    assert len({run.name for run in RUNS}) == len(RUNS)


def test_each_cluster_is_held_out_of_three_seeds_of_both_families() -> None:
    clusters = [cluster.name for cluster in CATALOGUE.clusters]
    wanted = sorted((f, c, s) for f in grid.FAMILIES for c in clusters for s in (0, 1, 2))
    for study in ("tuned", "shuffled", "dataset_name", "nearest"):
        runs = [run for run in RUNS if run.study == study]
        assert sorted((run.family, held, run.seed) for run in runs for held in run.held) == wanted


def test_clusters_that_leave_the_same_share_a_run() -> None:
    held = [name.split("+") for name in grid.held_in_turn(CATALOGUE)]
    assert ["entailment", "paraphrase"] in held
    assert ["reading_comprehension", "coreference"] in held
    assert len(held) == 9
    for names in held:
        alone = {tuple(grid.allowed(CATALOGUE, name)) for name in names}
        assert alone == {tuple(grid.allowed(CATALOGUE, "+".join(names)))}


def test_a_model_of_text_comes_before_what_starts_from_it() -> None:
    made: set[str] = set()
    for run in RUNS:
        assert run.study == "text" or run.text.name in made
        made.add(run.name)


def test_the_short_grid_tunes_both_families() -> None:
    wanted = [(run.study, run.family) for run in RUNS if _is_wanted(run, True, ())]
    assert sorted(wanted) == sorted(itertools.product(("text", "tuned"), grid.FAMILIES))


def test_seeds_are_made_one_after_another() -> None:
    seeds = [run.seed for run in RUNS]
    assert seeds == sorted(seeds)


def test_what_is_near_a_held_out_cluster_is_not_trained_on() -> None:
    assert "paraphrase" not in grid.allowed(CATALOGUE, "entailment")
    assert len(grid.allowed(CATALOGUE, "entailment")) == 9
    assert len(grid.allowed(CATALOGUE, "sentiment")) == 10
    assert len(grid.allowed(CATALOGUE, "+".join(grid.PROBED))) == 7  # as in FLAN 2021


def test_nearest_clusters_may_be_trained_on() -> None:
    for held, nearest in grid.NEAREST.items():
        assert nearest in grid.allowed(CATALOGUE, held)


def test_each_seed_adds_clusters_in_an_order_of_its_own() -> None:
    orders = [grid.added_in_turn(CATALOGUE, "sentiment", seed) for seed in grid.SEEDS]
    assert len(set(map(tuple, orders))) == 3
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


@pytest.mark.parametrize("study", sorted({run.study for run in RUNS}))
def test_the_settings_of_every_study_are_a_run(study: str) -> None:
    run = next(run for run in reversed(RUNS) if run.study == study)
    bindings = ["MODEL_DIR='m'", "TOKENIZER_PATH='t'", *run.bindings]
    if study != "text":
        bindings += [f"HOLD_OUT='{run.hold_out}'", "INITIAL_CHECKPOINT_PATH='text'"]
    model = f"models/miniature_{run.family}_{run.size}.gin"
    experiment = gin_bridge.load([run.gin_file, model], bindings).experiment
    assert experiment.data.hold_out == run.hold_out
    if study == "clusters":
        assert len(experiment.ablation.clusters or ()) == int(run.changed)
    if study == "templates":
        assert experiment.ablation.num_templates == int(run.changed)
    if study in ("shuffled", "dataset_name", "wording"):
        assert experiment.ablation.wording == (run.changed or study)
    if study == "nearest":
        assert {(grid.NEAREST[held],) for held in run.held} == {experiment.ablation.clusters}
    if study == "size":
        assert experiment.model.d_model == {"small": 64, "large": 192}[run.size]
    assert experiment.evaluation.max_decode_length == 32


def test_a_run_waits_for_its_text_and_for_no_other(tmp_path, monkeypatch) -> None:
    """A large model reads for long; the other core goes on meanwhile with what it can."""
    place = execute.Place(tmp_path, tmp_path, "a:B", "a:C")
    text, large = grid.Run("text", "t5", 0), grid.Run("text", "t5", 0, size="large")
    tuned, size = grid.Run("tuned", "t5", 0, "topics"), grid.Run("size", "t5", 0, "a", "large")
    is_read, is_tuned, made = threading.Event(), threading.Event(), []

    def make(run: grid.Run, place: execute.Place) -> None:
        if run == text:
            assert is_read.wait(10)  # the large one has started beside it
        if run == large:
            is_read.set()
            assert is_tuned.wait(10)
        if run == tuned:
            is_tuned.set()
        made.append(run)

    monkeypatch.setattr("benchmarks.mini.__main__.make", make)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        _make_all([text, large, size, tuned], place, pool, 2)
    assert made == [text, tuned, large, size]


def test_a_failing_verb_names_its_run(tmp_path) -> None:
    place = execute.Place(tmp_path, tmp_path, "no.such:CATALOGUE", "no.such:TEXT")
    with pytest.raises(RuntimeError, match=r"text-t5-base-0: .*no\.such"):
        execute.make(grid.Run("text", "t5", 0), place)
    assert not list(tmp_path.glob("*.json"))


def test_a_model_of_text_is_made_again_where_runs_start_from_it(tmp_path) -> None:
    """Scores are committed, models are not: a fresh WORK has the first alone."""
    place = execute.Place(tmp_path / "work", tmp_path / "results", "a:B", "a:C")
    text, tuned = grid.Run("text", "t5", 0), grid.Run("tuned", "t5", 0, "entailment")
    place.results.mkdir()
    write_json(place.result(text), {})
    assert not place.is_made(text)
    assert _without_idle_texts([text, tuned], place) == [text, tuned]
    write_json(place.result(tuned), {})
    assert place.is_made(tuned)
    assert _without_idle_texts([text, tuned], place) == []
    checkpoints = place.model(text) / "checkpoints"
    (checkpoints / "400").mkdir(parents=True)
    write_json(place.model(text) / EXPERIMENT, {"train": {"steps": 500}})
    assert not place.is_made(text)  # cut short after a save, not at its end
    saving = checkpoints / "500.orbax-checkpoint-tmp-1"
    saving.mkdir()
    assert not place.is_made(text)
    saving.rename(saving.with_name("500"))
    assert place.is_made(text)
    assert Checkpoints(place.model(text)).latest_step() == 500
    assert place.is_made(text)


def test_a_made_run_is_not_made_again(tmp_path, monkeypatch) -> None:
    place = execute.Place(tmp_path, tmp_path, "a:B", "a:C")
    write_json(place.result(RUNS[1]), {"kept": True})
    monkeypatch.setattr(execute, "_train", lambda *_: pytest.fail("it was trained"))
    execute.make(RUNS[1], place)
    assert "kept" in place.result(RUNS[1]).read_text("utf-8")


def test_what_fails_stands_in_the_log(tmp_path) -> None:
    place = execute.Place(tmp_path, tmp_path, "no.such:CATALOGUE", "no.such:TEXT")
    with pytest.raises(RuntimeError):
        execute.make(grid.Run("text", "t5", 0), place)
    log = (tmp_path / "logs" / "text-t5-base-0.log").read_text("utf-8")
    assert log.startswith("$ flanjax train ")
    assert "no.such" in log.splitlines()[-1]


def test_a_verb_that_ends_with_a_status_fails(tmp_path, monkeypatch) -> None:
    verb = click.Command("verb", callback=lambda: click.get_current_context().exit(3))
    monkeypatch.setattr(execute, "main", verb)
    with pytest.raises(
        RuntimeError, match=r"^text: a verb must end with 0, got 3; see .*text\.log"
    ):
        execute._flanjax(execute.Place(tmp_path, tmp_path, "", ""), log="text")


_PARENT = """
import os, pathlib, sys, time
from benchmarks.mini.execute import Place, start_workers
if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    with start_workers(Place(folder, folder, "", ""), 1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def test_workers_end_with_a_grid_that_is_killed(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    root = str(DOCUMENT.parents[1])
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(300):
        if not pathlib.Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on for half a minute")


# --- the world ---------------------------------------------------------------


def test_the_world_is_the_one_that_was_frozen() -> None:
    """Whoever changes it adds a row with the reason and the new fingerprint."""
    changes = DOCUMENT.read_text("utf-8").split("## Changes of the world")[1]
    last = [line for line in changes.splitlines() if line.startswith("| 2")][-1]
    assert f"`{fingerprint(*PUBLISHED)}`" in last


def test_a_fingerprint_tells_worlds_apart() -> None:
    assert fingerprint(*PUBLISHED) != fingerprint(*DEVELOPED)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_documented_tables_are_those_of_the_results(path) -> None:
    text = path.read_text("utf-8")
    assert "<!-- summary -->" in text or path == DOCUMENT
    assert table.documented(text, table.read(RESULTS)) == text


def test_a_table_is_put_between_its_marks() -> None:
    text = "a <!-- t5 --> old <!-- t5 ends --> b <!-- decoder --><!-- decoder ends --> c"
    found = table.documented(text, [result("tuned", "nli", 50)])
    assert "old" not in found
    assert re.fullmatch(r"a <!-- t5 -->\n.*\| nli .* 50\.0 .*<!-- t5 ends --> b .* c", found, re.S)
    assert table.documented(found, [result("tuned", "nli", 50)]) == found


# --- the table ---------------------------------------------------------------


def test_a_cell_is_the_mean_over_seeds_with_its_standard_error() -> None:
    results = [result("tuned", "nli", score, seed=n) for n, score in enumerate((40, 50, 60))]
    cell = table.held_out(results)[table.Cell("t5", "nli", "tuned")]
    assert cell.mean == 50
    assert cell.error == pytest.approx(10 / 3**0.5)  # sample deviation 10, three seeds
    assert cell.text() == "50.0 ± 5.8"
    assert table.over_seeds([4.0]).text("+") == "+4.0"  # one value has no error


def test_differences_are_taken_over_clusters() -> None:
    results = [result("tuned", "nli", 60), result("tuned", "qa", 50)]
    results += [result("nearest", "nli", 50), result("nearest", "qa", 52)]
    found = table.differences(results, "t5")["nearest"]
    assert (found.value.mean, found.num_better, found.num_clusters) == (4, 1, 2)
    assert found.value.error == pytest.approx(6)  # of 10 and -2


def test_a_baseline_stands_beside_both_families() -> None:
    words = result("words", "nli", 45, family="words")
    for family in grid.FAMILIES:
        tuned = result("tuned", "nli", 60, family=family)
        row = table.cells([words, tuned], family)["nli"]
        assert {name: value.mean for name, value in row.items()} == {"words": 45, "tuned": 60}


def test_a_line_holds_the_run_that_changes_nothing() -> None:
    results = [
        result("clusters", "nli", 40, changed="1"),
        result("clusters", "nli", 44, changed="2"),
        result("templates", "nli", 41, changed="4"),
        result("size", "nli", 42, size="large"),
        result("together", "nli", 50),
        result("tuned", "nli", 60),  # holds out less: no part of a line
    ]

    def places(study: str) -> list[tuple[float, float]]:
        return [(point.x, point.value.mean) for point in table.line(results, study, "nli")]

    assert places("clusters") == [(1, 40), (2, 44), (3, 50)]
    assert places("templates") == [(4, 41), (10, 50)]
    assert places("size") == [(1, 50), (2, 42)]


def test_wordings_stand_from_none_to_instructions() -> None:
    results = [
        result("together", "nli", 50),
        result("wording", "nli", 45, changed="shuffled"),
        result("wording", "nli", 40, changed="none"),
    ]
    found = table.wordings(results, "nli")
    assert [(name, value.mean) for name, value in found.items()] == [
        ("none", 40),
        ("shuffled", 45),
        ("instruction", 50),
    ]


def test_results_of_two_worlds_make_no_table(tmp_path) -> None:
    for world in ("one", "two"):
        write_json(tmp_path / f"{world}.json", {"world": world})
    with pytest.raises(ValueError, match="must be of one world, got one, two; remove"):
        table.read(tmp_path)


def test_another_size_is_no_part_of_the_table() -> None:
    results = [result("tuned", "nli", 50), result("text", "nli", 10, size="large")]
    assert table.cells(results, "t5")["nli"].keys() == {"tuned"}


def test_a_table_has_a_row_for_each_cluster() -> None:
    results = [result("tuned", "nli", 50), result("tuned", "qa", 30)]
    lines = table.markdown(results, "t5").splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "nli",
        "qa",
        "tuned less column",
    ]
    assert lines[2].split("|")[2].strip() == "50.0"  # chance
    assert len({line.count("|") for line in lines}) == 1


def test_a_summary_is_over_the_clusters_of_options() -> None:
    results = [result("tuned", "nli", 60), result("tuned", "qa", 50), result("nearest", "nli", 52)]
    results += [result("nearest", "qa", 50), result("text", "nli", 40)]
    written = result("tuned", "talk", 90)  # no options, no chance
    for task in written["held_out"]["talk"].values():
        task["chance"] = None
    results[0]["seen"] = {"nli": results[0]["held_out"]["nli"], "qa": results[1]["held_out"]["qa"]}
    lines = [line.split("|")[1:-1] for line in table.summary([*results, written]).splitlines()]
    rows = [[cell.strip() for cell in line] for line in lines]
    named = dict(zip(rows[0], rows[2], strict=True))
    assert named == {
        "": "Encoder-decoder", "chance": "50.0", "untuned": "-", "words": "-", "nearest": "51.0",
        "dataset_name": "-", "shuffled": "-", "tuned": "55.0", "trained on": "55.0",
    }  # fmt: skip
    assert dict(zip(rows[0], rows[3], strict=True))["nearest"] == "+4.0 ± 4.0"
    assert rows[4][0] == "Causal model"


# --- the page ----------------------------------------------------------------


def test_bars_are_as_long_as_their_scores_and_stay_inside() -> None:
    values = {"a": table.Value(25.0, 5.0, 3), "b": table.Value(101.0, None, 1)}
    drawn = plots.bars(values, chance=50.0, label="scores")
    assert re.findall(r'<rect [^>]*width="([^"]+)"', drawn) == ["25.00%", "100.00%"]
    assert '<line class="whisker" x1="20.00%" x2="30.00%"' in drawn
    assert '<line class="chance" x1="50.00%"' in drawn


def test_a_chart_joins_its_points_from_left_to_right() -> None:
    points = [
        table.Point(x, table.Value(score, None, 1)) for x, score in ((1, 0), (2, 50), (4, 100))
    ]
    drawn = plots.chart(points, ticks={1: "1", 2: "2", 4: "4"}, floor={}, label="scores")
    dots = re.findall(r'<circle class="own" cx="([^"]+)" cy="([^"]+)"', drawn)
    assert dots == [("0.00%", "150.0"), ("50.00%", "75.0"), ("100.00%", "0.0")]
    assert drawn.count('class="series"') == 2


def test_the_page_shows_what_there_is_and_asks_for_nothing() -> None:
    results = [
        result("tuned", "entailment", 50),
        result("text", "entailment", 40),
        result("together", "+".join(grid.PROBED), 48),
        result("templates", "+".join(grid.PROBED), 45, changed="1"),
        result("wording", "+".join(grid.PROBED), 43, changed="none"),
    ]
    drawn = page.render(results)
    assert "entailment held out; untuned 40.0; tuned 50.0" in drawn
    assert "by wordings of each task; 1 45.0; 10 48.0" in drawn
    assert "none 43.0; instruction 48.0" in drawn
    assert "more clusters?" not in drawn  # nothing of it was run
    assert not re.search(r"(src|href)=|<script|https?:", drawn)


# --- the bag of words --------------------------------------------------------


def test_the_bag_of_words_learns_which_words_are_right() -> None:
    prompts = ["Is it so?"] * 4
    options = [["yes", "no"], ["no", "yes"]] * 2
    right = [0, 1, 0, 1]  # always "yes", wherever it stands
    scores = BagOfWords.fitted(prompts, options, right).score(["Is it?"], [["no", "yes"]])
    assert scores[0].argmax() == 1
