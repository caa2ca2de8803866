"""The Parzen-window estimate of one set of samples: sigma by validation, then the mean on the rows scored.

Breuleux, Bengio and Vincent 2011; Goodfellow et al. 2014, section 5 and the released code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from gantool.errors import UsageError
from gantool.numerics.leave_one_out import Blocks, leave_one_out
from gantool.numerics.rows import distinct_rows
from gantool.ops import CertifiedDensity, Impl, parzen_certified, parzen_log_density
from gantool.ops.parzen import parzen_screened
from gantool.progress import Progress, silent

# What decided sigma: validation rows, the samples themselves, or the user.
SigmaSource = Literal["validation", "leave-one-out", "given"]

# Queries in one call of the operator: enough to keep it busy, few enough that progress moves.
_LEAST_ROWS, _PAIRS = 2_000, 100_000_000

# The released code's grid, numpy.logspace(-1, 0, 10): from 0.1 to 1 in equal ratios.
PAPER_GRID: tuple[float, ...] = tuple(10 ** (-1 + step / 9) for step in range(10))


@dataclass(frozen=True)
class CurvePoint:
    """Mean log-likelihood in nats on the rows that choose sigma, at one sigma (in the data's units)."""

    sigma: float
    log_likelihood: float


@dataclass(frozen=True)
class Choice:
    """A sigma and what it was chosen by.

    `curve` is the mean at each sigma, ascending, and `values` [S, V] the log-density of each row that chooses, on the
    CPU; `blocks` computes them at any other sigma. All three are empty or None where there are no such rows.
    """

    sigma: float
    source: SigmaSource
    curve: tuple[CurvePoint, ...] = ()
    values: torch.Tensor | None = None
    blocks: Blocks | None = None

    @property
    def rows(self) -> int:
        """V, how many rows choose."""
        return 0 if self.values is None else self.values.shape[1]

    @property
    def best(self) -> CurvePoint:
        """The largest value of the curve."""
        return max(self.curve, key=lambda point: point.log_likelihood)


@dataclass(frozen=True)
class Score:
    """The estimate from one set of samples.

    `log_likelihood` is the mean over the rows scored, in nats; `standard_error` is std/√N across those rows, None where
    there is one.
    `curve` is the mean on the rows that choose sigma at each sigma, ascending; empty where there are no such rows.
    """

    num_samples: int
    sigma: float
    log_likelihood: float
    standard_error: float | None
    curve: tuple[CurvePoint, ...]


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


@dataclass
class Ways:
    """How some log-densities came about: what ran, in order, and the largest remainder that it stated, in nats."""

    impls: dict[str, None] = field(default_factory=dict)
    remainder: float = 0.0

    def add(self, certified: CertifiedDensity) -> None:
        self.impls.setdefault(certified.impl)
        if certified.remainder.numel():
            self.remainder = max(self.remainder, certified.remainder.nan_to_num(0.0).max().item())

    def __str__(self) -> str:
        return " and ".join(self.impls)


@dataclass(frozen=True)
class Window:
    """A Parzen window on samples [M, D]. `ways` notes what every answer ran."""

    samples: torch.Tensor
    impl: Impl = "auto"
    progress: Progress = silent
    ways: Ways = field(default_factory=Ways)

    def __len__(self) -> int:
        return len(self.samples)

    def part(self, index: torch.Tensor) -> Window:
        """The window on some of the samples; it shows no progress."""
        return replace(self, samples=self.samples[index], progress=silent)

    def chunks(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Rows in parts for one call each."""
        return torch.split(rows, max(_LEAST_ROWS, _PAIRS // len(self.samples)))

    def screened(self, rows: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor | None:
        """As `log_densities` where the first call is screened; None, computing nothing, where it would not be."""
        widths = torch.tensor(sigmas, dtype=torch.float64, device=rows.device)
        first, *others = self.chunks(rows)
        found = parzen_screened(first, self.samples, widths, impl=self.impl)
        if found is None:
            return None
        self.ways.add(found)
        parts = [found.log_density.double()]
        return torch.cat(parts + [self.log_densities(chunk, sigmas) for chunk in others], dim=1)

    def blocks(self, rows: torch.Tensor) -> Blocks:
        """Blocks of the log-densities of rows [N, D]."""

        def blocks(sigmas: torch.Tensor) -> Iterator[torch.Tensor]:
            for chunk in self.chunks(rows):
                if sigmas.requires_grad:
                    yield parzen_log_density(chunk, self.samples, sigmas.to(chunk.device), impl=self.impl).double()
                else:
                    found = parzen_certified(chunk, self.samples, sigmas.to(chunk.device), impl=self.impl)
                    self.ways.add(found)
                    yield found.log_density.double()

        return blocks

    def log_densities(self, rows: torch.Tensor, sigmas: Sequence[float], stage: str = "") -> torch.Tensor:
        """Log-density of each row [N, D] at every one of S sigmas: [S, N] float64 nats on the CPU."""
        return gather(self.blocks(rows), sigmas, len(rows), stage, self.progress)


def gather(blocks: Blocks, sigmas: Sequence[float], rows: int, stage: str, progress: Progress) -> torch.Tensor:
    """All blocks of `rows` rows at S sigmas: [S, rows] float64 nats on the CPU."""
    parts = []
    done = 0
    progress(stage, 0, rows)
    with torch.no_grad():
        for part in blocks(torch.tensor(sigmas, dtype=torch.float64, device="cpu")):
            parts.append(part.cpu())
            done += part.shape[1]
            progress(stage, done, rows)
    return torch.cat(parts, dim=1)


def choose_sigma(
    window: Window,
    selection: torch.Tensor | None,
    *,
    grid: Sequence[float] = PAPER_GRID,
    sigma: float | None = None,
    stage: str = "samples",
) -> Choice:
    """The sigma of `grid` with the largest mean on `selection` [V, D] under a window, or `sigma` where given.

    Without a selection the samples choose: the mean log-density of each under all others is largest. Copies are left
    out there, since the density of a copy under its twin grows without bound as sigma shrinks. The curve on a selection
    is computed even where sigma is given. Raises UsageError where two different samples are needed and missing.
    """
    if selection is not None:
        source: SigmaSource = "validation" if sigma is None else "given"
        blocks, rows = window.blocks(selection), len(selection)
    elif sigma is None:
        distinct = distinct_rows(window.samples)
        if len(distinct) < 2:
            raise UsageError(
                f"Leave-one-out cannot choose sigma on {len(window):,} samples that are all the same row: give "
                f"--validation FILE, or --sigma X."
            )
        source, blocks, rows = "leave-one-out", leave_one_out(distinct, window.impl), len(distinct)
    else:
        return Choice(sigma, "given")
    sigmas = sorted({*grid, sigma} if sigma is not None else set(grid))
    values = gather(blocks, sigmas, rows, f"{stage}: choosing sigma", window.progress)
    curve = tuple(CurvePoint(*pair) for pair in zip(sigmas, values.mean(dim=1).tolist(), strict=True))
    best = max(curve, key=lambda point: point.log_likelihood).sigma
    return Choice(best if sigma is None else sigma, source, curve, values, blocks)


def mean_and_error(values: torch.Tensor) -> tuple[float, float | None]:
    """Mean of values [N], and std/√N; None for the latter where N is 1, since one value shows no spread."""
    error = values.std(correction=0).item() / math.sqrt(len(values)) if len(values) > 1 else None
    return values.mean().item(), error


def score(
    window: Window,
    scored: torch.Tensor,
    selection: torch.Tensor | None,
    *,
    grid: Sequence[float] = PAPER_GRID,
    sigma: float | None = None,
    stage: str = "samples",
) -> Score:
    """Scores a window by the rows of `scored` [N, D], at the sigma of `choose_sigma`.

    Never does a row of `scored` take part in that choice.
    """
    choice = choose_sigma(window, selection, grid=grid, sigma=sigma, stage=stage)
    values = window.log_densities(scored, [choice.sigma], f"{stage}: scoring")[0]
    return Score(len(window), choice.sigma, *mean_and_error(values), choice.curve)
