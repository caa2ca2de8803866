"""What the paper proposes, tried on real data: each study is a sweep, what scores its runs, and published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool.config.masks import parse_mask
from gantool.evaluation.augmentation.score import AugmentationSettings
from gantool.evaluation.bayes.score import BayesSettings
from gantool.evaluation.diversity.score import DiversitySettings
from gantool.evaluation.features.sources import FeatureSettings
from gantool.evaluation.inference.score import InferenceSettings
from gantool.evaluation.inpainting.score import InpaintingSettings
from gantool.evaluation.labels.score import LabelsSettings
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.sweep.plan import Point, Sweep, point_of


@dataclass(frozen=True)
class Study:
    """`plan(folder, seeds, quick)` are the runs, `measures(quick)` what scores each.

    `published` are rows of what others print: the model, its figure, and where it is from and differs. `reading` says
    how the columns are to be read.
    """

    about: str
    plan: Callable[[Path, int, bool], Sweep]
    measures: Callable[[bool], tuple[tuple[str, Any], ...]]
    published: tuple[tuple[str, str, str], ...]
    reading: str


_OURS = point_of("mnist-conditional", (), "mnist-conditional")


def _conditional(folder: Path, seeds: int, quick: bool) -> Sweep:
    if quick:
        return Sweep((point_of("digits-conditional", ("training.steps=150",), "digits-conditional"),), folder, seeds)
    unit = point_of("cgan", ("noise.distribution=uniform",), "cgan, z of variance 1", most_seeds=1)
    return Sweep((_OURS, point_of("cgan", (), "cgan"), unit), folder, seeds)


def _by_parzen(quick: bool) -> tuple[tuple[str, Any], ...]:
    return (("parzen", ParzenSettings(num_samples=1_000 if quick else 10_000, references=False)),)


CONDITIONAL = Study(
    "p(x | class): the conditional GAN's net, scored overall and by class",
    _conditional,
    _by_parzen,
    (
        ("conditional GAN", "132 ± 1.8", "Mirza and Osindero 2014: 1,000 samples of each class"),
        ("conditional GAN", "283.03 ± 2.15", "another recipe of that name: Adam, batch 128, 50 epochs, cross-entropy"),
        ("adversarial nets", "225 ± 2", "Goodfellow et al. 2014: not told the class"),
    ),
    "Parzen: each row under all 10,000 samples; by class: each row under the samples of its own class alone, about "
    "1,000. The checkpoint of the best look at validation rows is scored.",
)


def _inference(folder: Path, seeds: int, quick: bool) -> Sweep:
    presets = ("digits-bigan",) if quick else ("bigan", "latent-regressor", "joint-regressor")
    settings = ("training.steps=150",) if quick else ()
    return Sweep(tuple(point_of(preset, settings, preset) for preset in presets), folder, seeds)


def _by_inference(quick: bool) -> tuple[tuple[str, Any], ...]:
    return (("inference", InferenceSettings(num_samples=200 if quick else 1_000)),)


INFERENCE = Study(
    "z from x: an encoder learned in the game, or by regression on the generator's samples",
    _inference,
    _by_inference,
    (
        ("BiGAN, 25 epochs", "7.29; 95.41 %, 96.28 %", "the log of jeffdonahue/bigan"),
        ("BiGAN, 400 epochs", "5.95; 92.10 %, 97.35 %", "the same: ‖x − G(E(x))‖; 1-NN by codes, by the layer before"),
    ),
    "The mean distance of 1,000 test rows x to G(E(x)), and of as many z to E(G(z)); the share of the rows whose class "
    "is that of the training row with the nearest code, and by the encoder's last hidden layer.",
)


def _labels(folder: Path, seeds: int, quick: bool) -> Sweep:
    if quick:
        return Sweep((point_of("k-plus-one", ("training.steps=100",), "100 labels"),), folder, seeds)
    counts = ("20", "1000", "all")
    others = [
        point_of("k-plus-one", () if count == "all" else (f"data.labels={count}",), f"{count} labels", most_seeds=1)
        for count in counts
    ]
    return Sweep((point_of("k-plus-one", (), "100 labels"), *others), folder, seeds)


LABELS = Study(
    "Few labels: mistakes on 10,000 test rows",
    _labels,
    lambda quick: (("labels", LabelsSettings()),),
    (
        ("K + 1, 20 labels", "1677 ± 452", "Salimans et al. 2016: 300 epochs, 10 splits"),
        ("K + 1, 100 labels", "93 ± 6.5", "the same"),
        ("K + 1, 200 labels", "90 ± 4.2", "the same"),
    ),
    "The authors' script looks at the test rows each epoch; here validation rows choose, and the test rows count once. "
    "Each seed draws its own labelled rows. 40 epochs of 50,000 rows.",
)


def _inpainting(folder: Path, seeds: int, quick: bool) -> Sweep:
    preset, settings = ("digits-inpainting", ("training.steps=150",)) if quick else ("inpainting", ())
    return Sweep((point_of(preset, settings, preset),), folder, seeds)


def _by_holes(quick: bool) -> tuple[tuple[str, Any], ...]:
    masks = ("half:right", "random:0.5", "box:4" if quick else "box:14")
    count = 100 if quick else 1_000
    return tuple(("inpainting", InpaintingSettings(num_samples=count, mask=parse_mask(mask))) for mask in masks)


INPAINTING = Study(
    "All conditionals: what is missing of test rows, filled in 10 times",
    _inpainting,
    _by_holes,
    (
        ("the mean of the 20 nearest training rows, half:right", "0.193", "500 test rows; single draws √2 times that"),
        ("the nearest training row, half:right", "0.258", "the same"),
        ("the training mean, half:right", "0.262", "the same"),
    ),
    "RMSE of the mean of 10 draws over missing pixels; the energy score of single draws, the less the better; class: "
    "the share of draws that a classifier takes for their row's class.",
)


def _augmentation(folder: Path, seeds: int, quick: bool) -> Sweep:
    common = ("training.keep_best=none", "training.watch_every=0")
    if quick:
        own = ("data.rows=100", "training.batch_size=50", "training.steps=150", "training.watch_every=0")
        return Sweep((point_of("digits-conditional", own, "100 rows"),), folder, seeds)
    points = [
        point_of("mnist-conditional", (f"data.rows={rows}", "training.steps=5000", *common), f"{rows:,} rows")
        for rows in (100, 1_000, 10_000)
    ]
    return Sweep(tuple(points), folder, seeds)


AUGMENTATION = Study(
    "More training data: mistakes of a classifier on n real rows, with 10,000 generated ones, and on these alone",
    _augmentation,
    lambda quick: (("augmentation", AugmentationSettings(num_samples=500 if quick else 10_000)),),
    (),
    "The generator saw the same n labelled rows and nothing else; each seed draws its own. Real rows are repeated "
    "until there are as many as generated ones. The same small classifier and test rows throughout.",
)


def _bayes(folder: Path, seeds: int, quick: bool) -> Sweep:
    return _conditional(folder, seeds, True) if quick else Sweep((_OURS,), folder, seeds)


BAYES = Study(
    "Prediction by Bayes' rule: p(c | x) from a Parzen window on the samples of each class",
    _bayes,
    lambda quick: (("bayes", BayesSettings(num_samples=1_000 if quick else 10_000)),),
    (
        ("1,000 training rows a class", "5.3 %; 5.6, 0.19", "mistakes; −log p(c | x) at p(x)'s σ, and at σ = 1"),
        ("all training rows", "3.30 %; 3.44, 0.11", "the same"),
    ),
    "The share of mistakes on test rows, with σ chosen for p(x) and for p(c | x) on validation rows.",
)


def _prior(folder: Path, seeds: int, quick: bool) -> Sweep:
    if quick:
        tree = [("uniform", 2), ("gaussian", 16)]
        points = [_prior_point("digits", name, size, ("training.steps=150",)) for name, size in tree]
        return Sweep(tuple(points), folder, seeds)
    tree = [("uniform", 100), ("gaussian", 100), ("spherical", 100), *(("uniform", n) for n in (1, 2, 10, 30, 300))]
    points = [_prior_point("mnist-average", name, size, ("training.epochs=25",)) for name, size in tree]
    return Sweep(tuple(points), folder, seeds)


def _prior_point(preset: str, name: str, size: int, settings: tuple[str, ...]) -> Point:
    return point_of(preset, (f"noise.distribution={name}", f"noise.dimension={size}", *settings), f"{name}, {size}")


def _by_all(quick: bool) -> tuple[tuple[str, Any], ...]:
    count = 1_000 if quick else 10_000
    return (
        ("parzen", ParzenSettings(num_samples=count, references=False)),
        ("diversity", DiversitySettings(num_samples=count)),
        ("features", FeatureSettings(num_samples=count)),
    )


PRIOR = Study(
    "The noise prior: its distribution and its dimension",
    _prior,
    _by_all,
    (),
    "Near copies: the share of samples nearer to a training row than the nearest 1 % of test rows are, 1 % for samples "
    "that know none by heart. Recall: the share of test rows within reach of the samples, by a classifier's features.",
)

STUDIES = {
    "conditional": CONDITIONAL,
    "inference": INFERENCE,
    "inpainting": INPAINTING,
    "labels": LABELS,
    "augmentation": AUGMENTATION,
    "bayes": BAYES,
    "prior": PRIOR,
}
