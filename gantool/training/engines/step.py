"""What an engine is to the loop: iterations that can be played, and words that say how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gantool.config import TrainingConfig
from gantool.native import load as native
from gantool.training.game import Iteration
from gantool.training.schedules import Rates
from gantool.training.state import TrainingState

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

# (the first iteration's number, the rates of each) → what the last of them saw, one Iteration a replica.
Play = Callable[[int, Sequence[Rates]], list[Iteration]]


@dataclass(frozen=True)
class Step:
    """`play` makes iterations, at most `stride` at a call; `describe()` says in words how, for results."""

    play: Play
    describe: Callable[[], str]
    stride: int = 1


class EngineKind(NamedTuple):
    """A way to play: what `training.engine` calls it, why it cannot play these games (one clause, or ""), and how.

    `build` is told in a clause why a preferred engine declined, or "".
    """

    name: str
    decline: Callable[[Sequence[TrainingState]], str]
    build: Callable[[Sequence[TrainingState], TrainingConfig, str], Step]


def products(training: TrainingConfig, device: torch.device) -> str:
    """The type of the products, and what computes them, in words."""
    return f"{training.precision}, {'plain torch' if native.missing(device) else 'compiled kernels'}"
