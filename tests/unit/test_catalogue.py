"""Holding out, and rates, on four tasks of FLAN 2021."""

from __future__ import annotations

import dataclasses

import pytest

from flanjax.data.catalogue import Catalogue, Exclusion, Mixture, rates
from flanjax.data.holdout import hold_out
from flanjax.data.task import TaskCluster
from flanjax.tasks.flan2021 import CATALOGUE as FLAN2021

CATALOGUE = Catalogue(
    "flan2021",
    clusters=(
        TaskCluster("sentiment", (FLAN2021.task("sst2"),)),
        TaskCluster("entailment", (FLAN2021.task("rte"),)),
        TaskCluster("paraphrase", (FLAN2021.task("glue_mrpc"),)),
        TaskCluster("summarization", (FLAN2021.task("aeslc"),)),
    ),
    exclusions=(
        Exclusion("paraphrase", "entailment", "a paraphrase is entailment in both directions"),
    ),
)
SIZES = {"sst2": 67_349, "rte": 2_490, "glue_mrpc": 3_668, "aeslc": 14_436}


def names(mixture: Mixture) -> list[str]:
    return [task.name for task in mixture.tasks()]


@pytest.mark.parametrize(
    ("cluster", "other", "dropped"),
    [("entailment", "paraphrase", "glue_mrpc"), ("paraphrase", "entailment", "rte")],
)
def test_paraphrase_and_entailment_are_not_trained_on_for_each_other(
    cluster: str, other: str, dropped: str
) -> None:
    split = hold_out(CATALOGUE, cluster)
    assert names(split.train) == ["sst2", "aeslc"]
    assert split.test.name == cluster
    assert split.dropped == {
        dropped: f"cluster {other} is close to {cluster}: "
        "a paraphrase is entailment in both directions"
    }


def test_holding_out_sentiment_drops_nothing_else() -> None:
    split = hold_out(CATALOGUE, "sentiment")
    assert names(split.train) == ["rte", "glue_mrpc", "aeslc"]
    assert [task.name for task in split.test.tasks] == ["sst2"]
    assert split.dropped == {}


def test_a_task_built_on_a_held_out_source_is_dropped() -> None:
    sst2 = CATALOGUE.task("sst2")
    summaries = dataclasses.replace(CATALOGUE.task("aeslc"), name="critic_summaries")
    summaries = dataclasses.replace(summaries, corpora=("movie_pages", *sst2.corpora))
    catalogue = Catalogue(
        "wider",
        (*CATALOGUE.clusters, TaskCluster("opinion", (summaries,))),
        CATALOGUE.exclusions,
    )
    split = hold_out(catalogue, "sentiment")
    assert names(split.train) == ["rte", "glue_mrpc", "aeslc"]
    assert split.dropped == {
        "critic_summaries": "shares the source rotten_tomatoes_reviews with sst2"
    }


def test_no_training_task_shares_a_source_with_any_held_out_cluster() -> None:
    for cluster in CATALOGUE.clusters:
        split = hold_out(CATALOGUE, cluster.name)
        held_out = {corpus for task in split.test.tasks for corpus in task.corpora}
        assert held_out
        for task in split.train.tasks():
            assert not held_out & set(task.corpora)


def test_an_unknown_cluster_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="got 'entailement'; did you mean entailment"):
        hold_out(CATALOGUE, "entailement")


def test_holding_out_the_only_cluster_of_a_mixture_is_an_error() -> None:
    with pytest.raises(ValueError, match="got none of sentiment without sentiment"):
        hold_out(CATALOGUE, "sentiment", mixture=CATALOGUE.mixture("sentiment"))


def test_rates_follow_sizes_capped_at_3000() -> None:
    # min(size, 3000): 3000 + 2490 + 3000 + 3000 = 11490
    assert rates(CATALOGUE.mixture("flan2021"), SIZES) == pytest.approx(
        {
            "sst2": 3000 / 11490,
            "rte": 2490 / 11490,
            "glue_mrpc": 3000 / 11490,
            "aeslc": 3000 / 11490,
        }
    )


def test_rates_of_a_hold_out_sum_to_one_over_what_is_left() -> None:
    train = hold_out(CATALOGUE, "paraphrase").train
    assert rates(train, SIZES) == pytest.approx({"sst2": 0.5, "aeslc": 0.5})


def test_temperature_flattens_rates() -> None:
    mixture = dataclasses.replace(
        CATALOGUE.mixture("flan2021"), rate_cap=10_000, max_examples=3_600, temperature=2.0
    )
    sizes = {"sst2": 67_349, "rte": 2_500, "glue_mrpc": 400, "aeslc": 100}
    # square roots of 3600, 2500, 400, 100: 60 + 50 + 20 + 10 = 140
    assert rates(mixture, sizes) == pytest.approx(
        {"sst2": 60 / 140, "rte": 50 / 140, "glue_mrpc": 20 / 140, "aeslc": 10 / 140}
    )


def test_explicit_weights_replace_sizes_and_follow_a_hold_out() -> None:
    mixture = dataclasses.replace(
        CATALOGUE.mixture("flan2021"), weights={"sst2": 1.0, "rte": 5.0, "aeslc": 3.0}
    )
    train = hold_out(CATALOGUE, "entailment", mixture=mixture).train
    assert rates(train, SIZES) == pytest.approx({"sst2": 0.25, "aeslc": 0.75})


def test_a_task_without_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="must have examples, got none of rte"):
        rates(CATALOGUE.mixture("flan2021"), {**SIZES, "rte": 0})


def test_duplicates_are_refused() -> None:
    sst2 = CATALOGUE.task("sst2")
    with pytest.raises(ValueError, match="got sst2 in sentiment and opinion"):
        Catalogue("twice", (CATALOGUE.cluster("sentiment"), TaskCluster("opinion", (sst2,))))
    with pytest.raises(ValueError, match="a task must stand in it once, got sst2 twice"):
        Mixture("twice", (CATALOGUE.mixture("flan2021"), sst2))
    renamed = TaskCluster("sentiment", (dataclasses.replace(sst2, name="other"),))
    with pytest.raises(ValueError, match="cluster names must differ"):
        Catalogue("twice", (CATALOGUE.cluster("sentiment"), renamed))


@pytest.mark.parametrize(("clusters", "got"), [((), "none"), ([], "a list")])
def test_a_catalogue_has_clusters(clusters: object, got: str) -> None:
    with pytest.raises(ValueError, match=f"clusters must be a tuple of one at least, got {got};"):
        Catalogue("empty", clusters)  # type: ignore[arg-type]


def test_an_exclusion_of_an_unknown_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="an exclusion must name its clusters, got 'nli'"):
        Catalogue("odd", CATALOGUE.clusters, (Exclusion("nli", "sentiment", "no reason"),))


def test_a_mixture_is_found_by_catalogue_cluster_or_task() -> None:
    assert names(CATALOGUE.mixture("flan2021")) == ["sst2", "rte", "glue_mrpc", "aeslc"]
    assert names(CATALOGUE.mixture("paraphrase")) == ["glue_mrpc"]
    assert names(CATALOGUE.mixture("rte")) == ["rte"]
    with pytest.raises(ValueError, match="got 'sst'; did you mean sst2"):
        CATALOGUE.mixture("sst")
