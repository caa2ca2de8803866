"""What repeats an evaluation: the uncertainties of one, and how far fresh draws move the score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from gantool.evaluation.parzen.growth import grouped_log_densities
from gantool.evaluation.parzen.result import Uncertainty
from gantool.evaluation.parzen.uncertainty import resampled_sigmas, uncertainties
from gantool.numerics.density import PAPER_GRID, Window, choose_sigma

# Steps of 6 %: a sigma then varies, where the paper's grid often has one that all rows choose.
FINE_GRID = tuple(10 ** (-1 + step / 40) for step in range(41))


def normal_rows(count: int, seed: int, dimension: int = 4) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def uncertainties_of(
    samples: torch.Tensor,
    scored: torch.Tensor,
    selection: torch.Tensor | None = None,
    *,
    sigma: float | None = None,
    grid: Sequence[float] = PAPER_GRID,
    seed: int = 0,
) -> dict[str, Uncertainty]:
    choice = choose_sigma(Window(samples), selection, grid=grid, sigma=sigma)
    chosen = resampled_sigmas(choice, seed)
    sigmas = [choice.sigma, *sorted(set(chosen) - {choice.sigma})]
    parts = grouped_log_densities(Window(samples), scored, sigmas, seed=seed, stage="")
    at_sigma = dict(zip(sigmas, parts.total, strict=True))
    return {source.name: source for source in uncertainties(parts, choice, chosen, at_sigma, seed)}


def root_mean_square(values: Sequence[float | None]) -> float:
    return math.sqrt(np.mean([value**2 for value in values if value is not None]))


def sigma_choices_against_fresh_rows(
    samples: torch.Tensor, scored: torch.Tensor, fresh: torch.Tensor, rows: int, estimates: int
) -> tuple[list[float | None], float]:
    """Each ± of `estimates` sets of `rows` validation rows out of `fresh`, and the true standard deviation over 500."""
    at, pool = (Window(samples).log_densities(part, FINE_GRID).numpy() for part in (scored, fresh))
    rng = np.random.default_rng(0)
    picks = [rng.integers(0, len(fresh), rows) for _ in range(500)]
    truth = np.std([at.mean(axis=1)[pool[:, pick].mean(axis=1).argmax()] for pick in picks])
    found = [
        uncertainties_of(samples, scored, fresh[torch.from_numpy(pick)], grid=FINE_GRID)["choice of sigma"].value
        for pick in picks[:estimates]
    ]
    return found, float(truth)
