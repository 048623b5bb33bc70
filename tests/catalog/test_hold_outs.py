"""What FLAN 2021's hold-outs train on, test and leave out."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from flanjax.certificate import certify_run, split_catalogue
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out, intra_cluster
from flanjax.experiment import DataConfig, Experiment
from flanjax.models.t5 import T5Config
from flanjax.tasks.flan2021 import BY_SKILL, CATALOGUE, DIVERSITY
from flanjax.train.loop import TrainConfig

DOCS = pathlib.Path(__file__).parents[2] / "docs"

# Tasks trained on and tested in FLAN's own splits, counted in its code's registry; coreference
# has the evaluation-only wsc273 besides.
PUBLISHED = {
    "summarization": (58, 11),
    "struct_to_text": (65, 4),
    "reading_comprehension": (61, 6),
    "closed_book_qa": (65, 4),
    "paraphrase": (55, 4),
    "sentiment": (65, 4),
    "text_formatting": (66, 3),
    "commonsense": (63, 4),
    "translation": (61, 8),
    "coreference": (66, 3 + 1),
    "nli": (55, 10),
    "math": (68, 1),
    "conversational_qa": (67, 2),
    "word_disambiguation": (68, 1),
    "linguistic_acceptability": (68, 1),
    "question_classification": (68, 1),
    "rc_commonsense": (57, 2),
}

LEAKS = {
    # held out -> tasks that FLAN trained on although they share a source text
    "reading_comprehension": {"qnli": "squad", "natural_questions": "google_natural_questions"},
    "nli": {
        "wsc": "winograd_schemas",
        "definite_pronoun_resolution": "winograd_schemas",
        "squad_v1": "squad",
        "squad_v2": "squad",
        "common_gen": "flickr30k",
        "hellaswag": "wikihow",
        "wiki_lingua_english_en": "wikihow",
        "story_cloze": "rocstories",
    },
    "coreference": {"wnli": "winograd_schemas"},
    "sentiment": {"opinion_abstracts_rotten_tomatoes": "rotten_tomatoes_reviews"},
    "closed_book_qa": {"bool_q": "google_natural_questions"},
    "translation": dict.fromkeys(("fix_punct", "true_case", "word_segment"), "paracrawl"),
    "paraphrase": {"common_gen": "flickr30k"},
    "struct_to_text": {
        "hellaswag": "activitynet_captions",
        "snli": "flickr30k",
        "stsb": "flickr30k",
    },
}


@pytest.mark.parametrize("cluster", [cluster.name for cluster in BY_SKILL.clusters])
def test_without_closure_the_splits_are_those_that_flan_published(cluster: str) -> None:
    split = hold_out(BY_SKILL, cluster, closure=False)
    assert split.test is not None
    assert (len(split.train.tasks()), len(split.test.tasks)) == PUBLISHED[cluster]


@pytest.mark.parametrize("cluster", LEAKS)
def test_closure_leaves_out_what_shares_a_source_text(cluster: str) -> None:
    open_split = {task.name for task in hold_out(CATALOGUE, cluster, closure=False).train.tasks()}
    split = hold_out(CATALOGUE, cluster)
    for task, corpus in LEAKS[cluster].items():
        assert task in open_split
        assert split.dropped[task].startswith(f"shares the source {corpus} with ")
    assert open_split - {task.name for task in split.train.tasks()} == set(LEAKS[cluster])


@pytest.mark.parametrize("catalogue", [CATALOGUE, BY_SKILL], ids=lambda catalogue: catalogue.name)
def test_no_task_wording_or_source_text_stands_on_both_sides(catalogue: Catalogue) -> None:
    rules = [cluster.name for cluster in catalogue.clusters]
    rules += [held.rule for held in intra_cluster(catalogue)] + ["task:rte+cb", "nli+commonsense"]
    for rule in rules:
        split = hold_out(catalogue, rule)
        assert split.test is not None
        trained, tested = split.train.tasks(), split.test.tasks
        assert not {t.name for t in trained} & {t.name for t in tested}, rule
        assert not {t.templates for t in trained} & {t.templates for t in tested}, rule
        corpora = [{corpus for t in side for corpus in t.corpora} for side in (trained, tested)]
        assert not corpora[0] & corpora[1], rule
        told = {t.name for t in trained} | {t.name for t in tested} | set(split.dropped)
        assert told == {task.name for task in catalogue.tasks()}, rule


def test_an_intra_cluster_split_takes_one_dataset_of_each_larger_cluster() -> None:
    splits = intra_cluster(BY_SKILL)
    assert len(splits) == 11  # summarization has eleven datasets
    first = [task.name for task in splits[0].test.tasks]
    assert {"anli_r1", "anli_r2", "anli_r3"} <= set(first)  # variants go together
    assert "math_dataset" not in first  # a cluster of one is trained on
    assert not splits[0].spared
    for cluster in BY_SKILL.clusters:
        held = {task.name for held in splits for task in held.test.tasks}
        if len({task.templates for task in cluster.tasks}) > 1:
            assert {task.name for task in cluster.tasks} <= held


def test_the_diversity_order_names_clusters_of_the_finer_grouping() -> None:
    names = {cluster.name for cluster in BY_SKILL.clusters}
    assert set(DIVERSITY) <= names - {"nli", "commonsense", "closed_book_qa"}
    assert len(DIVERSITY) == 7


def certificate_of(cluster: str) -> dict[str, Any]:
    experiment = Experiment(
        model_dir="out",
        model=T5Config(),
        train=TrainConfig(steps=1),
        data=DataConfig(mixture_or_task_name="flan2021", hold_out=cluster),
    )
    split = split_catalogue(experiment, CATALOGUE)
    return certify_run(experiment, CATALOGUE, split, {}, {}).to_json()


@pytest.mark.parametrize("cluster", [cluster.name for cluster in CATALOGUE.clusters])
def test_each_clusters_certificate_proves_what_it_says(cluster: str) -> None:
    plain = certificate_of(cluster)
    assert plain["held_out"] == plain["rule"] == cluster
    assert plain["corpus_closure"] is True
    assert not set(plain["trained_corpora"]) & set(plain["tested_corpora"])
    assert len(plain["trained"]) + len(plain["tested"]) + len(plain["dropped"]) == 70
    assert all(plain["dropped"].values())


def test_the_certificates_that_are_shown_are_those_of_runs() -> None:
    shown = json.loads((DOCS / "certificates.json").read_text("utf-8"))
    assert shown == [certificate_of(cluster.name) for cluster in CATALOGUE.clusters], (
        "run: flanjax mixture certify --catalog=flan2021 --output=docs/certificates.json"
    )
