"""The miniature's world, its table and its page."""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Any

import pytest

from benchmarks.mini import grid, page, plots, records, table, tasks
from benchmarks.mini.__main__ import (
    DOCUMENT,
    DOCUMENTS,
    EMBEDDED,
    PUBLISHED,
    RESULTS,
)
from benchmarks.mini.bag_of_words import BagOfWords
from benchmarks.mini.world import fingerprint
from flanjax.model_dir import write_json
from flanjax.tasks.mini import CATALOGUE as MINI


def result(study: str, held: str, score: float, **changed: Any) -> dict[str, Any]:
    """Returns a run's result: two tasks, two points apart around a score."""
    run = grid.Run(study, "t5", 0, held)._replace(**changed)
    known = {"chance": 50.0, "majority": 60.0}
    tasks = {"a": {"mean": score - 1, **known}, "b": {"mean": score + 1, **known}}
    return {"run": run._asdict(), "held_out": dict.fromkeys(run.held, tasks), "num_clusters": 3}


# --- the world ---------------------------------------------------------------


def test_the_world_is_the_one_that_was_frozen() -> None:
    """Whoever changes it adds a row with the reason and the new fingerprint."""
    changes = DOCUMENT.read_text("utf-8").split("## Changes of the world")[1]
    last = [line for line in changes.splitlines() if line.startswith("| 2")][-1]
    assert f"`{fingerprint(*PUBLISHED)}`" in last


def test_a_fingerprint_tells_worlds_apart() -> None:
    assert fingerprint(*PUBLISHED) != fingerprint(*EMBEDDED)


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


def test_frequent_topics_count_for_less_than_even_ones() -> None:
    assert records.even(collections.Counter("abab")) == 2
    assert records.even(collections.Counter("aaaaaaaaab")) == pytest.approx(100 / 82)
    assert records.even(collections.Counter("a")) == 1


def test_every_task_tells_how_many_topics_are_scored() -> None:
    cluster = MINI.cluster("commonsense")
    small = dataclasses.replace(MINI, clusters=(cluster,), exclusions=())
    rows = {name: rest for name, *rest in records.rows(small, 10)}
    assert rows.keys() == {task.name for task in cluster.tasks}
    for name, (scored, alike, trained) in rows.items():
        assert 1 <= float(alike) <= int(scored) <= 10, name
        assert int(trained.replace(",", "")) > int(scored), name


# --- the table ---------------------------------------------------------------


def test_a_cell_is_the_mean_over_seeds_with_its_standard_error() -> None:
    results = [result("tuned", "nli", score, seed=n) for n, score in enumerate((40, 50, 60))]
    cell = table.held_out(results)[table.Cell("t5", "nli", "tuned")]
    assert cell.mean == 50
    assert cell.error == pytest.approx(10 / 3**0.5)  # sample deviation 10, three seeds
    assert cell.text() == "50.0 ± 5.8"
    assert table.over_seeds([4.0]).text("+") == "+4.0"  # one value has no error
    assert table.over_seeds([-0.04]).text("+") == "+0.0"


def test_differences_are_taken_over_clusters() -> None:
    results = [result("tuned", "nli", 60), result("tuned", "qa", 50)]
    results += [result("nearest", "nli", 50), result("nearest", "qa", 52)]
    found = table.differences(results, "t5")["nearest"]
    assert (found.value.mean, found.num_better, found.num_clusters) == (4, 1, 2)
    assert found.value.error == pytest.approx(6)  # of 10 and -2


def test_other_wordings_are_compared_with_models_without_inverted_templates() -> None:
    results = [result("tuned", "nli", 60), result("uninverted", "nli", 52)]
    results += [result("shuffled", "nli", 50)]
    found = table.differences(results, "t5", reference="uninverted")
    assert {name: of.value.mean for name, of in found.items()} == {"shuffled": 2}
    lines = table.markdown(results, "t5").splitlines()
    heads, *_, uninverted, tuned = ([c.strip() for c in line.split("|")] for line in lines)
    place = heads.index("shuffled")
    assert (uninverted[1], uninverted[place]) == ("uninverted less column", "+2.0")
    assert (tuned[1], tuned[place]) == ("tuned less column", "+10.0")


