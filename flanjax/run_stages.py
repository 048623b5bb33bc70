"""What a run has scored, kept in its directory for the report of whoever goes on."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from flanjax import model_dir
from flanjax.evaluation.results import ClusterReport
from flanjax.experiment import Experiment, differences, to_plain

BEFORE, AFTER = "before", "after"


def step_stage(step: int) -> str:
    """Returns what reports call the scores after a step."""
    return f"step {step}"


class Stages:
    """A run's stages, in order: before, after some steps, after the last.

    Each is written as soon as it is scored, but for the last, which the report
    follows at once. One that was scored in another way than this run scores is
    passed over.

    Args:
      experiment: The run.
      is_averaged: Whether averaged weights are scored.
      clusters: Names of what is scored.
      latest: The step that the run goes on from; None where it begins.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        is_averaged: bool,
        clusters: Sequence[str],
        latest: int | None,
    ):
        self._folder = pathlib.Path(experiment.model_dir) / model_dir.STAGES
        self._how: dict[str, Any] = {
            "evaluation": to_plain(experiment.evaluation),
            "weights": "averaged" if is_averaged else "trained",
            "clusters": list(clusters),
        }
        self._passed_over: dict[str, str] = {}
        self._reports = {} if latest is None else dict(self._kept(latest))

    def __contains__(self, stage: str) -> bool:
        return stage in self._reports

    def add(self, stage: str, reports: Sequence[ClusterReport]) -> None:
        """Keeps what was scored; nothing where nothing was."""
        if not reports:
            return
        self._reports[stage] = list(reports)
        if stage != AFTER and jax.process_index() == 0:
            plain = [report.whole_json() for report in reports]
            content = {"how": self._how, "clusters": plain}
            model_dir.write_json(self._folder / f"{stage}.json", content, indent=None)

    def reports(self) -> Mapping[str, Sequence[ClusterReport]]:
        """Returns stage -> what was scored, in the order of steps."""
        return dict(sorted(self._reports.items(), key=lambda entry: _place(entry[0])))

    def lines(self) -> Iterator[str]:
        """Yields what was passed over and not scored anew, and why, a line each."""
        for stage, why in sorted(self._passed_over.items(), key=lambda entry: _place(entry[0])):
            if stage not in self:
                yield f"not in the report: {stage}, which was scored with another {why}\n"

    def _kept(self, latest: int) -> Iterator[tuple[str, list[ClusterReport]]]:
        for file in self._folder.glob("*.json"):
            if _place(file.stem) > latest:  # it will be trained and scored again
                continue
            plain = model_dir.read_object(file)
            try:
                found = differences(plain["how"], self._how)
                reports = [ClusterReport.from_whole_json(each) for each in plain["clusters"]]
            except (KeyError, TypeError) as error:
                raise ValueError(
                    f"{file} must hold scores of this version, got {error!r}; remove it to go on "
                    "without."
                ) from None
            if found:
                self._passed_over[file.stem] = found[0]
            else:
                yield file.stem, reports


def _place(stage: str) -> float:
    """Returns where a stage stands among steps."""
    ends = {BEFORE: 0.0, AFTER: float("inf")}
    return ends[stage] if stage in ends else float(stage.removeprefix("step "))
