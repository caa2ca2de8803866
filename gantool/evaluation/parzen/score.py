"""The paper's evaluation: a Parzen window on generated samples, sigma by validation, and references beside the score.

log p(x) = log mean_j exp(−‖x − s_j‖² / 2σ²) − (D/2)·log(2πσ²) (Goodfellow et al. 2014, section 5). The estimate is not
the likelihood: it has high variance, grows with the number of samples, and depends on sigma and on the pixel scale
(Theis, van den Oord and Bethge 2016); the result therefore carries all of these, two references and every warning.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import torch

from gantool.errors import UsageError
from gantool.evaluation import warnings as checks
from gantool.evaluation.arrays import labels_by_name, scaling_notes
from gantool.evaluation.parzen.classes import class_scores, conditional_score
from gantool.evaluation.parzen.gap import train_gap
from gantool.evaluation.parzen.growth import grouped_log_densities, sample_curve
from gantool.evaluation.parzen.precision import in_working_precision
from gantool.evaluation.parzen.result import PAPER_SCORES, ParzenResult, Reference, References, Refined
from gantool.evaluation.parzen.sigma import mean_and_slope, refine_sigma
from gantool.evaluation.parzen.target import Target, target_of_arrays, target_of_dataset
from gantool.evaluation.parzen.uncertainty import resampled_sigmas, uncertainties
from gantool.evaluation.parzen.warnings import warnings_of
from gantool.evaluation.references import centroid_cache, describe_kmeans, kmeans_centroids
from gantool.evaluation.subject import Subject
from gantool.isolation import own_modes, recordable
from gantool.numerics.density import PAPER_GRID, Choice, Window, choose_sigma, mean_and_error, score
from gantool.numerics.rows import random_subset, subset_indices
from gantool.ops import Impl
from gantool.progress import Progress, silent
from gantool.seeds import check_seed

__all__ = ["PAPER_SCORES", "ParzenResult", "ParzenSettings", "Reference", "References", "evaluate"]


@dataclass(frozen=True)
class ParzenSettings:
    """How samples are scored. `sigma` None: chosen from `grid` on at most `validation_rows` validation rows.

    `refine` also scores at the continuous optimum of sigma on those rows, beside the grid's.
    """

    num_samples: int = checks.PROTOCOL_SAMPLES
    sigma: float | None = None
    grid: tuple[float, ...] = PAPER_GRID
    validation_rows: int = 1_000
    seed: int = 0
    impl: Impl = "auto"
    references: bool = True
    cache: Path = field(default_factory=centroid_cache)
    refine: bool = True

    def __post_init__(self) -> None:
        for flag, value in (("--num-samples", self.num_samples), ("--validation-rows", self.validation_rows)):
            if value < 1:
                raise UsageError(f"{flag} must be a whole number, 1 or more, but is {value}.")
        if self.sigma is not None and not (0 < self.sigma < math.inf):
            raise UsageError(f"--sigma must be a number above 0, in the data's units, but is {self.sigma:g}.")
        if self.impl not in get_args(Impl):
            raise UsageError(f"--impl must be one of {', '.join(get_args(Impl))}, but is {self.impl!r}.")
        check_seed(self.seed)


@own_modes()
def evaluate(
    samples: torch.Tensor,
    target: Target,
    settings: ParzenSettings,
    *,
    sample_labels: torch.Tensor | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> ParzenResult:
    """Scores samples [M, D], float32 or float64, by the protocol. Of more rows than `num_samples` a random subset is
    taken.

    `sample_labels` [M] int64 are the samples' classes, for class-conditional scores. Raises UsageError where the
    dimensions differ, where a sample is not finite, or where there is nothing to choose sigma by.
    """
    started = time.monotonic()
    _check(samples, sample_labels, target)
    samples, scored = recordable(samples), recordable(target.scored)
    selection = None if target.selection is None else recordable(target.selection)
    target = replace(target, scored=scored, selection=selection)
    samples, target, said = in_working_precision(
        samples, target, settings.grid if settings.sigma is None else [settings.sigma]
    )
    notes = [*target.notes, *said]
    if len(samples) > settings.num_samples:
        notes.append(f"{settings.num_samples:,} of the {len(samples):,} samples are used, a random subset.")
        chosen = subset_indices(len(samples), settings.num_samples, settings.seed)
        samples, sample_labels = samples[chosen], None if sample_labels is None else sample_labels[chosen]
    bench = _Bench(target, settings, device or torch.device("cpu"), progress)
    window = bench.window(samples)
    choice = bench.choose(window)
    found = _measure(bench, window, sample_labels, target, choice)
    if choice.source == "leave-one-out":
        notes += checks.leave_one_out(len(samples), len(samples) - choice.rows)
    if settings.references and target.reference is not None:
        references, said = _references(bench, target, target.reference, len(samples))
        found, notes = replace(found, references=references), [*notes, *said]
    notes += _comparison(found)
    warnings = warnings_of(found, choice, samples, target, given=settings.sigma is not None)
    return replace(found, warnings=tuple(warnings), notes=tuple(notes), seconds=time.monotonic() - started)


def parzen_of(subject: Subject, settings: ParzenSettings, progress: Progress = silent) -> ParzenResult:
    """Scores a subject's samples by its real rows. Raises UsageError as :func:`evaluate` does."""
    files, dataset = subject.files, subject.dataset
    if dataset is not None:
        target = target_of_dataset(dataset, subject.split, settings.validation_rows, settings.references)
    else:
        given, data = subject.given()
        rows = settings.validation_rows
        target = target_of_arrays(data, given.validation, given.train, rows, settings.references)
    labels, said = subject.labels(settings.num_samples, settings.seed), list[str]()
    if files:
        labels = files.samples.labels
    if files and target.labels is not None:
        origin = files.data.origin if files.data else target.dataset
        labels, said = labels_by_name(files.samples, target.classes, origin)
    notes = (*(scaling_notes(files.rows) if files else ()), *target.notes, *said)
    target = replace(target, notes=notes, warnings=(*subject.warnings, *target.warnings))
    samples = subject.draw(settings.num_samples, settings.seed)
    return evaluate(samples, target, settings, sample_labels=labels, device=subject.place.device, progress=progress)