def test_a_difference_is_of_the_seeds_that_both_have() -> None:
    """Else a seed that only one of them has would count as what tuning adds."""
    results = [result("tuned", "nli", score, seed=n) for n, score in enumerate((40, 70, 80))]
    results += [result("shuffled", "nli", 30), result("words", "nli", 50, family="words")]
    results += [result("dataset_name", "nli", 50, seed=1), result("nearest", "nli", 50, seed=3)]
    found = table.differences(results, "t5")
    assert {name: of.value.mean for name, of in found.items()} == {
        "shuffled": 10,
        "dataset_name": 20,
        "words": pytest.approx(40 / 3),
    }


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
        result("wording", "nli", 47, changed="instruction"),
        result("wording", "nli", 33, changed="none"),
        result("size", "nli", 42, size="large"),
        result("together", "nli", 50),
        result("tuned", "nli", 60),  # holds out less: no part of a line
    ]

    def places(study: str) -> list[tuple[float, float]]:
        return [(point.x, point.value.mean) for point in table.line(results, study, "nli").points]

    assert places("clusters") == [(1, 40), (2, 44), (3, 50)]
    assert places("templates") == [(4, 41), (10, 47)]  # none of the first seven is inverted
    assert places("size") == [(1, 50), (2, 42)]


def test_a_line_is_of_the_seeds_that_all_its_points_have() -> None:
    """Else a seed that only some points have would bend it."""
    results = [result("clusters", "nli", 40 + 5 * n, changed="1", seed=n) for n in (0, 1, 2)]
    results += [result("together", "nli", 50 + 10 * n, seed=n) for n in (0, 1)]
    found = table.line(results, "clusters", "nli")
    assert found.seeds == (0, 1)
    assert [point.value.mean for point in found.points] == [42.5, 55]
    assert table.line(results[2:4], "clusters", "nli") == ((), [], [])


def test_a_line_of_sizes_has_what_each_size_started_from() -> None:
    results = [result("together", "nli", 50), result("size", "nli", 42, size="large")]
    results += [result("text", "nli", 40), result("text", "nli", 60, seed=1)]
    results += [result("text", "nli", 47, size="large"), result("text", "nli", 9, family="decoder")]
    found = table.line(results, "size", "nli")
    assert [(point.x, point.value.mean) for point in found.untuned] == [(1, 40), (2, 47)]
    assert not table.line(results, "clusters", "nli").untuned


def test_wordings_stand_from_none_to_instructions() -> None:
    results = [
        result("together", "nli", 50),
        result("wording", "nli", 45, changed="shuffled"),
        result("wording", "nli", 40, changed="none"),
        result("wording", "nli", 90, changed="none", seed=1),
        result("wording", "nli", 48, changed="instruction"),
    ]
    found = table.wordings(results, "nli")
    assert [(name, value.mean) for name, value in found.items()] == [
        ("none", 40),
        ("shuffled", 45),
        ("instruction", 48),
        ("with inverted", 50),
    ]


def test_a_task_is_told_untuned_held_out_and_trained_on() -> None:
    results = [result("text", "nli", 40), result("tuned", "nli", 50), result("shuffled", "nli", 9)]
    results += [result("tuned", "nli", 54, seed=1), result("tuned", "qa", 0, family="decoder")]
    results[1]["seen"] = {"other": {"c": {"mean": 70.0, "chance": None, "majority": None}}}
    rows = {name: rest for name, *rest in tasks.rows(results, "t5")}
    assert rows == {
        "a": ["50.0", "60.0", "39.0", "51.0 ± 2.0", "-"],
        "b": ["50.0", "60.0", "41.0", "53.0 ± 2.0", "-"],
        "c": ["-", "-", "-", "-", "70.0"],
    }


def test_results_of_two_worlds_make_no_table(tmp_path) -> None:
    for world in ("one", "two"):
        write_json(tmp_path / f"{world}.json", {"world": world})
    with pytest.raises(ValueError, match="must be of one world, got one, two; remove"):
        table.read(tmp_path)


def test_models_of_unlike_patience_make_no_table(tmp_path) -> None:
    for seed, steps in enumerate(("200", "1000")):
        told = result("tuned", "nli", 50, seed=seed) | {"world": "one", "facts": {"steps": steps}}
        write_json(tmp_path / f"{seed}.json", told)
    wanted = "tuned models of t5 in .* must have equally many steps, got 200, 1000; remove"
    with pytest.raises(ValueError, match=wanted):
        table.read(tmp_path)


