"""Modes on toys: every objective, order, play and packing on the ring of 8 and the grid of 25, under one protocol.

The published figures stand beside it. They differ from paper to paper for the same plain GAN on the same grid.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gantool.evaluation.diversity.score import DiversitySettings
from gantool.sweep.plan import Point, Sweep, point_of

# The updates of the discriminator in each run, and what scores it.
STEPS, QUICK_STEPS = 20_000, 1_000
SAMPLES = 2_500
SETS = {"ring2d": "ring of 8", "grid2d": "grid of 25"}

_BASE = (
    "training.log_every=500",
    "training.sample_every=10000",
    "training.checkpoint_every=5000",
    "training.keep_checkpoints=1",
    "training.watch_every=50",
)

# Rows of the table: what is otherwise than in the preset, which is the non-saturating loss in the default order.
OBJECTIVES = {
    "non-saturating": (),
    "minimax": ("objective.name=minimax",),
    "f:identity": ("objective.name=f:identity",),
    "wasserstein, clip 0.01": ("objective.name=wasserstein", "objective.penalty.kind=clip"),
    "wasserstein, gradient penalty 0.1": (
        "objective.name=wasserstein",
        "objective.penalty.kind=gradient",
        "objective.penalty.weight=0.1",
    ),
    "least-squares": ("objective.name=least-squares",),
    "hinge": ("objective.name=hinge",),
    "kl": ("objective.name=kl",),
    "reverse-kl": ("objective.name=reverse-kl",),
    "pearson": ("objective.name=pearson",),
    "hellinger": ("objective.name=hellinger",),
    "jsd": ("objective.name=jsd",),
    "tv": ("objective.name=tv",),
    "relativistic": ("objective.name=relativistic",),
    "non-saturating, R1 1": ("objective.penalty.kind=r1", "objective.penalty.weight=1.0"),
    "relativistic, R1 + R2 1": (
        "objective.name=relativistic",
        "objective.penalty.kind=r1+r2",
        "objective.penalty.weight=1.0",
    ),
}
PLAYS = {
    "simultaneous": ("training.order=simultaneous",),
    "generator-first": ("training.order=generator-first",),
    "extragradient": ("training.order=simultaneous", "training.play=extragradient"),
    "optimistic": ("training.play=optimistic",),
    "consensus": ("training.order=simultaneous", "training.play=consensus"),
    "pack of 2": ("training.pack=2",),
    "pack of 4": ("training.pack=4",),
}


class Published(NamedTuple):
    """What a paper prints for a model on one of the sets, with its ±: modes, good samples, reverse KL in nats."""

    group: str
    model: str
    source: str
    modes: str
    good: str = "–"
    reverse_kl: str = "–"


PUBLISHED = (
    Published("ring of 8", "GAN", "PacGAN", "6.3 ± 0.5", "98.2 ± 0.2 %", "0.45 ± 0.09"),
    Published("ring of 8", "PacGAN2", "PacGAN", "7.9"),
    Published("grid of 25", "GAN", "VEEGAN", "3.3"),
    Published("grid of 25", "GAN", "ALI", "10.4"),
    Published("grid of 25", "GAN", "PacGAN", "17.3 ± 0.8", "94.8 %", "0.70"),
    Published("grid of 25", "ALI", "PacGAN", "24.1 ± 0.4", "95.7 %", "0.14"),
    Published("grid of 25", "PacGAN2", "PacGAN", "23.8", reverse_kl="0.13"),
    Published("grid of 25", "PacGAN3", "PacGAN", "24.6", reverse_kl="0.06"),
    Published("grid of 25", "PacGAN4", "PacGAN", "24.8 ± 0.2", reverse_kl="0.04"),
)


def toys(folder: Path, seeds: int, *, quick: bool = False) -> Sweep:
    """The table's runs: 23 rows on each set, over seeds. `quick` is a twentieth of the length, to see it work."""
    length = f"training.steps={QUICK_STEPS if quick else STEPS}"
    points = [
        point_of(preset, (*_BASE, length, *own), label, group)
        for preset, group in SETS.items()
        for label, own in (OBJECTIVES | PLAYS).items()
    ]
    return Sweep(tuple(points), folder, seeds)


def published_protocol(folder: Path, seeds: int) -> Sweep:
    """PacGAN's plain GAN by its own protocol, whole: 400,000 updates on each set."""
    groups = {"pacgan-ring": "ring of 8", "pacgan-grid": "grid of 25"}
    points: list[Point] = [point_of(preset, (), "GAN, PacGAN's protocol", group) for preset, group in groups.items()]
    return Sweep(tuple(points), folder, seeds)


def toy_measures() -> tuple[tuple[str, DiversitySettings], ...]:
    """What scores the runs: the modes of 2,500 samples."""
    return (("diversity", DiversitySettings(num_samples=SAMPLES)),)