class _Bench:
    """The rows of a target on the device, to score several sets of samples alike."""

    def __init__(self, target: Target, settings: ParzenSettings, device: torch.device, progress: Progress) -> None:
        self.settings, self.device, self.progress = settings, device, progress
        self.scored = target.scored.to(device)
        self.selection = None if target.selection is None else target.selection.to(device)
        apart = target.reference_scored
        self.reference_scored = self.scored if apart is None else apart.to(device)

    def window(self, samples: torch.Tensor) -> Window:
        return Window(samples.to(self.device), self.settings.impl, self.progress)

    def choose(self, window: Window) -> Choice:
        return choose_sigma(window, self.selection, grid=self.settings.grid, sigma=self.settings.sigma)

    def reference(self, samples: torch.Tensor, stage: str, how: str) -> Reference:
        """Sigma is the reference's own on the validation rows, where there are any, even if one is given."""
        found = score(
            self.window(samples),
            self.reference_scored,
            self.selection,
            grid=self.settings.grid,
            sigma=None if self.selection is not None else self.settings.sigma,
            stage=stage,
        )
        return Reference(found.num_samples, found.sigma, found.log_likelihood, found.standard_error, how)


def _measure(
    bench: _Bench, window: Window, sample_labels: torch.Tensor | None, target: Target, choice: Choice
) -> ParzenResult:
    """Everything but the references, from one pass over the samples and the rows scored."""
    settings = bench.settings
    seed = settings.seed
    refined = refine_sigma(choice) if settings.refine and settings.sigma is None else None
    resampled = resampled_sigmas(choice, seed)
    # The sigma of the headline is the first: its groups are kept.
    sigmas = [choice.sigma, *sorted({*resampled, *([refined] if refined else [])} - {choice.sigma})]
    grouped = grouped_log_densities(window, bench.scored, sigmas, seed=seed, stage="samples: scoring")
    values = grouped.total[0]
    gap = None
    if target.train is not None:
        gap = train_gap(window, target.train, choice.sigma, values, seed=seed)
    conditional = conditional_score(window, bench.scored, target.labels, sample_labels, choice.sigma)
    mean, error = mean_and_error(values)
    at_sigma = dict(zip(sigmas, grouped.total, strict=True))
    return ParzenResult(
        dataset=target.dataset,
        split=target.split,
        test_size=len(target.scored),
        num_samples=len(window),
        dimension=target.dimension,
        sigma=choice.sigma,
        sigma_source=choice.source,
        log_likelihood=mean,
        standard_error=error,
        nats_per_dimension=mean / target.dimension,
        sigma_curve=choice.curve,
        validation_size=choice.rows,
        refined=_refined(choice, refined, grouped.total[sigmas.index(refined)]) if refined else None,
        sample_curve=sample_curve(grouped),
        uncertainties=uncertainties(grouped, choice, resampled, at_sigma, seed),
        train_gap=gap,
        per_class=class_scores(values, target.labels),
        class_conditional=conditional,
        references=References(),
        paper=PAPER_SCORES.get(target.dataset) if target.split == "test" else None,
        pixel_scaling=target.pixel_scaling,
        seed=seed,
        impl=str(window.ways),
        remainder=window.ways.remainder,
        device=str(bench.device),
        data_fingerprint=fingerprint(target.scored),
    )


