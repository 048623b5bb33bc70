"""A catalogue to browse: its data by hand, its page, and the verb."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flanjax.cli.main import main
from flanjax.data.catalogue import Catalogue
from flanjax.data.render import render
from flanjax.data.task import TaskCluster, Template
from flanjax.explore.content import content
from flanjax.explore.lengths import EDGES, histogram, lengths, num_bytes, num_words
from flanjax.explore.samples import sample, shown
from flanjax.explore.shares import hold_outs
from flanjax.tasks.flan2021 import CATALOGUE as FLAN

SST2, RTE, CB = (FLAN.task(name) for name in ("sst2", "rte", "cb"))
SMALL = Catalogue("small", (TaskCluster("tone", (SST2,)), TaskCluster("logic", (RTE, CB))))
SIZES = {"sst2": 30_000, "rte": 2_290, "cb": 200}


def call(*args: str) -> Result:
    return CliRunner().invoke(main, ["tasks", "explore", *args], prog_name="flanjax")


def of(catalogue: Catalogue) -> dict[str, Any]:
    sampled = {task.name: sample(task) for task in catalogue.tasks()}
    return content(catalogue, sampled, place="here:IT")


def with_rows(folder: pathlib.Path, num: int) -> str:
    """Writes RTE's training rows, so many of which are left for training."""
    place = folder / "tfds/super_glue/rte"
    place.mkdir(parents=True)
    for split, rows in (("train", num + 200), ("validation", 3)):
        lines = [
            json.dumps({"premise": f"{split} {n}", "hypothesis": "so", "label": n % 2})
            for n in range(rows)
        ]
        (place / f"{split}.jsonl").write_text("\n".join(lines))
    return str(folder)


def test_a_task_is_told_as_its_author_wrote_it() -> None:
    task = of(SMALL)["tasks"][1]
    assert (task["name"], task["cluster"], task["mode"], task["version"]) == (
        "rte", "logic", "rank", 1,
    )  # fmt: skip
    assert task["splits"] == [
        {"name": "train", "rows": 2_290, "cut": "train[:-200]"},
        {"name": "validation", "rows": 200, "cut": "train[-200:]"},
        {"name": "test", "rows": 277, "cut": "validation"},
    ]
    assert task["size"] == {"examples": 2_290, "origin": "published"}
    for name in ("license", "citation"):
        assert task[name] == getattr(RTE, name)
    for name in ("metrics", "corpora", "fields"):
        assert task[name] == list(getattr(RTE, name))
    assert task["source"] == RTE.source.describe()
    assert (task["is_trainable"], task["is_extractive"], task["missing"]) == (True, False, "")


def test_templates_that_tasks_share_stand_there_once() -> None:
    found = of(Catalogue("m", (TaskCluster("c", (*FLAN.cluster("nli").tasks, SST2)),)))
    places = {task["name"]: task["wording"] for task in found["tasks"]}
    assert places["mnli_matched"] == places["mnli_mismatched"] != places["rte"]
    assert len(found["wordings"]) == len(set(places.values()))
    inverted = found["wordings"][places["sst2"]][8]
    assert inverted == {
        "inputs": [
            ["Write a ", "answer"],
            [" snippet of the kind found in movie columns."],
        ],
        "targets": [["", "sentence"]],
        "inverted": True,
    }


def filled(pieces: list[list[str]], values: dict[str, str]) -> str:
    return "".join(piece[0] + (values[piece[1]] if piece[1:] else "") for piece in pieces)


def test_pieces_and_values_are_all_that_a_prompt_is_made_of() -> None:
    found = of(FLAN)
    num = 0
    for task, told in zip(FLAN.tasks(), found["tasks"], strict=True):
        for each, plain in zip(sample(task).shown, told["samples"], strict=True):
            for place, wording in enumerate(found["wordings"][told["wording"]]):
                example = render(task, each.record, template=place)
                assert example is not None and plain["cut"] == {}
                assert filled(wording["inputs"], plain["values"]) == example.inputs
                assert filled(wording["targets"], plain["values"]) == example.targets
                num += 1
    assert num > 2_000


def test_shots_are_other_samples() -> None:
    samples = shown(SST2, sample(SST2).shown)
    assert [each["origin"] for each in samples] == [f"hand-written {n}" for n in (1, 2, 3)]
    assert [sorted(each["shots"]) for each in samples] == [[1, 2], [0, 2], [0, 1]]
    assert samples[1]["options"] == ["negative", "positive"]


def test_a_long_value_is_cut_and_the_rest_counted() -> None:
    long = {"sentence": "x" * 4_321, "label": 1}
    (plain,) = shown(SST2, sample(dataclasses.replace(SST2, examples=(long,))).shown)
    assert plain["values"]["sentence"] == "x" * 4_000
    assert plain["cut"] == {"sentence": 321}


def test_data_that_is_there_is_shown_measured_and_counted(tmp_path: pathlib.Path) -> None:
    found = sample(RTE, data_dir=with_rows(tmp_path, 250))
    assert [each.origin.rpartition(" ")[0] for each in found.shown] == (
        ["hand-written"] * 3 + ["train row"] * 3
    )
    row = int(found.shown[3].origin.rpartition(" ")[2])
    assert found.shown[3].record["premise"] == f"train {row - 1}"
    assert (len(found.measured), found.origin, found.missing) == (200, "train", "")
    assert (found.size.examples, found.size.origin) == (250, "read")


def test_data_that_is_not_there_is_told_and_no_error(tmp_path: pathlib.Path) -> None:
    found = sample(CB, data_dir=str(tmp_path))
    assert "task cb: " in found.missing and "super_glue/cb" in found.missing
    assert found[:4] == sample(CB)[:4]


