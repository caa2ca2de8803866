"""The awkward cases that every operator test draws from: prime sizes, empty, strided, offset, huge, NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gantool.native import load as native

LOW_PRECISION = (torch.float32, torch.bfloat16, torch.float16)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float64 values; tests cast them, so that every type sees the same case."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def strided(tensor: Tensor) -> Tensor:
    """The same values with two elements between columns and three rows between rows."""
    wide = torch.full((tensor.shape[0] * 3, tensor.shape[1] * 2), torch.nan, dtype=tensor.dtype)
    view = wide[::3, ::2]
    view.copy_(tensor)
    return view


def transposed(tensor: Tensor) -> Tensor:
    """The same values with the first axis innermost."""
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)


def offset(tensor: Tensor) -> Tensor:
    """The same values, starting one element into a larger storage: aligned for nothing wider."""
    store = torch.full((tensor.numel() + 1,), torch.nan, dtype=tensor.dtype)
    view = store[1:].view(tensor.shape)
    view.copy_(tensor)
    return view


def same(tensor: Tensor) -> Tensor:
    """The layout left alone."""
    return tensor


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": same,
    "strided": strided,
    "transposed": transposed,
    "offset": offset,
}


@dataclass(frozen=True)
class MaxoutCase:
    """x [B, I], weight [U, P, I], bias [U, P] in float64."""

    name: str
    x: Tensor
    weight: Tensor
    bias: Tensor


def maxout_case(name: str, batch: int, inputs: int, units: int, pieces: int) -> MaxoutCase:
    """Normal inputs, and weights scaled so that outputs are of size 1 whatever the number of inputs."""
    weight = normal(units, pieces, inputs, seed=1) / max(inputs, 1) ** 0.5
    return MaxoutCase(name, normal(batch, inputs), weight, normal(units, pieces, seed=2))


def _ties() -> MaxoutCase:
    # Small whole numbers: sums are exact in every type, so that equal pieces are equal to the bit.
    case = maxout_case("ties", 64, 16, 12, 5)
    round_ = torch.Tensor.round
    weight = round_(case.weight * 2).clamp(-1, 1)
    weight[:, 3] = weight[:, 1]
    bias = torch.zeros_like(case.bias)
    return MaxoutCase("ties", round_(case.x).clamp(-2, 2), weight, bias)


MAXOUT_CASES = [
    maxout_case("one of everything", 1, 1, 1, 1),
    maxout_case("one row", 1, 784, 24, 5),
    maxout_case("prime sizes", 67, 131, 13, 3),
    maxout_case("the paper's layer, fewer units", 200, 784, 24, 5),
    maxout_case("two pieces", 33, 100, 17, 2),
    maxout_case("one piece", 9, 20, 7, 1),
    maxout_case("many pieces", 5, 30, 3, 256),
    maxout_case("one input", 19, 1, 5, 4),
    maxout_case("empty batch", 0, 10, 4, 3),
    maxout_case("no units", 6, 10, 0, 3),
    maxout_case("no inputs", 6, 0, 4, 3),
    _ties(),
]


@dataclass(frozen=True)
class ParzenCase:
    """queries [N, D], samples [M, D] in float64, and sigmas."""

    name: str
    queries: Tensor
    samples: Tensor
    sigmas: tuple[float, ...]


def parzen_case(name: str, queries: int, samples: int, dimension: int, *sigmas: float) -> ParzenCase:
    """Standard normal queries and samples."""
    return ParzenCase(name, normal(queries, dimension), normal(samples, dimension, seed=1), sigmas)


def _bytes(name: str, queries: int, samples: int, dimension: int, *sigmas: float) -> ParzenCase:
    """Pixels k/255 as the data sets have them: rounded to float32 once."""
    pixels = [
        torch.randint(0, 256, (rows, dimension), generator=torch.Generator().manual_seed(rows))
        for rows in (queries, samples)
    ]
    as_float = [(values.float() / 255).double() for values in pixels]
    return ParzenCase(name, as_float[0], as_float[1], sigmas)


def _shifted(name: str, shift: float, scale: float) -> ParzenCase:
    case = parzen_case(name, 41, 97, 23, 0.5 * scale, 2.0 * scale)
    return ParzenCase(name, case.queries * scale + shift, case.samples * scale + shift, case.sigmas)


def _far() -> ParzenCase:
    case = parzen_case("far queries", 6, 50, 11, 0.2, 1.0)
    distance = torch.tensor([0.0, 1e2, 1e4, 1e5, 1e6, 1e8], dtype=torch.float64)
    return ParzenCase("far queries", case.queries + distance[:, None], case.samples, case.sigmas)


def _on_samples() -> ParzenCase:
    samples = normal(70, 29, seed=3)
    return ParzenCase("queries that are samples", samples[:31], samples, (1e-3, 0.05, 1.0))


PARZEN_CASES = [
    parzen_case("one of everything", 1, 1, 1, 0.7),
    parzen_case("one query", 1, 3001, 17, 0.3, 1.0),
    parzen_case("one sample", 35, 1, 40, 0.5),
    parzen_case("prime sizes", 101, 257, 131, 0.2, 0.9, 3.0),
    parzen_case("one dimension", 64, 1000, 1, 0.01, 0.1, 1.0),
    parzen_case("wide rows", 5, 7, 3001, 1.0, 5.0),
    parzen_case("many bandwidths", 13, 301, 19, *(0.1 * 1.3**k for k in range(17))),
    parzen_case("no queries", 0, 10, 4, 0.5, 1.0),
    parzen_case("no bandwidths", 8, 10, 4),
    _bytes("byte pixels", 67, 523, 784, 0.1, 0.2, 1.0),
    _bytes("few byte pixels", 3, 5, 7, 0.2),
    _shifted("offset data", 1000.0, 1.0),
    _shifted("large data", 0.0, 1e12),
    _shifted("small data", 0.0, 1e-9),
    _far(),
    _on_samples(),
]


def impls() -> list[str]:
    """The implementations that are here, for tests that hold for every one."""
    return ["reference", "native"] if native.CPU.loaded else ["reference"]
