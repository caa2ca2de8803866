"""The Parzen score over the folds of a data set, as the paper has it for TFD: σ is chosen a fold, ± is across folds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import Any

from gantool.errors import UsageError
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.subject import Place, subject_of_run
from gantool.progress import Progress, silent
from gantool.runs import Run

FOLDS = 5
# The paper chooses σ on all validation rows of a fold.
_ALL_ROWS = 1_000_000


@dataclass(frozen=True)
class FoldScores:
    """A record a fold, in nats. `standard_error_across_folds` is std/√5 with ddof 1."""

    records: tuple[dict[str, Any], ...]
    mean: float
    standard_error_across_folds: float

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval parzen --folds --json` prints."""
        return {
            "measure": "parzen",
            "folds": list(self.records),
            "mean": self.mean,
            "standard_error_across_folds": self.standard_error_across_folds,
            "num_folds": len(self.records),
        }


def evaluate_folds(
    run: Run,
    settings: ParzenSettings,
    place: Place,
    *,
    split: str = "test",
    step: int | None = None,
    progress: Progress = silent,
) -> FoldScores:
    """Scores one run on each fold's rows. Raises UsageError where the run's data have no folds."""
    if run.config.data.name != "tfd":
        raise UsageError(f"--folds is for a run on tfd, but {run.path} was trained on {run.config.data.name}.")
    settings = replace(settings, validation_rows=_ALL_ROWS)
    records = []
    for fold in range(FOLDS):
        data = replace(run.config.data, fold=fold)
        of_fold = replace(run, config=replace(run.config, data=data))
        result = measure("parzen", subject_of_run(of_fold, place, split, step), settings, progress)
        records.append({"fold": fold, **result.to_dict()})
    values = [record["log_likelihood"] for record in records]
    return FoldScores(tuple(records), mean(values), stdev(values) / math.sqrt(FOLDS))
