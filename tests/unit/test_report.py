"""Reports of written-down scores: table, JSON, page, predictions."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import re
import xml.etree.ElementTree

import pytest

from flanjax.evaluation import report
from flanjax.evaluation.comparison import Change, change_text, compare, is_clear, runs_text
from flanjax.evaluation.page import render_page
from flanjax.evaluation.plot import bar_plot
from flanjax.evaluation.results import Certificate, TemplateScore
from tests.unit.reports import CERTIFICATE, FACTS, cells, cluster, printed, task_report, two_stages


def test_the_table_gives_each_task_its_scores_errors_and_change():
    lines = printed(report.terminal_table(two_stages(), certificate=CERTIFICATE, facts=FACTS))
    # Changes of rte: 10 and 20, mean 15, standard error 5. Both changes of snli: 10.
    assert cells(lines, "rte") == "rte 2x2 33.3 41.0 40.0±2.5 55.0±2.5 +15.0±5.0 4.2"
    assert cells(lines, "snli") == "snli 2x2 33.3 41.0 30.0±2.5 40.0±2.5 +10.0±0.0 4.2"
    # The cluster: means 35 and 47.5, errors sqrt(2.5² + 2.5²) / 2 and sqrt(5² + 0²) / 2.
    assert cells(lines, "nli") == "nli * 35.0±1.8 47.5±1.8 +12.5±2.5"
    # Changes of headlines: 20 and -20, mean 0, standard error 20.
    assert cells(lines, "headlines") == "headlines 2x2 - - 20.0±2.5 20.0±2.5 +0.0±20.0 4.2"


def test_the_held_out_cluster_comes_first_and_is_marked():
    lines = printed(report.terminal_table(two_stages(), certificate=CERTIFICATE))
    text = "\n".join(lines)
    assert text.index("nli *") < text.index("summary")
    assert "* held out: training never saw this cluster." in text
    without = "\n".join(printed(report.terminal_table(two_stages())))
    assert without.index("summary") < without.index("nli")
    assert "held out" not in without


def test_other_clusters_keep_the_order_in_which_they_were_scored():
    names = ("trained_z", "seen_a", "nli")
    stages = {"after": [cluster(name, task_report(f"{name}_task")) for name in names]}
    certificate = CERTIFICATE._replace(trained=("trained_z_task",))
    assert [(row.cluster, row.status) for row in compare(stages, certificate)] == [
        ("nli", "held out"),
        ("trained_z", "trained on"),
        ("seen_a", "not trained on"),
    ]


def test_the_table_fits_80_columns_and_holds_no_colour_codes_outside_a_terminal():
    long = "a_dataset_whose_name_is_longer_than_any_column"
    stages = {
        name: [cluster("nli", task_report(long, (100.0, 100.0), num_examples=12345))]
        for name in ("before", "middle", "after")
    }
    lines = printed(report.terminal_table(stages, certificate=CERTIFICATE, facts=FACTS))
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "\n".join(lines)
    assert "12345x2" in "\n".join(lines)
    assert "middle" not in "\n".join(lines)
    assert "…" not in "\n".join(lines)


def test_names_are_never_read_as_markup():
    stages = {"[red]x": [cluster("[bold]c", task_report("t"))]}
    text = "\n".join(printed(report.terminal_table(stages, facts={"seed": "[b]1"})))
    assert text.count("[red]x") == 2  # the column and the caption
    assert "[bold]c" in text
    assert "[b]1" in text


def test_one_stage_has_no_change():
    lines = printed(report.terminal_table({"checkpoint": [cluster("nli", task_report("rte"))]}))
    assert cells(lines, "rte") == "rte 2x2 33.3 41.0 75.0±2.5 4.2"
    assert "change" not in "\n".join(lines)


def test_exemplars_without_room_are_told_of_the_last_stage():
    tasks = [task_report(f"task{number}", num_shots_dropped=499 * number) for number in range(6)]
    text = " ".join(
        " ".join(printed(report.terminal_table({"after": [cluster("nli", *tasks)]}))).split()
    )
    told = "499 of task1, 998 of task2, 1,497 of task3 and 2 more."
    assert f"Exemplars left out of prompts without room for them: {told}" in text
    none = printed(report.terminal_table({"after": [cluster("nli", task_report("rte"))]}))
    assert not any("Exemplars" in line for line in none)


def test_tasks_that_no_mean_counts_are_told():
    gaps = {f"task{number}": "has no validation split; name another." for number in range(7)}
    scored = dataclasses.replace(cluster("nli", task_report("rte")), not_scored=gaps)
    lines = printed(report.terminal_table({"after": [scored]}))
    told = "task0, task1, task2, task3, task4 and 2 more."
    assert f"Not scored, and in no mean: {told}" in " ".join(" ".join(lines).split())
    text = Reader(page({"after": [scored]})).text
    assert "in the mean: task0 (has no validation split; name another), task1 (has" in text


def test_the_page_is_called_after_what_it_shows():
    others = [cluster(name, task_report(f"{name}_1")) for name in "abcd"]
    for shown, title in (
        (others[:1], "Scores of a"),
        (others, "Scores of a, b, c and 1 more"),
        ([*others, cluster("nli", task_report("rte"))], "nli held out"),
    ):
        text = Reader(page({"checkpoint": shown})).text  # of a run that held out nli
        assert f"{title} \u00b7 flanjax report" in text


def test_one_seed_is_called_one_seed():
    assert runs_text({"seed": "7"}).startswith("One run, one seed (7)")
    assert runs_text({"seed": "7", "seeds": "1, 2, 3"}) == "Seeds: 1, 2, 3."
    assert runs_text({}) == ""
    text = " ".join(printed(report.terminal_table(two_stages(), facts=FACTS)))
    assert "One run, one seed (7)" in text


@pytest.mark.parametrize(
    ("change", "text", "clear"),
    [
        (Change(9.84, 2.06), "+9.8 ± 2.1", True),
        (Change(-9.84, None), "\N{MINUS SIGN}9.8", False),
        (Change(-0.04, 0.01), "+0.0 ± 0.0", True),
        (Change(-5.0, 2.5), "\N{MINUS SIGN}5.0 ± 2.5", False),
        (None, "-", None),
    ],
)
def test_changes_read_with_their_sign_and_are_clear_beyond_two_errors(change, text, clear):
    assert change_text(change) == text
    if change is not None:
        assert is_clear(change) is clear


def test_the_json_file_holds_facts_certificate_scores_and_changes(tmp_path):
    files = report.write_report(
        tmp_path / "new", two_stages(), facts=FACTS, certificate=CERTIFICATE
    )
    plain = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert sorted(plain) == ["certificate", "changes", "facts", "schema", "stages"]
    assert plain["facts"] == FACTS
    assert plain["certificate"]["held_out"] == "nli"
    assert plain["certificate"]["dropped"] == dict(CERTIFICATE.dropped)
    assert [c["cluster"] for c in plain["stages"]["after"]] == ["summary", "nli"]
    assert plain["stages"]["after"][1]["tasks"][0]["mean"] == 55
    change = plain["changes"]["nli"]
    assert (change["from"], change["to"], change["value"]) == ("before", "after", 12.5)
    assert change["tasks"]["rte"] == {"value": 15.0, "standard_error": pytest.approx(5.0)}
    assert files == {
        "html": str(tmp_path / "new" / "report.html"),
        "json": str(tmp_path / "new" / "report.json"),
        "predictions": str(tmp_path / "new" / "predictions.jsonl"),
    }


def test_each_prediction_is_one_line_that_names_stage_and_cluster(tmp_path):
    report.write_report(tmp_path, two_stages(), facts={}, certificate=None)
    lines = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["stage"], row["cluster"], row["task"]) for row in rows] == [
        ("before", "summary", "headlines"),
        ("before", "nli", "rte"),
        ("before", "nli", "snli"),
        ("after", "summary", "headlines"),
        ("after", "nli", "rte"),
        ("after", "nli", "snli"),
    ]
    assert rows[0]["scores"] == [-2.0, -1.0]


def test_a_report_replaces_an_older_one_whole_and_leaves_nothing_beside_it(tmp_path):
    for _ in range(2):
        report.write_report(tmp_path, two_stages(), facts=FACTS, certificate=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "predictions.jsonl",
        "report.html",
        "report.json",
    ]


def test_a_report_that_cannot_be_made_touches_nothing(tmp_path):
    broken = {"after": [cluster("nli", task_report("rte", template_std=math.nan))]}
    with pytest.raises(ValueError, match="nan"):
        report.write_report(tmp_path / "new", broken, facts={}, certificate=None)
    assert not (tmp_path / "new").exists()


def test_text_with_broken_characters_is_still_written(tmp_path):
    row = dict(task_report("rte").predictions[0], inputs="bad \udc80 byte")
    stages = {"after": [cluster("nli", task_report("rte", predictions=(row,)))]}
    report.write_report(tmp_path, stages, facts={}, certificate=None)
    line = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["inputs"] == "bad \udc80 byte"


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"before": []}, r"must have a scored cluster, got none in stages \['before'\]"),
        (
            {"before": [cluster("nli", task_report("a")), cluster("nli", task_report("a"))]},
            "stage 'before' must score a cluster once, got nli twice",
        ),
    ],
)
def test_stages_without_or_with_doubled_clusters_are_refused(stages, message):
    with pytest.raises(ValueError, match=message):
        report.terminal_table(stages)


class Reader(html.parser.HTMLParser):
    """Collects what the page holds, and checks that its tags nest."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":  # which has no end
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def page(stages=None, certificate=CERTIFICATE, facts=FACTS) -> str:
    return render_page(stages or two_stages(), facts=facts, certificate=certificate)