def test_a_task_without_records_by_hand_is_read(tmp_path: pathlib.Path) -> None:
    bare = dataclasses.replace(RTE, examples=())
    data_dir = with_rows(tmp_path, 5)
    assert [len(part) for part in sample(bare, data_dir=data_dir)[:2]] == [3, 5]
    nothing = sample(bare)
    assert (nothing.shown, nothing.measured) == ((), ()) and nothing.missing
    catalogue = Catalogue("bare", (TaskCluster("logic", (bare,)),))
    assert of(catalogue)["tasks"][0]["lengths"] is None


def test_bins_and_quantiles_by_hand() -> None:
    assert EDGES[:9] == (1, 2, 3, 4, 6, 8, 12, 16, 24)
    assert histogram([9, 3, 2, 3]) == {
        "first": 1, "counts": [1, 2, 0, 0, 1], "median": 3, "p90": 9, "max": 9,
    }  # fmt: skip
    assert histogram([7, *[5] * 10]) == {
        "first": 3, "counts": [10, 1], "median": 5, "p90": 5, "max": 7,
    }  # fmt: skip


def test_words_are_cut_by_white_space_and_bytes_are_utf_8() -> None:
    assert (num_words("  two\nwords "), num_words("")) == (2, 0)
    assert (num_bytes("aé\u2028"), num_bytes("\ud800")) == (6, 3)


def test_lengths_are_those_of_every_wording_of_every_record() -> None:
    task = dataclasses.replace(
        SST2, templates=(Template("Say: {sentence}"), Template("{sentence} Yes?"))
    )
    records = [{"sentence": "a b c", "label": 1}, {"sentence": "é", "label": 0}]
    found = lengths(task, records, origin="hand-written")
    assert found is not None
    assert {name: found[name] for name in ("origin", "records", "renders")} == {
        "origin": "hand-written", "records": 2, "renders": 4,
    }  # fmt: skip
    # Words: 4, 4, 2, 2. Bytes of the targets: "positive" and "negative", twice each.
    assert found["words"]["inputs"] == {
        "first": 1, "counts": [2, 0, 2], "median": 2, "p90": 4, "max": 4,
    }  # fmt: skip
    assert found["bytes"]["inputs"]["max"] == len("Say: a b c")
    assert found["bytes"]["targets"]["counts"] == [4]


def test_shares_follow_the_rate_cap_under_every_hold_out() -> None:
    found = {split["rule"]: split for split in hold_outs(SMALL, SIZES)}
    assert [(rule, split["kind"]) for rule, split in found.items()] == [
        ("", "nothing"), ("tone", "cluster"), ("logic", "cluster"),
        ("intra:0", "intra"), ("intra:1", "intra"),
    ]  # fmt: skip
    counted = {"sst2": 3_000, "rte": 2_290, "cb": 200}
    for rule, trained in (
        ("", ("sst2", "rte", "cb")),
        ("tone", ("rte", "cb")),
        ("logic", ("sst2",)),
    ):
        total = sum(counted[name] for name in trained)
        expected = {name: pytest.approx(counted[name] / total, abs=1e-6) for name in trained}
        assert found[rule]["shares"] == expected
    assert found["logic"]["tested"] == ["rte", "cb"]
    assert found["intra:0"]["tested"] == ["rte"]


def test_what_is_left_out_is_told_with_its_reason() -> None:
    found = {split["rule"]: split for split in of(FLAN)["hold_outs"]}
    assert found[""]["dropped"] == {"wsc273": "has no training split: it is for evaluation only"}
    assert found["nli"]["dropped"]["squad_v1"] == "shares the source squad with qnli"
    assert found["nli"]["dropped"]["paws_wiki"].startswith("cluster paraphrase is close to nli")
    for split in found.values():
        told = [*split["shares"], *split["tested"], *split["dropped"], *split["unsized"]]
        assert sorted(told) == sorted(task.name for task in FLAN.tasks())


def test_a_task_of_unknown_size_has_no_share() -> None:
    nothing = hold_outs(SMALL, {"sst2": 30_000, "rte": 2_290})[0]
    assert list(nothing["shares"]) == ["sst2", "rte"]
    assert nothing["unsized"] == ["cb"]
    assert hold_outs(SMALL, {})[0]["shares"] == {}


def test_a_hold_out_that_leaves_nothing_says_so() -> None:
    alone = Catalogue("alone", (TaskCluster("tone", (SST2,)),))
    nothing, tone = hold_outs(alone, SIZES)
    assert nothing["shares"] == {"sst2": 1.0}
    assert "hold_out must leave a task to train on" in tone["error"]


def test_the_verb_writes_one_file_and_tells_its_size(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "new" / "explore"
    for _ in range(2):  # the second overwrites the first
        result = call(f"--out={out}")
        assert result.exit_code == 0, result.output
        page = out / "index.html"
        size = page.stat().st_size
        assert result.stdout == f"wrote {page} ({size:,} bytes)\n"
        assert 100_000 < size < 5_000_000
        assert list(out.iterdir()) == [page]


def test_the_verb_shows_any_catalogue_and_reads_data(tmp_path: pathlib.Path) -> None:
    result = call(f"--out={tmp_path}", "--catalog=mini")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "index.html").read_text("utf-8")
    assert '"place":"mini"' in text and '"origin":"train row ' in text


def test_the_verb_needs_a_place_that_can_be_made(tmp_path: pathlib.Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for out in ("taken", "taken/below"):
        result = call(f"--out={tmp_path / out}")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(
            f"flanjax: error: out must be a directory that can be made, got {tmp_path / out} ("
        )
        assert result.stderr.endswith("; name another.\n")
    assert call().exit_code == 2
    assert "Missing option '--out'" in call().stderr
