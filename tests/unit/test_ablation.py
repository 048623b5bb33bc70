"""Training without some clusters, tasks, templates, or the instruction."""

from __future__ import annotations

import dataclasses

import pytest

from flanjax.data.ablation import AblationConfig, ablate, bare_template
from flanjax.data.catalogue import Mixture
from flanjax.data.render import render
from flanjax.tasks.flan2021 import BY_SKILL, CATALOGUE, DIVERSITY
from flanjax.tasks.mini import CATALOGUE as MINI

RTE = CATALOGUE.task("rte")
MIXTURE = CATALOGUE.mixture("flan2021")


def test_nothing_is_left_out_unless_asked() -> None:
    mixture, dropped = ablate(CATALOGUE, MIXTURE, AblationConfig())
    assert mixture == MIXTURE
    assert dropped == {}
    assert AblationConfig().describe() == ""


@pytest.mark.parametrize("num", range(1, 8))
def test_clusters_are_added_in_flans_order(num: int) -> None:
    config = AblationConfig(clusters=DIVERSITY[:num])
    mixture, dropped = ablate(BY_SKILL, BY_SKILL.mixture(BY_SKILL.name), config)
    homes = {BY_SKILL.cluster_of(task.name) for task in mixture.tasks()}
    assert homes == set(DIVERSITY[:num])
    assert len(mixture.tasks()) + len(dropped) == 69
    assert dropped["rte"] == "ablation: cluster nli is not among those trained on"


@pytest.mark.parametrize("num", [1, 4, 10])
def test_the_first_templates_are_kept(num: int) -> None:
    mixture, _ = ablate(CATALOGUE, MIXTURE, AblationConfig(num_templates=num))
    assert {len(task.templates) for task in mixture.tasks()} == {num}
    assert next(t for t in mixture.tasks() if t.name == "rte").templates == RTE.templates[:num]


def test_inverted_templates_may_be_left_out() -> None:
    mixture, _ = ablate(MINI, MINI.mixture("mini"), AblationConfig(has_inverted=False))
    whole = {task.name: task.templates for task in MINI.mixture("mini").tasks()}
    assert sum(each.inverted for templates in whole.values() for each in templates) == 15
    for task in mixture.tasks():
        assert list(task.templates) == [t for t in whole[task.name] if not t.inverted]
    assert AblationConfig(has_inverted=False).describe() == "no inverted templates"


def test_a_task_of_inverted_templates_alone_is_named() -> None:
    task = next(t for t in MINI.tasks() if t.templates[-1].inverted)
    turned = dataclasses.replace(task, templates=task.templates[-1:])
    mixture = Mixture("turned", (turned,))
    wanted = f"task {task.name} must have a template that is not inverted"
    with pytest.raises(ValueError, match=wanted):
        ablate(MINI, mixture, AblationConfig(has_inverted=False))


def test_templates_are_counted_without_what_is_left_out() -> None:
    config = AblationConfig(has_inverted=False, num_templates=10)
    with pytest.raises(
        ValueError, match=r"num_templates must be at most task mini_\w+'s 9, got 10"
    ):
        ablate(MINI, MINI.mixture("mini"), config)


def test_at_most_so_many_tasks_are_kept() -> None:
    mixture, dropped = ablate(CATALOGUE, MIXTURE, AblationConfig(max_tasks=5))
    assert mixture.tasks() == MIXTURE.tasks()[:5]
    assert set(dropped.values()) == {"ablation: only 5 tasks are trained on"}


def test_without_instruction_the_fields_stand_alone() -> None:
    assert bare_template(RTE).inputs == "{premise}\n{hypothesis}\n{options}"
    mixture, _ = ablate(CATALOGUE, MIXTURE, AblationConfig(wording="none"))
    (task,) = [task for task in mixture.tasks() if task.name == "rte"]
    record = RTE.examples[0]
    example = render(task, record, template=0)
    assert example is not None
    assert example.inputs == (f"{record['premise']}\n{record['hypothesis']}\nOPTIONS:\n- yes\n- no")
    assert example.targets == "yes"


def test_the_dataset_name_stands_before_the_fields() -> None:
    mixture, _ = ablate(CATALOGUE, MIXTURE, AblationConfig(wording="dataset_name"))
    (task,) = [task for task in mixture.tasks() if task.name == "wmt16_translate_deen"]
    example = render(task, task.examples[0], template=0)
    assert example is not None
    assert example.inputs.startswith("[translation: wmt16_translate_deen]\n")


def test_shuffled_instructions_are_those_of_another_cluster() -> None:
    mixture, _ = ablate(CATALOGUE, MIXTURE, AblationConfig(wording="shuffled"))
    tasks = {task.name: task for task in CATALOGUE.tasks()}
    for task in mixture.tasks():
        assert {template.targets for template in task.templates} == {"{answer}"}
        assert all(t.inputs.endswith("\n" + bare_template(task).inputs) for t in task.templates)
    (rte,) = [task for task in mixture.tasks() if task.name == "rte"]
    nli = [task.name for task in CATALOGUE.cluster("nli").tasks]
    order = [task.name for task in MIXTURE.tasks()]
    lender = next(n for n in order[order.index("rte") :] if n not in nli)
    first = next(template for template in tasks[lender].templates if not template.inverted)
    said = {word for literal, _ in first.parsed_inputs.pieces for word in literal.split()}
    assert said
    assert set(rte.templates[0].inputs.partition("\n{premise}")[0].split()) == said


def test_shuffling_needs_two_clusters() -> None:
    with pytest.raises(ValueError, match="must have tasks of two clusters, got sentiment alone"):
        ablate(CATALOGUE, CATALOGUE.mixture("sentiment"), AblationConfig(wording="shuffled"))


@pytest.mark.parametrize("wording", ["none", "dataset_name", "shuffled"])
def test_every_task_renders_without_its_instruction(wording: str) -> None:
    mixture, _ = ablate(CATALOGUE, MIXTURE, AblationConfig(wording=wording))
    for task in mixture.tasks():
        for record in task.examples:
            example = render(task, record, template=0)
            assert example is None or example.inputs.strip(), task.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"wording": "no"},
            "wording must be one of instruction, none, dataset_name, shuffled, got",
        ),
        ({"max_tasks": 0}, "max_tasks must be positive, got 0"),
        ({"num_templates": -1}, "num_templates must be positive, got -1"),
        ({"clusters": ()}, "clusters must name one, got none"),
        ({"wording": "none", "num_templates": 1}, "num_templates must be None with wording 'none'"),
        (
            {"wording": "shuffled", "has_inverted": False},
            "has_inverted must be True with wording 'shuffled', got False",
        ),
    ],
)
def test_a_bad_ablation_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AblationConfig(**options)


def test_more_templates_than_a_task_has_are_refused() -> None:
    with pytest.raises(ValueError, match="num_templates must be at most task anli_r1's 10, got 11"):
        ablate(CATALOGUE, MIXTURE, AblationConfig(num_templates=11))


def test_an_unknown_cluster_or_an_empty_rest_is_an_error() -> None:
    wanted = r"AblationConfig\.clusters .* got 'sentimnt'; did you mean sentiment\? None takes all"
    with pytest.raises(ValueError, match=wanted):
        ablate(CATALOGUE, MIXTURE, AblationConfig(clusters=("sentimnt",)))
    with pytest.raises(ValueError, match="must leave a task to train on, got none of sentiment"):
        ablate(CATALOGUE, CATALOGUE.mixture("sentiment"), AblationConfig(clusters=("nli",)))