def test_the_page_asks_for_nothing_from_outside_and_runs_nothing():
    text = page()
    tags = Reader(text).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not any(name in attrs for _, attrs in tags for name in ("src", "href", "onclick"))
    assert not re.search(r"https?:|url\(|@import", text)


def test_the_page_escapes_every_text_that_comes_from_data_or_configuration():
    evil = "<script>alert('x')</script>&\""
    row = dict.fromkeys(("inputs", "targets", "prediction", "uid"), evil)
    row |= {"template": 0, "references": [evil], "options": [evil], "task": evil, "scores": None}
    found = task_report(
        evil,
        metric=evil,
        left_out={evil: 1},
        templates=(TemplateScore(0, evil, 50.0, {}),),
        predictions=(row,),
    )
    certificate = Certificate(evil, evil, (evil,), (evil,), {evil: evil})
    stages = {key: [cluster(evil, found)] for key in (evil, evil + "2")}
    text = page(stages, certificate, {evil: evil})
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 20
    Reader(text)


def test_the_page_can_be_read_without_seeing_it():
    reader = Reader(page())
    names = [tag for tag, _ in reader.tags]
    assert ("html", {"lang": "en"}) in reader.tags
    assert names.count("title") >= 1 == names.count("h1")
    plots = [attrs for tag, attrs in reader.tags if tag == "svg" and attrs.get("role") == "img"]
    assert plots[0]["aria-label"] == (
        "rte, accuracy; before 40.0 ± 2.5; after 55.0 ± 2.5; chance 33.3; majority 41.0"
    )
    hidden = [a for tag, a in reader.tags if tag == "svg" and a.get("aria-hidden") == "true"]
    assert len(plots) + len(hidden) == names.count("svg")
    assert all("scope" in attrs for tag, attrs in reader.tags if tag == "th")


