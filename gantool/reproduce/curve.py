"""A run's score over its checkpoints, on validation rows: how long to train is seen here, and not on test rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gantool.data.dataset import Dataset
from gantool.evaluation.parzen.score import ParzenSettings, evaluate
from gantool.evaluation.parzen.target import Target, target_of_dataset
from gantool.evaluation.subject import Place
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.runs.checkpoint import checkpoint_steps
from gantool.sampling import generate


@dataclass(frozen=True)
class Point:
    """A checkpoint's mean log-likelihood in nats of `test_size` validation rows, those that chose sigma left out; and
    what it is at the refined sigma."""

    seed: int
    step: int
    epochs: float
    log_likelihood: float
    standard_error: float | None
    sigma: float
    refined_log_likelihood: float | None
    test_size: int
    num_samples: int


def curve_of(runs: Sequence[Run], dataset: Dataset, place: Place, progress: Progress = silent) -> tuple[Point, ...]:
    """A point for each checkpoint that each run has kept; none where there are no two validation rows."""
    if len(dataset.validation) < 2:
        return ()
    settings = ParzenSettings(references=False)
    target = target_of_dataset(dataset, "validation", settings.validation_rows, references=False)
    return tuple(
        _point(run, step, dataset, target, settings, place, progress)
        for run in runs
        for step in checkpoint_steps(run.checkpoints)
    )


def _point(
    run: Run, step: int, dataset: Dataset, target: Target, settings: ParzenSettings, place: Place, progress: Progress
) -> Point:
    generator = run.load_generator(place.device, step)
    samples = generate(generator, run.config.noise, settings.num_samples, seed=settings.seed, device=place.device)
    found = evaluate(samples.cpu(), target, settings, device=place.device, progress=progress)
    training = run.config.training
    return Point(
        seed=training.seed,
        step=step,
        epochs=training.discriminator_steps.before(step) / training.batches(len(dataset.train)),
        log_likelihood=found.log_likelihood,
        standard_error=found.standard_error,
        sigma=found.sigma,
        refined_log_likelihood=found.refined.log_likelihood if found.refined else None,
        test_size=len(target.scored),
        num_samples=settings.num_samples,
    )


def training_of(run: Run) -> dict[str, Any]:
    """How a run was trained: its directory's name, the seconds that it took, and the machine at its start."""
    seconds = [float(line["seconds"]) for line in run.records()]
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    return {
        "run": run.path.name,
        "seed": run.config.training.seed,
        "seconds": seconds[-1] if seconds else None,
        "alarms": len(run.alarms()),
        "environment": environment,
    }