def test_what_was_trained_on_counts_once_for_each_seed() -> None:
    """Runs of one seed share their model of text: their errors are not independent."""
    tasks = {score: {"a": {"mean": score}} for score in (40, 50, 60)}
    results = [result("tuned", "qa", 0) | {"seen": {"nli": tasks[score]}} for score in (40, 60)]
    results += [result("tuned", "qa", 0, seed=1) | {"seen": {"nli": tasks[60]}}]
    assert table.seen(results, "t5")["nli"] == table.Value(55.0, pytest.approx(5.0), 2)


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
    assert [cell.strip() for cell in lines[2].split("|")[2:4]] == ["50.0", "60.0"]  # the floors
    assert len({line.count("|") for line in lines}) == 1


def test_a_cluster_s_change_is_paired_by_seed() -> None:
    results = [result("tuned", "nli", score, seed=seed) for seed, score in enumerate((50, 62, 90))]
    results += [result("text", "nli", score, seed=seed) for seed, score in ((0, 40), (1, 48))]
    cell = table.Cell("t5", "nli", "tuned")
    assert table.over_pairs(results, cell) == table.Value(12.0, 2.0, 2)
    assert table.over_pairs(results[:3], cell) is None
    row = table.markdown(results, "t5").splitlines()[2].split("|")
    assert row[-3].strip() == "+12.0 ± 2.0"


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
        "": "Encoder-decoder", "chance": "50.0", "majority": "60.0", "untuned": "-", "words": "-",
        "nearest": "51.0", "dataset_name": "-", "shuffled": "-", "uninverted": "-",
        "tuned": "55.0", "trained on": "55.0",
    }  # fmt: skip
    assert dict(zip(rows[0], rows[3], strict=True))["nearest"] == "+4.0 ± 4.0"
    assert rows[4][0] == "Causal model"


# --- the page ----------------------------------------------------------------


def test_bars_are_as_long_as_their_scores_and_stay_inside() -> None:
    values = {"a": table.Value(25.0, 5.0, 3), "b": table.Value(101.0, None, 1)}
    drawn = plots.bars(values, floor={"chance": 50.0, "majority": 60.0}, label="scores")
    assert re.findall(r'<rect [^>]*width="([^"]+)"', drawn) == ["25.00%", "100.00%"]
    assert '<line class="whisker" x1="20.00%" x2="30.00%"' in drawn
    assert '<line class="chance" x1="50.00%"' in drawn
    assert '<line class="majority" x1="60.00%"' in drawn


def test_a_chart_joins_its_points_from_left_to_right() -> None:
    points = [
        table.Point(x, table.Value(score, None, 1)) for x, score in ((1, 0), (2, 50), (4, 100))
    ]
    ticks = {1: "1", 2: "2", 4: "4"}
    drawn = plots.chart(points, ticks=ticks, floor={}, before=points[:2], label="scores")
    dots = re.findall(r'<circle class="own" cx="([^"]+)" cy="([^"]+)"', drawn)
    assert dots == [("0.00%", "150.0"), ("33.33%", "75.0"), ("100.00%", "0.0")]  # to scale
    assert drawn.count('class="series"') == 2
    assert drawn.count('class="untuned"') == 1


def test_the_page_shows_what_there_is_and_asks_for_nothing() -> None:
    results = [
        result("tuned", "entailment", 50),
        result("text", "entailment", 40),
        result("together", "+".join(grid.PROBED), 48),
        result("templates", "+".join(grid.PROBED), 45, changed="1"),
        result("wording", "+".join(grid.PROBED), 43, changed="none"),
        result("wording", "+".join(grid.PROBED), 47, changed="instruction"),
        result("size", "+".join(grid.PROBED), 44, size="small"),
        result("words", "entailment", 45, family="words"),
    ]
    drawn = page.render(results)
    assert "entailment held out; untuned 40.0; words 45.0; tuned 50.0" in drawn
    assert "by wordings of each task; 1 45.0; all 47.0" in drawn
    assert "none 43.0; instruction 47.0; with inverted 48.0" in drawn
    assert "wordings of each task; one seed" in drawn
    assert "7 runs in a small" in drawn  # the bag of words was not trained
    assert "more clusters?" not in drawn  # nothing of it was run
    assert not re.search(r"(src|href)=|<script|https?:", drawn)


# --- the bag of words --------------------------------------------------------


def test_the_bag_of_words_learns_which_words_are_right() -> None:
    prompts = ["Is it so?"] * 4
    options = [["yes", "no"], ["no", "yes"]] * 2
    right = [0, 1, 0, 1]  # always "yes", wherever it stands
    scores = BagOfWords.fitted(prompts, options, right).score(["Is it?"], [["no", "yes"]])
    assert scores[0].argmax() == 1