def test_the_page_tells_hold_out_drops_notes_and_facts():
    noted = task_report(
        "rte",
        num_unsampled=1200,
        num_truncated=3,
        num_shots_dropped=5,
        left_out={"the task's rule leaves it out": 1},
        num_inverted=2,
    )
    text = Reader(page({"after": [cluster("nli", noted)]})).text
    for said in (
        "nli held out",
        "Training never saw the cluster nli (rte, snli)",
        "cluster paraphrase is close to nli: same question",
        "headlines, mood",
        "2 inverted templates not scored.",
        "1,200 further records not drawn.",
        "3 of 4 prompts were cut to the input length.",
        "5 exemplars left out of prompts that had no room.",
        "1 record left out: the task's rule leaves it out.",
        "One run, one seed (7)",
        "flanjax train --gin.MODEL_DIR='x'",
        "abc123",
    ):
        assert said in text
    nothing = CERTIFICATE._replace(held_out=None, tested=())
    text = Reader(page({"after": [cluster("nli", noted)]}, nothing)).text
    assert "No cluster was held out: nothing scored here counts as unseen." in text


def test_the_page_calls_a_change_clear_only_beyond_two_standard_errors():
    text = Reader(page()).text
    assert "+15.0 ± 5.0 · better" in text  # rte
    assert "+0.0 ± 20.0 · no clear change" in text  # headlines
    fall = {
        "before": [cluster("nli", task_report("rte", (60.0, 62.0)))],
        "after": [cluster("nli", task_report("rte", (40.0, 44.0)))],
    }
    assert "\N{MINUS SIGN}19.0 ± 1.0 · worse" in Reader(page(fall)).text


def test_bars_whiskers_dots_and_baselines_stand_at_their_scores():
    stages = {"before": task_report("rte", (40.0, 40.0)), "after": task_report("rte", (99.0, 99.0))}
    root = xml.etree.ElementTree.fromstring(bar_plot(stages))
    drawn = [(node.tag, node.get("class"), node.attrib) for node in root]
    widths = [a["width"] for tag, _, a in drawn if tag == "rect"]
    assert widths == ["40.00%", "99.00%"]
    dots = [(kind, a["cx"]) for tag, kind, a in drawn if tag == "circle"]
    assert dots == [
        ("dot first", "37.00%"),
        ("dot first", "43.00%"),
        ("dot last", "96.00%"),
        ("dot last", "100.00%"),
    ]
    whiskers = [(a["x1"], a["x2"]) for _, kind, a in drawn if kind == "whisker"]
    assert whiskers[0] == ("37.50%", "42.50%")
    assert whiskers[3] == ("96.50%", "100.00%")
    assert [a["x1"] for _, kind, a in drawn if kind == "chance"] == ["33.33%"]
    assert [a["x1"] for _, kind, a in drawn if kind == "majority"] == ["41.00%"]
    assert next(node.text for node in root.iter("title")) == "template 0: 37.0"


def test_a_score_without_error_or_chance_has_neither_whisker_nor_line():
    found = task_report("bleu", standard_error=None, chance=None, majority=None)
    root = xml.etree.ElementTree.fromstring(bar_plot({"after": found}))
    kinds = {node.get("class") for node in root}
    assert not kinds & {"whisker", "chance", "majority"}
