"""The paper's evaluation: a Parzen window on generated samples, sigma by validation, and references beside the score.

log p(x) = log mean_j exp(−‖x − s_j‖² / 2σ²) − (D/2)·log(2πσ²) (Goodfellow et al. 2014, section 5). The estimate is not
the likelihood: it has high variance, grows with the number of samples, and depends on sigma and on the pixel scale
(Theis, van den Oord and Bethge 2016); the result therefore carries all of these, two references and every warning.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch

from gantool.errors import UsageError
from gantool.evaluation import warnings as checks
from gantool.evaluation.density import PAPER_GRID, CurvePoint, Progress, Score, score, silent
from gantool.evaluation.references import cache_folder, describe_kmeans, kmeans_centroids, random_subset
from gantool.evaluation.target import Target
from gantool.ops import Impl, selected_impl

# Table 1 of the paper, for data sets of the same name; mean log-likelihood on the test set in nats.
PAPER_SCORES: dict[str, dict[str, Any]] = {
    "mnist": {
        "log_likelihood": 225.0,
        "standard_error": 2.0,
        "num_samples": 10_000,
        "source": "Goodfellow et al. 2014, Table 1, adversarial nets",
    }
}


@dataclass(frozen=True)
class ParzenSettings:
    """How samples are scored. `sigma` None: chosen from `grid` on at most `validation_rows` validation rows."""

    num_samples: int = checks.PROTOCOL_SAMPLES
    sigma: float | None = None
    grid: tuple[float, ...] = PAPER_GRID
    validation_rows: int = 1_000
    seed: int = 0
    impl: Impl = "auto"
    references: bool = True
    cache: Path = field(default_factory=cache_folder)

    def __post_init__(self) -> None:
        for flag, value in (("--num-samples", self.num_samples), ("--validation-rows", self.validation_rows)):
            if value < 1:
                raise UsageError(f"{flag} must be a whole number, 1 or more, but is {value}.")
        if self.sigma is not None and not (0 < self.sigma < math.inf):
            raise UsageError(f"--sigma must be a number above 0, in the data's units, but is {self.sigma:g}.")
        if self.impl not in get_args(Impl):
            raise UsageError(f"--impl must be one of {', '.join(get_args(Impl))}, but is {self.impl!r}.")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed must be a whole number from 0 to below 2^63, but is {self.seed}.")


@dataclass(frozen=True)
class Reference:
    """The score of samples that no model made, under the same protocol. `how` says what they are."""

    num_samples: int
    sigma: float
    log_likelihood: float
    standard_error: float
    how: str


@dataclass(frozen=True)
class References:
    """The two references; None where they were not wanted or there are no rows for them."""

    training_images: Reference | None = None
    kmeans_centroids: Reference | None = None


@dataclass(frozen=True)
class ParzenResult:
    """A score and everything that it depends on. Log-likelihoods in nats; sigma in the data's units.

    `standard_error` is std/√test_size across the rows scored: it leaves out the samples drawn, the choice of sigma and
    the training seed. `sigma_source` is `validation` or `given`. `impl` names the kernel that ran.
    """

    dataset: str
    split: str
    test_size: int
    num_samples: int
    dimension: int
    sigma: float
    sigma_source: str
    log_likelihood: float
    standard_error: float
    nats_per_dimension: float
    sigma_curve: tuple[CurvePoint, ...]
    validation_size: int
    references: References
    paper: dict[str, Any] | None
    pixel_scaling: str
    seed: int
    impl: str
    device: str
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers: the object that `gantool eval parzen --json` prints."""
        return asdict(self)


