"""The Parzen-window estimate of one set of samples: sigma by validation, then the mean on the rows scored.

Breuleux, Bengio and Vincent 2011; Goodfellow et al. 2014, section 5 and the released code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gantool.errors import UsageError
from gantool.ops import Impl, parzen_log_density

# Called with the stage in words, the rows done and the rows in all.
Progress = Callable[[str, int, int], None]

# Queries in one call of the operator: enough to keep it busy, few enough that progress moves.
_QUERY_ROWS = 2_000

# The released code's grid, numpy.logspace(-1, 0, 10): from 0.1 to 1 in equal ratios.
PAPER_GRID: tuple[float, ...] = tuple(10 ** (-1 + step / 9) for step in range(10))


def silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class CurvePoint:
    """Mean log-likelihood in nats on the validation rows at one sigma (in the data's units)."""

    sigma: float
    log_likelihood: float


@dataclass(frozen=True)
class Score:
    """The estimate from one set of samples.

    `log_likelihood` is the mean over the rows scored, in nats; `standard_error` is std/√N across those rows.
    `curve` is the mean on the validation rows at each sigma, ascending; empty where there are no such rows.
    """

    num_samples: int
    sigma: float
    log_likelihood: float
    standard_error: float
    curve: tuple[CurvePoint, ...]

    @property
    def best(self) -> CurvePoint:
        """The largest value of the curve."""
        return max(self.curve, key=lambda point: point.log_likelihood)


def geometric_grid(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` values of sigma from `low` to `high` in equal ratios; UsageError where they make no grid."""
    valid = 0 < low < high and math.isfinite(high) and count >= 2
    if not valid:
        raise UsageError(
            f"--grid must be LOW HIGH COUNT with 0 < LOW < HIGH, values of sigma, and COUNT 2 or more, "
            f"but is {low:g} {high:g} {count}."
        )
    ratio = math.log(high / low)
    return (low, *(low * math.exp(ratio * step / (count - 1)) for step in range(1, count - 1)), high)


def log_densities(
    queries: torch.Tensor,
    samples: torch.Tensor,
    sigmas: Sequence[float],
    *,
    impl: Impl = "auto",
    stage: str = "",
    progress: Progress = silent,
) -> torch.Tensor:
    """Log-density of each query at every sigma: [N, D], [M, D], S numbers → [S, N] float64 nats on the CPU."""
    parts = []
    done = 0
    progress(stage, 0, len(queries))
    with torch.no_grad():
        for chunk in torch.split(queries, _QUERY_ROWS):
            parts.append(parzen_log_density(chunk, samples, list(sigmas), impl=impl).double().cpu())
            done += len(chunk)
            progress(stage, done, len(queries))
    return torch.cat(parts, dim=1)


def score(
    samples: torch.Tensor,
    scored: torch.Tensor,
    selection: torch.Tensor | None,
    *,
    grid: Sequence[float] = PAPER_GRID,
    sigma: float | None = None,
    impl: Impl = "auto",
    stage: str = "samples",
    progress: Progress = silent,
) -> Score:
    """Scores samples [M, D] by the rows of `scored` [N, D].

    Sigma is `sigma` where given, else the one of `grid` with the largest mean on `selection` [V, D]; never
    does a row of `scored` take part in that choice. The curve on `selection` is computed in either case.
    Raises UsageError where there is neither a sigma nor a selection.
    """
    curve: tuple[CurvePoint, ...] = ()
    if selection is not None:
        sigmas = sorted({*grid, sigma} if sigma is not None else set(grid))
        means = log_densities(
            selection, samples, sigmas, impl=impl, stage=f"{stage}: choosing sigma", progress=progress
        ).mean(dim=1)
        curve = tuple(CurvePoint(*pair) for pair in zip(sigmas, means.tolist(), strict=True))
    if sigma is None:
        if not curve:
            raise UsageError(
                "There are no validation rows to choose sigma on, and it is never chosen on the rows that are "
                "scored: give --validation FILE, or --sigma X."
            )
        sigma = max(curve, key=lambda point: point.log_likelihood).sigma
    values = log_densities(scored, samples, [sigma], impl=impl, stage=f"{stage}: scoring", progress=progress)[0]
    error = values.std(correction=0).item() / math.sqrt(len(values))
    return Score(len(samples), sigma, values.mean().item(), error, curve)
