"""Which way iterations are made: plainly, through autograd, or fused. Both make the same ones, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from gantool.config import TrainingConfig
from gantool.errors import UsageError
from gantool.native import load as native
from gantool.training.algorithm import UPDATE_ORDERS, Game, Iteration
from gantool.training.captured import ITERATIONS, CapturedGame, why_not_captured
from gantool.training.fused import FUSED_ORDERS, FusedGame, why_not_fused
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


def build_step(states: Sequence[TrainingState], training: TrainingConfig) -> Step:
    """The step that the configuration asks for: `training.step` auto, plain or fused, in `training.precision`.

    Several states, of runs that differ in their seeds alone, are replicas: fused, they share each product as a batch.
    Build it when the games' weights are in place: the fused step keeps copies of them in the compute type.
    Raises UsageError where a forced fused step cannot play these games.
    """
    game = states[0].game
    reason = why_not_fused(game)
    if training.step == "fused" and reason:
        raise UsageError(f"training.step = fused cannot train this run: {reason}.")
    kernels = native.missing(game.rng.device)
    parts = f"{training.precision}, {'plain torch' if kernels else 'compiled kernels'}"
    if training.step == "plain" or reason:
        because = f"; {reason}" if training.step == "auto" else ""
        together = f"; {len(states)} replicas one after another" if len(states) > 1 else ""
        return Step(_plain(states, training), lambda: f"plain step ({parts}{because}{together})")
    together = f"; {len(states)} replicas at once" if len(states) > 1 else ""
    return _fused(states, training, f"{parts}{together}")


def _fused(states: Sequence[TrainingState], training: TrainingConfig, parts: str) -> Step:
    order, dtype = FUSED_ORDERS[training.order], DTYPES[training.precision]
    reason = why_not_captured(states)
    if not reason:
        captured = CapturedGame(states, order, dtype)
        return Step(captured.play, lambda: f"fused step ({parts}; {captured.describe()})", ITERATIONS)
    fused = FusedGame([state.game for state in states], dtype)
    because = f"; {reason}" if fused.device.type == "cuda" else ""

    def play(first: int, rates: Sequence[Rates]) -> list[Iteration]:
        for step, now in enumerate(rates, first):
            iteration = order(fused, step, now.tensor(fused.device))
        return iteration.of_each_game()

    return Step(play, lambda: f"fused step ({parts}{because})")


def _plain(states: Sequence[TrainingState], training: TrainingConfig) -> Play:
    order = UPDATE_ORDERS[training.order]
    if training.precision != "float32":
        order = partial(_autocast, order, DTYPES[training.precision])

    def play(first: int, rates: Sequence[Rates]) -> list[Iteration]:
        for step, now in enumerate(rates, first):
            iterations = [order(state.game, step, now) for state in states]
        return iterations

    return play


def _autocast(
    order: Callable[[Game, int, Rates], Iteration], dtype: torch.dtype, game: Game, step: int, rates: Rates
) -> Iteration:
    # Autocast would keep a weight's rounded copy until the context ends, and the weight moves before that.
    with torch.autocast(game.rng.device.type, dtype, cache_enabled=False):
        return order(game, step, rates)
