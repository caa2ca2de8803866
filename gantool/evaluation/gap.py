"""Training rows against test rows under the same samples: a window on memorised images prefers the former."""

from __future__ import annotations

import math

import torch

from gantool.evaluation.result import TrainGap
from gantool.numerics.density import log_densities
from gantool.numerics.rows import random_subset
from gantool.ops import Impl
from gantool.progress import Progress


def train_gap(
    train: torch.Tensor,
    samples: torch.Tensor,
    sigma: float,
    test_values: torch.Tensor,
    *,
    seed: int,
    impl: Impl,
    progress: Progress,
) -> TrainGap:
    """Scores as many training rows [R, D] as there are test log-densities [N], a random subset, by samples [M, D]."""
    rows = random_subset(train, len(test_values), seed).to(samples.device)
    values = log_densities(rows, samples, [sigma], impl=impl, stage="samples: scoring training rows", progress=progress)
    train_mean, test_mean = values.mean().item(), test_values.mean().item()
    variance = values.var(correction=0).item() / len(rows) + test_values.var(correction=0).item() / len(test_values)
    return TrainGap(len(rows), train_mean, test_mean, train_mean - test_mean, math.sqrt(variance))
