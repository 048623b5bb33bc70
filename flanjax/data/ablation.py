"""FLAN's ablations: fewer clusters, tasks or templates, or no instruction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.holdout import restricted
from flanjax.data.task import SCORING_FIELDS, Task, Template, nearest

Wording: TypeAlias = Literal["instruction", "none", "dataset_name", "shuffled"]

_WORDINGS: tuple[Wording, ...] = get_args(Wording)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """What training does without; the test keeps its instructions.

    Attributes:
      clusters: The clusters trained on; None for all (FLAN 2021, section 4.1,
        adds them one by one).
      max_tasks: At most so many tasks, in the catalogue's order; None for all.
      num_templates: The first so many templates of each task; None for all
        (FLAN 2021, appendix B.2: 1, 4, 10).
      wording: "instruction" renders templates; "none" gives the fields alone;
        "dataset_name" puts the cluster's and the task's name before them
        (FLAN 2021, section 4.3); "shuffled" puts before them the words of
        another task's templates, one of another cluster.
      has_inverted: Whether templates that ask for what the others give, a
        question for an answer, are trained on (FLAN 2021, section 2.1; Flan
        Collection, section 3.4). Wordings other than "instruction" have none.
    """

    clusters: tuple[str, ...] | None = None
    max_tasks: int | None = None
    num_templates: int | None = None
    wording: Wording = "instruction"
    has_inverted: bool = True

    def __post_init__(self) -> None:
        if self.wording not in _WORDINGS:
            raise ValueError(
                f"wording must be one of {', '.join(_WORDINGS)}, got {self.wording!r}; choose one."
            )
        for name, value in (("max_tasks", self.max_tasks), ("num_templates", self.num_templates)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be positive, got {value}; None takes all.")
        if self.wording != "instruction" and self.num_templates is not None:
            raise ValueError(
                f"num_templates must be None with wording {self.wording!r}, got "
                f"{self.num_templates}; there is one template then."
            )
        if self.wording != "instruction" and not self.has_inverted:
            raise ValueError(
                f"has_inverted must be True with wording {self.wording!r}, got False; leave it "
                "out: no template is inverted then."
            )
        if self.clusters is not None:
            if not self.clusters:
                raise ValueError("clusters must name one, got none; None takes all.")
            object.__setattr__(self, "clusters", tuple(self.clusters))  # JSON gives a list

    def describe(self) -> str:
        """Returns what is left out, in a few words; "" where nothing is."""
        parts = []
        if self.clusters is not None:
            parts.append(f"clusters {', '.join(self.clusters)}")
        if self.max_tasks is not None:
            parts.append(f"at most {self.max_tasks} tasks")
        if self.num_templates is not None:
            parts.append(f"the first {self.num_templates} templates")
        if not self.has_inverted:
            parts.append("no inverted templates")
        if self.wording != "instruction":
            parts.append(f"wording {self.wording}")
        return "; ".join(parts)


def ablate(
    catalogue: Catalogue, mixture: Mixture, config: AblationConfig
) -> tuple[Mixture, Mapping[str, str]]:
    """Returns a training mixture without what the config leaves out, and why.

    Args:
      catalogue: Where the clusters stand.
      mixture: The mixture, held-out tasks already left out.
      config: What to leave out.

    Raises:
      ValueError: A cluster is unknown, or no task is left.
    """
    chosen = _chosen(catalogue, config)
    lent = _lenders(catalogue, mixture) if config.wording == "shuffled" else {}
    kept: list[Task] = []
    dropped: dict[str, str] = {}
    for task in mixture.tasks():
        home = catalogue.cluster_of(task.name)
        if chosen is not None and home not in chosen:
            dropped[task.name] = f"ablation: cluster {home} is not among those trained on"
        elif config.max_tasks is not None and len(kept) == config.max_tasks:
            dropped[task.name] = f"ablation: only {config.max_tasks} tasks are trained on"
        else:
            templates = _templates(task, home, config, lent.get(task.name))
            kept.append(dataclasses.replace(task, templates=templates))
    if not kept:
        raise ValueError(
            f"an ablation must leave a task to train on, got none of {mixture.name} in "
            f"{', '.join(config.clusters or ())}; name other clusters."
        )
    return restricted(mixture, kept, name=mixture.name), dropped


def _chosen(catalogue: Catalogue, config: AblationConfig) -> set[str] | None:
    known = [cluster.name for cluster in catalogue.clusters]
    for name in config.clusters or ():
        if name not in known:
            raise ValueError(
                f"AblationConfig.clusters must be of catalogue {catalogue.name}, got {name!r}; "
                f"{nearest(name, known)} None takes all."
            )
    return None if config.clusters is None else set(config.clusters)


def _lenders(catalogue: Catalogue, mixture: Mixture) -> dict[str, Task]:
    """Returns whose words each task gets: the next task's of another cluster.

    Raises:
      ValueError: All tasks are of one cluster.
    """
    tasks = mixture.tasks()
    homes = [catalogue.cluster_of(task.name) for task in tasks]
    if len(set(homes)) < 2:
        raise ValueError(
            f"wording 'shuffled' must have tasks of two clusters, got {homes[0]} alone; train on "
            "more."
        )
    lent = {}
    for place, task in enumerate(tasks):
        others = (n % len(tasks) for n in range(place + 1, place + len(tasks)))
        lent[task.name] = tasks[next(n for n in others if homes[n] != homes[place])]
    return lent


def _templates(
    task: Task, cluster: str, config: AblationConfig, lender: Task | None
) -> tuple[Template, ...]:
    if config.wording == "instruction":
        return _instructions(task, config)
    if lender is not None:
        scored = [template for template in lender.templates if not template.inverted]
        return tuple(bare_template(task, prefix=f"{_words(template)}\n") for template in scored)
    return (
        bare_template(
            task, prefix=f"[{cluster}: {task.name}]\n" if config.wording == "dataset_name" else ""
        ),
    )


def _instructions(task: Task, config: AblationConfig) -> tuple[Template, ...]:
    templates = [each for each in task.templates if config.has_inverted or not each.inverted]
    if not templates:
        raise ValueError(
            f"task {task.name} must have a template that is not inverted for has_inverted = False, "
            "got none; leave the task out, or has_inverted at True."
        )
    num = len(templates) if config.num_templates is None else config.num_templates
    if num > len(templates):
        raise ValueError(
            f"num_templates must be at most task {task.name}'s {len(templates)}, got {num}; lower "
            "it, or None takes all."
        )
    return tuple(templates[:num])


def _words(template: Template) -> str:
    """Returns what a template says around its fields, braces doubled."""
    pieces = (literal for literal, _ in template.parsed_inputs.pieces)
    words = " ".join(" ".join(pieces).split())
    return words.replace("{", "{{").replace("}", "}}")


def bare_template(task: Task, *, prefix: str = "") -> Template:
    r"""Returns a template of a task's fields without a word of instruction.

    The fields that its scored templates read, one a line, then the options.

    Example:
      bare_template(rte).inputs == "{premise}\n{hypothesis}\n{options}"
    """
    scored = (template for template in task.templates if not template.inverted)
    read = {name for template in scored for name in template.parsed_inputs.field_names()}
    names = [name for name in task.fields if name in read and name != "options"]
    names = [name for name in names if name != "answer" and name not in SCORING_FIELDS]
    names += ["options"] if task.mode == "rank" else []
    return Template(prefix + "\n".join(f"{{{name}}}" for name in names))
