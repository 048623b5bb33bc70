"""Stages that could not score the same tasks, side by side all the same."""

from __future__ import annotations

import json
import re

from flanjax.evaluation import report
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
    assert "The change leaves out what one stage alone scored: snli." in drawn
    for table in re.findall(r"<table>.*?</table>", drawn, re.S):
        widths = {len(re.findall(r"<t[hd]", line)) for line in table.split("<tr>")[1:]}
        assert len(widths) == 1
