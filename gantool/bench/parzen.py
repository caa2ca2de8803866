"""Parzen log-density: the cases and the contenders."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gantool.bench import rivals
from gantool.bench.case import Case, Error, Problem, wanted
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.data.registry import data_root, find_entry
from gantool.native import load as native
from gantool.ops import CertifiedDensity, parzen_certified, parzen_log_density, selected_impl

IMPLS = ("native", "dense", "reference", "eager", "eager_shared", "compile", "sklearn", "keops")
_TRUTH_ROWS = 32
# From the narrowest of the paper's grid to the widest; 0.1668 and 0.36 are of its points, too.
_SIGMAS = (0.1, 0.1668, 0.2, 0.36, 0.5, 1.0)
# On a CPU scikit-learn walks a tree on one thread, and KeOps' generated loop keeps no row in registers where rows are
# long: both take minutes where there are more multiply-adds than this, for nothing new.
_SLOW_RIVALS_WORK = 1e9

Result = Tensor  # [S, N] nats


@dataclass(frozen=True)
class Shape:
    """N queries, M samples, D dimensions, S bandwidths; `sigma` is the one where S is 1."""

    queries: int
    samples: int
    dimension: int
    bandwidths: int = 1
    sigma: float = 0.2

    def __str__(self) -> str:
        sigmas = f"sigma {self.sigma:g}" if self.bandwidths == 1 else f"{self.bandwidths} sigmas"
        return f"{self.queries:,}×{self.samples:,}×{self.dimension:,}, {sigmas}"

    @property
    def work(self) -> float:
        """Multiply-adds of the distances."""
        return float(self.queries) * self.samples * self.dimension

    def sigmas(self) -> list[float]:
        """`sigma`, or the paper's grid from 0.1 to 1 at any count."""
        if self.bandwidths == 1:
            return [self.sigma]
        return [10 ** (i / (self.bandwidths - 1) - 1) for i in range(self.bandwidths)]


def cases(quick: bool, sweep: bool, device: torch.device, data_dir: Path | None) -> list[Case]:
    """The paper's evaluation, of samples like a good generator's and of others, a small case that scikit-learn can
    follow, and, with `sweep`, a scaling sweep."""
    if quick:
        listed = [("bytes", Shape(64, 96, 64)), ("bytes", Shape(64, 96, 64, 10)), ("floats", Shape(61, 97, 50, 3))]
    else:
        full = Shape(10_000, 10_000, 784)
        ten = Shape(10_000, 10_000, 784, 10)
        listed = [("warped", replace(full, sigma=sigma)) for sigma in _SIGMAS]
        listed += [("warped", ten), ("bytes", full), ("bytes", ten), ("floats", full)]
        listed.append(("floats", Shape(1_000, 1_000, 784)))
        if device.type == "cuda":
            listed.append(("floats", Shape(60_000, 60_000, 784)))
    if sweep:
        listed += [("floats", shape) for shape in _sweep(quick)]
    return [_case(kind, shape, data_dir) for kind, shape in listed]