def fingerprint(rows: torch.Tensor) -> str:
    """SHA-256 of the values of rows [N, D]: scores of one fingerprint were measured on the same rows."""
    return hashlib.sha256(rows.contiguous().numpy().data).hexdigest()


def _refined(choice: Choice, sigma: float, values: torch.Tensor) -> Refined:
    assert choice.blocks is not None
    (validation,), _ = mean_and_slope(choice.blocks, [sigma])
    return Refined(sigma, *mean_and_error(values), validation)


def _check(samples: torch.Tensor, labels: torch.Tensor | None, target: Target) -> None:
    if samples.ndim != 2 or len(samples) == 0 or samples.shape[1] != target.dimension:
        raise UsageError(
            f"The samples have shape {list(samples.shape)}, but {target.dataset} has rows of {target.dimension} "
            f"values: give samples [N, {target.dimension}] of the same data."
        )
    if labels is not None and labels.shape != samples.shape[:1]:
        raise UsageError(
            f"There are {len(samples):,} samples and labels of shape {list(labels.shape)}: give one label a sample."
        )
    finite = samples.isfinite().all(dim=1)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise UsageError(
            f"{bad:,} of the {len(samples):,} samples hold NaN or infinity: the generator has diverged; take an "
            f"earlier checkpoint with --step."
        )


def _references(bench: _Bench, target: Target, rows: torch.Tensor, count: int) -> tuple[References, list[str]]:
    """Both references, and notes on how the centroids were made."""
    settings = bench.settings
    real = random_subset(rows, count, settings.seed)
    images = bench.reference(
        real, "training images", f"{len(real):,} of {len(rows):,} {target.reference_origin}, seed {settings.seed}"
    )
    centroids, said = kmeans_centroids(rows, count, settings.cache, bench.progress)
    kmeans = bench.reference(centroids, "k-means centroids", describe_kmeans(len(centroids)))
    return References(images, kmeans), said


def _comparison(found: ParzenResult) -> list[str]:
    """Which references score above the samples: information, since memorised images do so by nature."""
    references = found.references
    named = (("real training images", references.training_images), ("k-means centroids", references.kmeans_centroids))
    above = [name for name, reference in named if reference and reference.log_likelihood > found.log_likelihood]
    if not above:
        return []
    return [f"{' and '.join(above)} score above the samples.".capitalize()]
