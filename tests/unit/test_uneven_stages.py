"""Stages that could not score the same tasks, side by side all the same."""

from __future__ import annotations

import dataclasses
import json
import re

from flanjax.evaluation import report
from flanjax.evaluation.page import render_page
from tests.unit.reports import CERTIFICATE, FACTS, cells, cluster, printed, two_stages


def test_a_task_that_one_stage_could_not_score_leaves_the_rest_standing(tmp_path):
    """A report must not be lost, after all the training, for one metric."""
    stages = two_stages()
    stages["before"][1] = cluster("nli", stages["before"][1].tasks[0])
    lines = printed(report.terminal_table(stages, certificate=CERTIFICATE))
    assert cells(lines, "snli").count(" - ") >= 2
    report.write_report(str(tmp_path), stages, facts=FACTS, certificate=CERTIFICATE)
    changes = json.loads((tmp_path / "report.json").read_text("utf-8"))["changes"]["nli"]
    assert changes["value"] == 15 and list(changes["tasks"]) == ["rte"]
    drawn = (tmp_path / "report.html").read_text("utf-8")
    assert "The change leaves out what only one stage scored so: snli." in drawn
    for table in re.findall(r"<table>.*?</table>", drawn, re.S):
        widths = {len(re.findall(r"<t[hd]", line)) for line in table.split("<tr>")[1:]}
        assert len(widths) == 1


def test_a_task_of_two_metrics_has_no_change_and_the_page_says_so():
    stages = two_stages()
    rte, snli = stages["before"][1].tasks
    stages["before"][1] = cluster("nli", rte, dataclasses.replace(snli, metric="pearson"))
    drawn = render_page(stages, facts=FACTS, certificate=CERTIFICATE)
    assert "only one stage scored so: snli." in drawn
    whole = render_page(two_stages(), facts=FACTS, certificate=CERTIFICATE)
    assert "only one stage" not in whole