def _sweep(quick: bool) -> list[Shape]:
    base, scale = (32, 8) if quick else (4_000, 1)
    return [
        *(Shape(n // scale, base, 784 // scale) for n in (250, 1_000, 16_000)),
        *(Shape(base, m // scale, 784 // scale) for m in (250, 1_000, 16_000)),
        *(Shape(base, base, d // scale) for d in (64, 256, 784, 3_072)),
        *(Shape(base, base, 784 // scale, s) for s in (2, 5, 10, 30)),
    ]


def _case(kind: str, shape: Shape, data_dir: Path | None) -> Case:
    real = kind != "floats" and shape.dimension == 784 and not _mnist_missing(data_dir)
    data = {"bytes": "MNIST bytes", "warped": "MNIST bytes, warped images"}[kind] if real else f"synthetic {kind}"

    def build(device: torch.device, only: frozenset[str] | None) -> Problem:
        rows = _mnist(shape, data_dir) if real else _synthetic(shape, as_bytes=kind == "bytes")
        if kind == "warped":
            rows = rows[0], warped(rows[1])
        return _problem(shape, rows[0].to(device), rows[1].to(device), only)

    return Case(f"parzen {shape}", data, torch.float32, 2.0 * shape.work, build)


def _mnist_missing(data_dir: Path | None) -> bool:
    """Whether the data root lacks MNIST: a benchmark downloads nothing."""
    remote = find_entry("mnist").remote
    return remote is None or bool(remote.missing(data_root(data_dir)))


def _mnist(shape: Shape, data_dir: Path | None) -> tuple[Tensor, Tensor]:
    """Test images and as many training images as there are samples, k/255."""
    dataset = load_dataset(DataConfig("mnist"), root=data_dir, offline=True)
    test, train = dataset.test.stored[: shape.queries], dataset.train.stored[: shape.samples]
    return dataset.values(test), dataset.values(train)


def warped(images: Tensor, seed: int = 0) -> Tensor:
    """Square images [N, D] in [0, 1], each moved, sheared, stretched and shaded a little at random: as near to real
    images as a good generator's samples are, and no bytes."""
    rng = torch.Generator().manual_seed(seed)
    side = math.isqrt(images.shape[1])
    maps = torch.eye(2, 3) + 0.06 * torch.randn(len(images), 2, 3, generator=rng)
    grid = torch.nn.functional.affine_grid(maps, [len(images), 1, side, side], align_corners=False)
    moved = torch.nn.functional.grid_sample(images.view(-1, 1, side, side), grid, align_corners=False)
    shades = 0.9 + 0.2 * torch.rand(len(images), 1, generator=rng)
    return (moved.flatten(1) * shades).clamp_(0, 1)


def _synthetic(shape: Shape, *, as_bytes: bool) -> tuple[Tensor, Tensor]:
    """Rows like images, a fifth of their values above 0; as bytes, k/255."""
    rng = torch.Generator().manual_seed(0)

    def rows(count: int) -> Tensor:
        values = torch.rand(count, shape.dimension, generator=rng).sub_(0.8).mul_(5.0).clamp_(min=0.0)
        return values.mul_(255).round_().div_(255) if as_bytes else values

    return rows(shape.queries), rows(shape.samples)


def _problem(shape: Shape, queries: Tensor, samples: Tensor, only: frozenset[str] | None) -> Problem:
    sigmas = shape.sigmas()
    contenders: dict[str, Callable[[], Result]] = {}
    details: dict[str, str] = {}
    absent: dict[str, str] = {}
    if wanted(only, "native"):
        if reason := native.missing(queries.device):
            absent["native"] = reason
        else:
            contenders["native"] = lambda: parzen_log_density(queries, samples, sigmas, impl="native")
            details["native"] = _way(parzen_certified(queries, samples, sigmas, impl="native"))
    if wanted(only, "dense"):
        if reason := native.missing(queries.device):
            absent["dense"] = reason
        elif queries.device.type != "cpu":
            absent["dense"] = "native is the dense pass there"
        else:
            contenders["dense"] = lambda: parzen_certified(queries, samples, sigmas, allowed=0, impl="native")[0]
            details["dense"] = selected_impl("parzen_log_density", queries, samples, impl="native")
    if wanted(only, "reference"):
        contenders["reference"] = lambda: parzen_log_density(queries, samples, sigmas, impl="reference")
    if wanted(only, "eager"):
        contenders["eager"] = lambda: eager(queries, samples, sigmas)
    if wanted(only, "eager_shared") and len(sigmas) > 1:
        contenders["eager_shared"] = lambda: eager_shared(queries, samples, sigmas)
    if wanted(only, "compile"):
        contenders["compile"] = rivals.compiled(eager_shared, queries, samples, sigmas)
    if wanted(only, "sklearn"):
        if shape.work > _SLOW_RIVALS_WORK or queries.device.type != "cpu":
            absent["sklearn"] = "its one thread takes small problems on the CPU only"
        else:
            contenders["sklearn"] = rivals.sklearn_density(queries, samples, sigmas)
    if wanted(only, "keops") and queries.device.type == "cpu" and shape.work > _SLOW_RIVALS_WORK:
        absent["keops"] = "on a CPU it takes small problems only: minutes a call at this size"
    elif wanted(only, "keops"):
        rivals.offer("keops", lambda: rivals.keops_density(queries, samples, sigmas), contenders, absent)
    picked = torch.linspace(0, len(queries) - 1, min(_TRUTH_ROWS, len(queries))).long()
    truth = _brute_force(queries[picked.to(queries.device)].cpu(), samples.cpu(), sigmas)

    def error(result: Result) -> Error:
        return Error(float((result[:, picked.to(result.device)].cpu().double() - truth).abs().max()))

    return Problem(contenders, error, details, absent)


def _way(found: CertifiedDensity) -> str:
    left_out = found.remainder.max().item() if found.remainder.numel() else 0.0
    return f"{found.impl}, at most {left_out:.1e} nats left out" if left_out else found.impl


def _densities(squared: Tensor, sigmas: list[float], dimension: int) -> Tensor:
    """Log-densities [S, N] from all squared distances [N, M]."""
    count = squared.shape[1]
    normalisers = [math.log(count) + 0.5 * dimension * math.log(2 * math.pi * sigma**2) for sigma in sigmas]
    pairs = zip(sigmas, normalisers, strict=True)
    return torch.stack([torch.logsumexp(squared * (-0.5 / sigma**2), dim=1) - constant for sigma, constant in pairs])


def eager(queries: Tensor, samples: Tensor, sigmas: list[float]) -> Result:
    """What one writes in plain torch, for each bandwidth anew: all distances, then the log-sum-exp."""
    return torch.cat([eager_shared(queries, samples, [sigma]) for sigma in sigmas])


def eager_shared(queries: Tensor, samples: Tensor, sigmas: list[float]) -> Result:
    """Plain torch at its best: the N×M squared distances once, a log-sum-exp a bandwidth."""
    squared = torch.cdist(queries, samples).square()
    return _densities(squared, sigmas, samples.shape[1])


def _brute_force(queries: Tensor, samples: Tensor, sigmas: list[float]) -> Tensor:
    """The equation in float64 from differences, row by row: [S, rows]."""
    samples = samples.double()
    squared = torch.stack([(samples - row.double()).square().sum(dim=1) for row in queries])
    return _densities(squared, sigmas, samples.shape[1])
