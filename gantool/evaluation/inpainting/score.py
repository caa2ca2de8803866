"""In-painting: how far is what a model fills in from what was there, and is its spread right?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantool.config.masks import MaskConfig
from gantool.data import Dataset
from gantool.data.masks import draw_known
from gantool.errors import UsageError
from gantool.evaluation.classifier import classifier_cache, train_classifier
from gantool.evaluation.inpainting.rivals import NEIGHBOURS, mean_fill, neighbour_draws
from gantool.evaluation.subject import Subject
from gantool.numerics.rows import subset_indices
from gantool.progress import Progress, silent
from gantool.sampling import complete
from gantool.seeds import check_seed, derive_seed


@dataclass(frozen=True)
class InpaintingSettings:
    """How many rows of the split are filled in, how often each, and what is missing of them."""

    num_samples: int = 500
    seed: int = 0
    mask: MaskConfig = field(default_factory=lambda: MaskConfig("half"))
    draws: int = 10
    classifiers: Path = field(default_factory=classifier_cache)

    def __post_init__(self) -> None:
        if self.num_samples < 2:
            raise UsageError(f"--num-samples must be 2 or more, but is {self.num_samples}.")
        if self.draws < 2:
            raise UsageError(f"--draws must be 2 or more, since their spread is scored, but is {self.draws}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class Filling:
    """One way to fill in, scored on the missing values alone.

    `rmse` is that of the mean of the draws; `rmse_of_one` that of single draws, and `energy_score`
    E‖X − x‖ − ½ E‖X − X′‖ over a row's missing values, is of the draws' spread, too: both None where there is one
    answer. `agreement` is the share of filled-in rows that a classifier takes for their own class; None without labels.
    Each error is a standard error over rows.
    """

    name: str
    rmse: float
    rmse_error: float
    rmse_of_one: float | None = None
    energy_score: float | None = None
    energy_error: float | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class InpaintingResult:
    """What was filled in, by the run and beside it: `fillings`, the run's first. `missing` is the share of values."""

    dataset: str
    split: str
    num_samples: int
    mask: str
    missing: float
    draws: int
    fillings: tuple[Filling, ...]
    classifier: str | None
    seed: int
    device: str
    impl: str = "torch (network and neighbours in float32, scores in float64)"
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool inpaint --json` prints."""
        return {"measure": "inpainting", **asdict(self)}


def inpainting_of(subject: Subject, settings: InpaintingSettings, progress: Progress = silent) -> InpaintingResult:
    """Fills in rows of a run's data. UsageError where the subject is no run, or was not trained with masks."""
    run, dataset = subject.run, subject.dataset
    if run is None or dataset is None:
        raise UsageError("In-painting is by a run: its generator is needed, and files do not hold one.")
    device = subject.place.device
    generator = run.load_generator(device, subject.step)
    settings.mask.check(dataset.shape, "--mask")
    split = dataset.split(subject.split)
    if len(split) < 2:
        raise UsageError(f"The data set {dataset.name} has no {subject.split} rows to fill in; choose another --split.")
    chosen = subset_indices(len(split), min(settings.num_samples, len(split)), settings.seed)
    rows = dataset.values(split.stored[chosen])
    rng = torch.Generator().manual_seed(derive_seed(settings.seed, "masks to fill in"))
    known = draw_known(settings.mask, len(rows), dataset.shape, rng)
    progress("filling in", 0, 0)
    draws = complete(generator, run.config.noise, rows, known, settings.draws, seed=settings.seed, device=device)
    train = dataset.values(dataset.train.stored)
    progress("nearest training rows", 0, 0)
    neighbours = neighbour_draws(rows, known, train, min(NEIGHBOURS, len(train)))
    classify, about = _classifier(dataset, split.labels, chosen, settings, progress)
    one = mean_fill(rows, known, train)[None]
    fillings = (
        filling("this run", draws, rows, ~known, classify(draws)),
        filling(f"{len(neighbours)} nearest training rows", neighbours, rows, ~known, classify(neighbours)),
        filling("the nearest training row", neighbours[:1], rows, ~known, classify(neighbours[:1])),
        filling("the training mean", one, rows, ~known, classify(one)),
    )
    return InpaintingResult(
        dataset=dataset.name,
        split=subject.split,
        num_samples=len(rows),
        mask=str(settings.mask),
        missing=float((~known).double().mean()),
        draws=settings.draws,
        fillings=fillings,
        classifier=about,
        seed=settings.seed,
        device=str(device),
    )


def filling(name: str, draws: Tensor, rows: Tensor, scored: Tensor, agreement: float | None = None) -> Filling:
    """Scores draws [S, N, D] against rows [N, D] by the values that `scored` [N, D] bool says."""
    missing, draws, truth = scored.double(), draws.double(), rows.double()
    own = (draws.mean(dim=0) - truth).square().mul(missing).sum(dim=1)
    rmse, error = _root_mean(own, missing.sum(dim=1))
    if len(draws) < 2:
        return Filling(name, rmse, error, agreement=agreement)
    squares = (draws - truth).square().mul(missing).sum(dim=2)
    count = len(draws)
    to_truth = squares.sqrt().mean(dim=0)
    # Distances between draws, a row at a time: [N, S, D] → [N, S, S].
    hidden = (draws * missing).transpose(0, 1).contiguous()
    apart = torch.cdist(hidden, hidden, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=(1, 2))
    energy = to_truth - 0.5 * apart / (count * (count - 1))
    return Filling(
        name,
        rmse,
        error,
        _root_mean(squares.mean(dim=0), missing.sum(dim=1))[0],
        float(energy.mean()),
        float(energy.std() / len(energy) ** 0.5),
        agreement,
    )


def _root_mean(squares: Tensor, counts: Tensor) -> tuple[float, float]:
    """The root of Σ squares / Σ counts over rows, and its standard error (delta method for a ratio)."""
    mean = squares.sum() / counts.sum().clamp_min(1.0)
    residuals = (squares - mean * counts) / counts.mean().clamp_min(1e-12)
    error = residuals.std() / len(squares) ** 0.5
    root = mean.sqrt()
    return float(root), float(error / (2 * root)) if root > 0 else 0.0


def _classifier(
    dataset: Dataset, labels: Tensor | None, chosen: Tensor, settings: InpaintingSettings, progress: Progress
) -> tuple[Any, str | None]:
    """What counts how many draws keep their class, and what it goes by; nothing where there are no labels."""
    if labels is None or dataset.train.labels is None or dataset.validation.labels is None:
        return (lambda draws: None), None
    classifier = train_classifier(dataset, cache=settings.classifiers, progress=progress)
    aim = labels[chosen]

    def agreement(draws: Tensor) -> float:
        found = classifier.predict(draws.flatten(0, 1)).view(len(draws), -1)
        return float((found == aim).double().mean())

    return agreement, classifier.about
