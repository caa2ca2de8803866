"""What the paper proposes, tried on real data: each study is a sweep, what scores its runs, and published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool.evaluation.inference.score import InferenceSettings
from gantool.evaluation.labels.score import LabelsSettings
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.sweep.plan import Sweep, point_of


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


def _conditional(folder: Path, seeds: int, quick: bool) -> Sweep:
    preset, settings = ("digits-conditional", ("training.steps=150",)) if quick else ("cgan", ())
    return Sweep((point_of(preset, settings, preset),), folder, seeds)


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
    counts = ("100",) if quick else ("100", "20", "1000")
    length = ("training.steps=100",) if quick else ()
    points = [point_of("k-plus-one", (f"data.labels={count}", *length), f"{count} labels") for count in counts]
    return Sweep(tuple(points), folder, seeds)


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

STUDIES = {"conditional": CONDITIONAL, "inference": INFERENCE, "labels": LABELS}
