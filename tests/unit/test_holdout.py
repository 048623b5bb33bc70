"""How a hold-out is written, and what it leaves out."""

from __future__ import annotations

import dataclasses

import pytest

from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out, intra_cluster, resolve, without_missing
from flanjax.data.task import TaskCluster, UnavailableError
from flanjax.tasks.flan2021 import CATALOGUE
from flanjax.tasks.mini import CATALOGUE as MINI


def names_of(rule: str) -> list[str]:
    return [task.name for task in resolve(CATALOGUE, rule).test.tasks]


def test_a_rule_names_clusters_or_single_tasks_or_a_numbered_split() -> None:
    commonsense = [task.name for task in CATALOGUE.cluster("commonsense").tasks]
    sentiment = [task.name for task in CATALOGUE.cluster("sentiment").tasks]
    assert names_of("sentiment") == sentiment
    assert names_of("commonsense+sentiment") == commonsense + sentiment
    assert names_of("task:rte+cb") == ["rte", "cb"]
    assert resolve(CATALOGUE, "task:rte+cb").test.name == "task_rte_cb"
    assert resolve(CATALOGUE, "intra:2") == intra_cluster(CATALOGUE)[2]


def test_two_held_out_clusters_are_not_left_out_for_each_other() -> None:
    assert set(resolve(CATALOGUE, "nli").spared) == {"paraphrase"}
    assert not resolve(CATALOGUE, "nli+paraphrase").spared


def test_variants_of_a_held_out_task_are_not_trained_on() -> None:
    split = hold_out(CATALOGUE, "task:anli_r1", closure=False)
    assert split.dropped["anli_r2"] == "is a variant of anli_r1"
    assert "rte" in {task.name for task in split.train.tasks()}


def test_a_task_without_training_split_is_dropped_and_never_trained_on() -> None:
    split = hold_out(CATALOGUE, "sentiment")
    assert split.dropped["wsc273"] == "has no training split: it is for evaluation only"
    assert "wsc273" not in {task.name for task in CATALOGUE.mixture("flan2021").tasks()}
    assert "wsc273" in names_of("coreference")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nil", "cluster must be one of catalogue flan2021, got 'nil'; did you mean nli"),
        ("nli+sentimnt", "got 'sentimnt'; did you mean sentiment"),
        ("task:rta", "task must be one of catalogue flan2021, got 'rta'; did you mean rte"),
        ("intra:99", "hold-out intra:99 must count below 11, got 99; count from 0"),
        ("rte", "a hold-out must name a cluster, got the task rte; write task:rte"),
        ("task:nli", "hold-out task:nli must name tasks, got the cluster nli; write nli alone"),
        ("nli,commonsense", "must join names by '[+]', got 'nli,commonsense'"),
        ("", "must join names by '[+]', got ''"),
        ("nli+nli", "hold-out nli[+]nli must name each once"),
        ("task:rte+rte", "hold-out task:rte[+]rte must name each once"),
        ("intra:x", "a hold-out must read CLUSTER, .* got 'intra:x'"),
        ("tasks:rte", "a hold-out must read CLUSTER, .* got 'tasks:rte'"),
    ],
)
def test_a_rule_that_names_nothing_is_refused(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hold_out(CATALOGUE, rule)


def test_a_wider_catalogue_keeps_the_exclusions() -> None:
    mine = TaskCluster("mine", MINI.tasks()[:1])
    wider = CATALOGUE.extended("wider", mine)
    split = hold_out(wider, "nli")
    assert "glue_mrpc" in split.dropped
    assert "mini_comparisons" in {task.name for task in split.train.tasks()}


def test_a_catalogue_is_made_of_clusters_with_names_of_their_own() -> None:
    mine = TaskCluster("mine", MINI.tasks()[:1])
    with pytest.raises(ValueError, match="its name must not be that of a cluster, got mine"):
        Catalogue("mine", (mine,))
    with pytest.raises(ValueError, match="clusters must be TaskClusters, got a Catalogue"):
        Catalogue("wider", (mine, CATALOGUE))
    with pytest.raises(ValueError, match=r"tasks must be a tuple, got a Task; write \(TASK,\)"):
        TaskCluster("mine", MINI.tasks()[0])


def test_a_name_that_a_users_catalogue_uses_again_is_refused() -> None:
    mine = dataclasses.replace(MINI.tasks()[0], name="rte")
    with pytest.raises(ValueError, match="must stand in one cluster, got rte in nli and mine"):
        Catalogue("mine", (*CATALOGUE.clusters, TaskCluster("mine", (mine,))))


def test_a_mixture_goes_on_without_what_is_missing_but_not_without_all() -> None:
    whole = MINI.mixture("sentiment")
    first, *others = (task.name for task in whole.tasks())
    weighted = dataclasses.replace(whole, weights={first: 2.0, **dict.fromkeys(others, 1.0)})
    left = without_missing(weighted, {first: "no file"})
    assert [task.name for task in left.tasks()] == others
    assert left.weights == dict.fromkeys(others, 1.0)
    assert left.name == whole.name
    with pytest.raises(UnavailableError, match=r"data is here, got none; first: no file"):
        without_missing(whole, dict.fromkeys([first, *others], "no file"))
