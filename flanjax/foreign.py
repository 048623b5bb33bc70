"""Tasks of SeqIO in a run: what it may ask of them, and how they are judged.

SeqIO and TensorFlow are imported only where a run has such tasks.
"""

from __future__ import annotations

from collections.abc import Iterable

from flanjax.data.task import Task
from flanjax.data.tokenize import Tokenizer
from flanjax.evaluation.cluster import Judge
from flanjax.experiment import Experiment


def check_tasks(experiment: Experiment, tasks: Iterable[Task], tokenizer: Tokenizer) -> None:
    """Checks that a run can train on those of its tasks that are SeqIO's.

    Raises:
      ValueError: A setting asks for what only tasks with templates do; or a
        task has features that the model does not read, or ids of another
        vocabulary.
    """
    foreign = [task for task in tasks if task.pretokenized is not None]
    if not foreign:
        return
    data, ablation = experiment.data, experiment.ablation
    for name, value, wanted, why in (
        ("DataConfig.over_long", data.over_long, "truncate_right", "SeqIO cuts as it does"),
        ("DataConfig.num_shots", data.num_shots, 0, "SeqIO writes its prompts"),
        ("AblationConfig.wording", ablation.wording, "instruction", "SeqIO writes its prompts"),
        ("AblationConfig.num_templates", ablation.num_templates, None, "SeqIO has none"),
        ("AblationConfig.has_inverted", ablation.has_inverted, True, "SeqIO has no templates"),
    ):
        if value != wanted:
            raise ValueError(
                f"{name} must be {wanted!r} for task {foreign[0].name} of SeqIO, got {value!r}; "
                f"leave it out: {why}."
            )
    if experiment.objective.name == "span_corruption":
        raise ValueError(
            f"objective must not be span_corruption for task {foreign[0].name}, got it; use "
            "'instruction', and corrupt spans in the task's preprocessors."
        )
    from flanjax.data.seqio_bridge import compatible

    for task in foreign:
        compatible.check(task, tokenizer, has_encoder=experiment.is_encoder_decoder)


def make_judge(experiment: Experiment, task: Task, tokenizer: Tokenizer) -> Judge | str:
    """Returns what judges a task of SeqIO, or why nothing does.

    Raises:
      UnavailableError: Its data is not on this machine.
      ValueError: SeqIO cannot make its examples, or see `check_tasks`.
    """
    from flanjax.data.seqio_bridge import compatible, judge

    if stops := experiment.evaluation.stop_texts:
        raise ValueError(
            f"EvalConfig.stop_texts must be () for task {task.name} of SeqIO, got {stops!r}; leave "
            "it out: SeqIO's metrics read whole answers."
        )
    if experiment.evaluation.num_shots:
        return "has prompts of SeqIO's, to which no exemplars are added"
    compatible.check(task, tokenizer, has_encoder=experiment.is_encoder_decoder)
    return judge.make_judge(task, experiment.evaluation, has_encoder=experiment.is_encoder_decoder)
