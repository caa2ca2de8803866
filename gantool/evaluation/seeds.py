"""Which scores may be compared, and the spread of one configuration's score over training seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from gantool.config.compare import config_differences
from gantool.errors import UsageError
from gantool.evaluation.compare import require_comparable
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.parzen.uncertainty import interval_of_mean
from gantool.evaluation.recording import record
from gantool.evaluation.subject import Place, subject_of_run
from gantool.progress import Progress, silent
from gantool.runs import Run, list_runs
from gantool.runs.checkpoint import checkpoint_steps

ACROSS_SEEDS = (
    "± across seeds is std/√{count} over {count} training seeds (ddof 1), with the samples drawn by each, 95 % in "
    "{low:,.1f} … {high:,.1f} by Student's t; the ± of one run is across the rows scored and says nothing of the seed."
)
ONE_SEED = "One seed has no spread: train the same configuration with other seeds to see what the seed is worth."


@dataclass(frozen=True)
class SeedScores:
    """The scores of one configuration at several training seeds, in nats.

    `standard_error_across_seeds` is std/√num_runs with ddof 1, `interval_across_seeds` 95 % about the mean by Student's
    t; both are None for one run, which has no spread.
    """

    records: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    mean: float
    standard_error_across_seeds: float | None
    interval_across_seeds: tuple[float, float] | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval parzen RUN RUN --json` prints."""
        return {
            "measure": "parzen",
            "runs": list(self.records),
            "seeds": list(self.seeds),
            "mean": self.mean,
            "standard_error_across_seeds": self.standard_error_across_seeds,
            "interval_across_seeds": self.interval_across_seeds,
            "num_runs": len(self.records),
            "notes": list(self.notes),
        }


def summarise(records: Sequence[dict[str, Any]], seeds: Sequence[int], notes: Sequence[str] = ()) -> SeedScores:
    """Mean and standard error over one record a seed. Raises UsageError where the records cannot be compared."""
    require_comparable(records)
    values = [record["log_likelihood"] for record in records]
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    interval = interval_of_mean(values)
    said = ACROSS_SEEDS.format(count=len(values), low=interval[0], high=interval[1]) if interval else ONE_SEED
    return SeedScores(tuple(records), tuple(seeds), mean(values), error, interval, (*notes, said))


def require_one_configuration(runs: Sequence[Run], step: int | None = None) -> None:
    """Raises UsageError unless the runs differ in their seeds alone, and have a checkpoint of one step.

    A run's name and description are no part of what is trained.
    """
    first = runs[0]
    for run in runs[1:]:
        for key, (one, two) in config_differences(first.config, run.config).items():
            raise UsageError(
                f"{first.path} and {run.path} differ in {key} ({one} against {two}): a mean over seeds needs runs that "
                f"differ in the seed alone."
            )
        if first.data.fingerprint != run.data.fingerprint:
            raise UsageError(f"{first.path} and {run.path} were trained on different rows: their mean has no meaning.")
        if step is None and first.latest_step() != run.latest_step():
            raise UsageError(
                f"{first.path} is at step {first.latest_step()} and {run.path} at step {run.latest_step()}: train both "
                f"to one length, or name a checkpoint that both have with --step."
            )
    seeds: dict[int, Run] = {}
    for run in runs:
        seed = run.config.training.seed
        if seed in seeds:
            raise UsageError(
                f"{seeds[seed].path} and {run.path} have the same seed, {seed}: that is one run twice and shows no "
                f"spread; leave one of them out."
            )
        seeds[seed] = run


def same_but_for_the_seed(run: Run, runs_dir: Path, step: int | None = None) -> tuple[list[Run], list[str]]:
    """`run` and every run of the folder with its configuration, data and step but another seed; in the seeds' order.

    The step is the newest checkpoint's, unless one is named: then each needs a checkpoint of that. Of several runs with
    one seed the newest counts, `run` itself before all. The notes name what was left out.
    """
    notes: list[str] = []
    chosen = {run.config.training.seed: run}
    for other in reversed(list_runs(runs_dir)):
        alike = not config_differences(run.config, other.config) and run.data.fingerprint == other.data.fingerprint
        if not alike or other.path.resolve() == run.path.resolve():
            continue
        if step is not None and step not in checkpoint_steps(other.checkpoints):
            notes.append(f"{other.path} is left out: it has no checkpoint of step {step}.")
        elif step is None and other.latest_step() != run.latest_step():
            notes.append(f"{other.path} is left out: it is at step {other.latest_step()}, not {run.latest_step()}.")
        elif (seed := other.config.training.seed) in chosen:
            notes.append(f"{other.path} is left out: {chosen[seed].path} has its seed, {seed}, too.")
        else:
            chosen[seed] = other
    return [chosen[seed] for seed in sorted(chosen)], notes


def evaluate_runs(
    runs: Sequence[Run],
    settings: ParzenSettings,
    place: Place,
    *,
    split: str = "test",
    step: int | None = None,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> SeedScores:
    """Scores runs of one configuration that differ in the seed alone; each score is recorded in its own run.

    Raises UsageError, before anything is scored, where the runs differ in anything else.
    """
    require_one_configuration(runs, step)
    records, said = [], [*notes]
    for run in runs:
        subject = subject_of_run(run, place, split, step)
        records.append(measure("parzen", subject, settings, progress).to_dict())
        said += record(run, records[-1])
    return summarise(records, [run.config.training.seed for run in runs], said)
