"""Which way an iteration is made: plainly, through autograd, or fused. Both make the same one, up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gantool.config import TrainingConfig
from gantool.errors import UsageError
from gantool.ops import native
from gantool.training.algorithm import UPDATE_ORDERS, Game, Iteration
from gantool.training.fused import FUSED_ORDERS, FusedGame, why_not_fused
from gantool.training.schedules import Rates

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Step:
    """`play(step, rates)` makes one iteration; `about` says in words how, for results."""

    play: Callable[[int, Rates], Iteration]
    about: str


def build_step(game: Game, training: TrainingConfig) -> Step:
    """The step that the configuration asks for: `training.step` auto, plain or fused, in `training.precision`.

    Build it when the game's weights are in place: the fused step keeps copies of them in the compute type.
    Raises UsageError where a forced fused step cannot play this game.
    """
    reason = why_not_fused(game)
    if training.step == "fused" and reason:
        raise UsageError(f"training.step = fused cannot train this run: {reason}.")
    kernels = native.missing(game.rng.device)
    parts = f"{training.precision}, {'plain torch' if kernels else 'compiled kernels'}"
    if training.step == "plain" or reason:
        because = f"; {reason}" if training.step == "auto" else ""
        return Step(_plain(game, training), f"plain step ({parts}{because})")
    fused = FusedGame(game, DTYPES[training.precision])
    order = FUSED_ORDERS[training.order]
    return Step(lambda step, rates: order(fused, step, rates), f"fused step ({parts})")


def _plain(game: Game, training: TrainingConfig) -> Callable[[int, Rates], Iteration]:
    order = UPDATE_ORDERS[training.order]
    if training.precision == "float32":
        return lambda step, rates: order(game, step, rates)

    def play(step: int, rates: Rates) -> Iteration:
        # Autocast would keep a weight's rounded copy until the context ends, and the weight moves before that.
        with torch.autocast(game.rng.device.type, DTYPES[training.precision], cache_enabled=False):
            return order(game, step, rates)

    return play
