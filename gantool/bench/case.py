"""The vocabulary of a benchmark: a case is one problem, a contender one way to solve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch


class Error(NamedTuple):
    """How far a result is from float64: the largest absolute error of its values, and the largest relative error of a
    gradient (norm of the difference over the norm of the truth; None where no gradient is computed)."""

    value: float
    gradient: float | None = None


@dataclass(frozen=True)
class Problem:
    """A case's operands in memory: `contenders` names what is timed, each a call that returns its result.

    `error` measures a result against the float64 truth, None for a contender that computes none. `details` says what an
    implementation runs ("native (avx512)"), `absent` why a rival is not among the contenders.
    """

    contenders: Mapping[str, Callable[[], Any]]
    error: Callable[[Any], Error | None]
    details: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One problem: `name` tells its shape, `data` its values, `flops` the operations that the result is worth.

    Useful operations are counted once, whatever an implementation spends: ten bandwidths over one set of distances are
    worth one set of distances. `updates` is how many iterations one call makes, each replica's counted, `images` how
    many training images it sees; None where it does not train.
    """

    name: str
    data: str
    dtype: torch.dtype
    flops: float
    build: Callable[[torch.device, frozenset[str] | None], Problem]
    updates: int | None = None
    images: int | None = None


def wanted(only: frozenset[str] | None, name: str) -> bool:
    """Whether an implementation was asked for; None asks for all."""
    return only is None or name in only
