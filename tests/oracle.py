"""Float64 brute force: the only oracle that a Parzen window has."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp


def squared_distances(queries: torch.Tensor, samples: torch.Tensor) -> np.ndarray:
    """[N, M], from the differences themselves, in float64."""
    return cdist(queries.double().numpy(), samples.double().numpy(), "sqeuclidean")


def log_sum_exp(squared: np.ndarray, dimension: int, sigma: float) -> np.ndarray:
    """log p of each query from its squared distances [N, M]: [N]."""
    normaliser = math.log(squared.shape[1]) + dimension / 2 * math.log(2 * math.pi * sigma**2)
    return logsumexp(-squared / (2 * sigma**2), axis=1) - normaliser


def brute_force(queries: torch.Tensor, samples: torch.Tensor, sigma: float) -> np.ndarray:
    return log_sum_exp(squared_distances(queries, samples), samples.shape[1], sigma)


def brute_force_left_out(samples: torch.Tensor, sigma: float) -> np.ndarray:
    """log p of each sample under all others: [M]."""
    squared = squared_distances(samples, samples)
    np.fill_diagonal(squared, np.inf)
    return log_sum_exp(squared, samples.shape[1], sigma) + math.log(len(samples) / (len(samples) - 1))
