"""Training rows against test rows under the same samples: a window on memorised images prefers the former."""

from __future__ import annotations

import math

import torch

from gantool.evaluation.parzen.result import TrainGap
from gantool.numerics.density import Window
from gantool.numerics.rows import random_subset


def train_gap(window: Window, train: torch.Tensor, sigma: float, test_values: torch.Tensor, *, seed: int) -> TrainGap:
    """Scores as many training rows [R, D] as there are test log-densities [N], a random subset, by a window."""
    rows = random_subset(train, len(test_values), seed).to(window.samples.device)
    values = window.log_densities(rows, [sigma], "samples: scoring training rows")
    train_mean, test_mean = values.mean().item(), test_values.mean().item()
    variance = values.var(correction=0).item() / len(rows) + test_values.var(correction=0).item() / len(test_values)
    return TrainGap(len(rows), train_mean, test_mean, train_mean - test_mean, math.sqrt(variance))