def evaluate(
    samples: torch.Tensor,
    target: Target,
    settings: ParzenSettings,
    *,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> ParzenResult:
    """Scores samples [M, D] float32 by the protocol. Of more rows than `num_samples` a random subset is taken.

    Raises UsageError where the dimensions differ, where a sample is not finite, or where there is neither a sigma nor a
    validation row to choose it on.
    """
    started = time.monotonic()
    _check(samples, target)
    notes = list(target.notes)
    if len(samples) > settings.num_samples:
        notes.append(f"{settings.num_samples:,} of the {len(samples):,} samples are used, a random subset.")
        samples = random_subset(samples, settings.num_samples, settings.seed)
    bench = _Bench(target, settings, device or torch.device("cpu"), progress)
    found = bench.score(samples, "samples")
    warnings = [*_warnings(found, samples, target, settings), *target.warnings]
    references = References()
    if settings.references and target.reference is not None:
        references = _references(bench, target.reference, len(samples), warnings, notes)
    notes += _comparison(found, references)
    impl = selected_impl("parzen_log_density", bench.scored, samples.to(bench.device), impl=settings.impl)
    result = _result(found, references, target, settings, impl=impl, device=str(bench.device))
    return replace(result, warnings=tuple(warnings), notes=tuple(notes), seconds=time.monotonic() - started)


def _result(
    found: Score, references: References, target: Target, settings: ParzenSettings, *, impl: str, device: str
) -> ParzenResult:
    return ParzenResult(
        dataset=target.dataset,
        split=target.split,
        test_size=len(target.scored),
        num_samples=found.num_samples,
        dimension=target.dimension,
        sigma=found.sigma,
        sigma_source="validation" if settings.sigma is None else "given",
        log_likelihood=found.log_likelihood,
        standard_error=found.standard_error,
        nats_per_dimension=found.log_likelihood / target.dimension,
        sigma_curve=found.curve,
        validation_size=0 if target.selection is None else len(target.selection),
        references=references,
        paper=PAPER_SCORES.get(target.dataset) if target.split == "test" else None,
        pixel_scaling=target.pixel_scaling,
        seed=settings.seed,
        impl=impl,
        device=device,
    )


class _Bench:
    """The rows of a target on the device, to score several sets of samples alike."""

    def __init__(self, target: Target, settings: ParzenSettings, device: torch.device, progress: Progress) -> None:
        self.settings, self.device, self.progress = settings, device, progress
        self.scored = target.scored.to(device)
        self.selection = None if target.selection is None else target.selection.to(device)

    def score(self, samples: torch.Tensor, stage: str, *, sigma_is_own: bool = False) -> Score:
        """`sigma_is_own`: choose sigma on the validation rows, where there are any, even if one is given."""
        own = sigma_is_own and self.selection is not None
        return score(
            samples.to(self.device),
            self.scored,
            self.selection,
            grid=self.settings.grid,
            sigma=None if own else self.settings.sigma,
            impl=self.settings.impl,
            stage=stage,
            progress=self.progress,
        )

    def reference(self, samples: torch.Tensor, stage: str, how: str) -> Reference:
        found = self.score(samples, stage, sigma_is_own=True)
        return Reference(found.num_samples, found.sigma, found.log_likelihood, found.standard_error, how)


def _check(samples: torch.Tensor, target: Target) -> None:
    if samples.ndim != 2 or len(samples) == 0 or samples.shape[1] != target.dimension:
        raise UsageError(
            f"The samples have shape {list(samples.shape)}, but {target.dataset} has rows of {target.dimension} "
            f"values: give samples [N, {target.dimension}] of the same data."
        )
    finite = samples.isfinite().all(dim=1)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise UsageError(
            f"{bad:,} of the {len(samples):,} samples hold NaN or infinity: the generator has diverged; take an "
            f"earlier checkpoint with --step."
        )


def _warnings(found: Score, samples: torch.Tensor, target: Target, settings: ParzenSettings) -> list[str]:
    """Everything to be said of the score itself, the gravest first."""
    said = []
    sigmas = [point.sigma for point in found.curve]
    if settings.sigma is None:
        said += checks.grid_end(sigmas, sigmas.index(found.sigma))
    elif found.curve:
        at_sigma = found.curve[sigmas.index(found.sigma)].log_likelihood
        best = found.best
        said += checks.far_sigma(found.sigma, at_sigma, best.sigma, best.log_likelihood, target.dimension)
    else:
        said += checks.unsearched(found.sigma)
    said += checks.below_gaussian(found.log_likelihood, samples, target.scored)
    said += checks.scaling(samples, "samples", target.scored, "data")
    said += checks.sample_count(found.num_samples)
    said += checks.duplicates(samples)
    return said


def _references(bench: _Bench, rows: torch.Tensor, count: int, warnings: list[str], notes: list[str]) -> References:
    settings = bench.settings
    real = random_subset(rows, count, settings.seed)
    images = bench.reference(
        real, "training images", f"{len(real):,} of {len(rows):,} real training examples, seed {settings.seed}"
    )
    centroids, said = kmeans_centroids(rows, count, settings.cache, bench.progress)
    notes += said
    kmeans = bench.reference(centroids, "k-means centroids", describe_kmeans(len(centroids)))
    warnings += checks.reference_counts(images.num_samples, kmeans.num_samples, count)
    return References(images, kmeans)


def _comparison(found: Score, references: References) -> list[str]:
    """Which references score above the samples: information, since memorised images do so by nature."""
    named = (("real training images", references.training_images), ("k-means centroids", references.kmeans_centroids))
    above = [name for name, reference in named if reference and reference.log_likelihood > found.log_likelihood]
    if not above:
        return []
    return [f"{' and '.join(above)} score above the samples.".capitalize()]
