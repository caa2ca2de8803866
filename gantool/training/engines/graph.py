"""Several iterations as one CUDA graph: the host then launches a replay where it launched hundreds of kernels.

Everything that changes from one replay to the next lies in fixed memory on the device: the rates, the batches' row
indices, weights, velocities and the random states, which a graph advances by itself. The training rows are there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from gantool.config import TrainingConfig
from gantool.data.batches import Batch
from gantool.training.engines.dense import DenseEngine, why_not_dense
from gantool.training.engines.step import DTYPES, EngineKind, Step, products
from gantool.training.game import Iteration
from gantool.training.optimizers import Momentum, inside, name_of
from gantool.training.orders import Order, order_of
from gantool.training.schedules import Rates
from gantool.training.state import TrainingState

# Iterations of one graph. A weight average looks at every tenth: the graph does not hold it.
ITERATIONS = 10

# Discriminator steps of an iteration, beyond which a stop could not wait for the end of a graph.
MOST_UPDATES = 100

# Played before anything is captured, so that libraries have made what they allocate at first use.
WARM_UP = 3


def why_not_captured(states: Sequence[TrainingState]) -> str:
    """Why these games cannot be captured: one clause, or "" where they can."""
    if reason := why_not_dense(states):
        return reason
    game = states[0].game
    if game.rng.device.type != "cuda":
        return "no CUDA graph: it trains on the CPU"
    if game.play != "gradient":
        return f"no CUDA graph: {game.play} steps keep what a graph does not hold"
    for player in (game.generator, game.discriminator):
        if not isinstance(inside(player.optimizer), Momentum):
            return f"no CUDA graph: {name_of(player.optimizer)} takes its rate from the host"
    if game.discriminator_steps.rules:
        return "no CUDA graph: k changes on a schedule"
    if game.discriminator_steps.k > MOST_UPDATES:
        return f"no CUDA graph: k is above {MOST_UPDATES}, and a graph cannot be stopped within an iteration"
    if not states[0].batches.even:
        return "no CUDA graph: the last batch of an epoch is short"
    if not all(state.batches.resident for state in states):
        return "no CUDA graph: the training rows do not fit in half of the device's free memory"
    return ""


class CapturedGame:
    """A fused game that makes ITERATIONS iterations a call from fixed memory; fewer, and the first ones, one by one.

    On a device without graphs it plays the same way and captures nothing.
    """

    def __init__(self, states: Sequence[TrainingState], order: Order, dtype: torch.dtype) -> None:
        self.streams, self.order = [state.batches for state in states], order
        games = [replace(state.game, draw_batch=partial(self._staged, r)) for r, state in enumerate(states)]
        self.engine = DenseEngine(games, dtype)
        device, k, batch_size = self.engine.device, games[0].discriminator_steps.k, games[0].batch_size
        self.rates = torch.zeros(ITERATIONS, 2, 2, dtype=torch.float64, device=device)
        self.indices = torch.zeros(len(games), ITERATIONS * k, batch_size, dtype=torch.int64, device=device)
        # The graph, and what its last iteration sees, at each replay anew.
        self.captured: tuple[torch.cuda.CUDAGraph, Iteration] | None = None
        self.refused = ""
        self.played = 0

    def describe(self) -> str:
        """How the last iterations were made."""
        if self.captured:
            return f"CUDA graphs of {ITERATIONS} iterations"
        return f"no CUDA graph{self.refused and ': ' + self.refused}"

    def play(self, first: int, rates: Sequence[Rates]) -> list[Iteration]:
        """Makes iteration `first` and as many as there are rates, ITERATIONS at most; what the last one saw."""
        self._stage(first, rates)
        whole = len(rates) == ITERATIONS
        if whole:
            self._capture_when_due()
        if whole and self.captured:
            graph, iteration = self.captured
            graph.replay()
        else:
            iteration = self._iterate(len(rates))
        self.played += len(rates)
        return iteration.of_each_game()

    def _stage(self, first: int, rates: Sequence[Rates]) -> None:
        """Copies the rates and row indices of the coming iterations into the buffers that the graph reads.

        The host does not wait.
        """
        coming = torch.tensor([now.values() for now in rates], dtype=torch.float64, device="cpu")
        coming = coming.pin_memory() if self.rates.is_cuda else coming
        self.rates[: len(rates)].copy_(coming, non_blocking=True)
        k = self.engine.discriminator_steps.k
        for indices, stream in zip(self.indices, self.streams, strict=True):
            indices[: len(rates) * k].copy_(stream.indices(first * k, len(rates) * k), non_blocking=True)

    def _staged(self, replica: int, place: int) -> Batch:
        return self.streams[replica].take(self.indices[replica, place])

    def _iterate(self, count: int) -> Iteration:
        for place in range(count):
            iteration = self.order(self.engine, place, self.rates[place])
        return iteration

    def _capture_when_due(self) -> None:
        """Records the iterations, once, without making them. Where torch or the driver refuses, the reason is kept and
        named in the results, and training goes on iteration by iteration."""
        if self.captured or self.refused or not self.rates.is_cuda or self.played < WARM_UP:
            return
        graph = torch.cuda.CUDAGraph()
        rngs = [game.rng for game in self.engine.games]
        before = [rng.clone_state() for rng in rngs]
        for rng in rngs:
            graph.register_generator_state(rng)
        try:
            # In the mode "global", an allocation of any other thread would spoil the capture.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                seen = self._iterate(ITERATIONS)
        except RuntimeError as error:
            self.refused = str(error).splitlines()[0]
            for rng, state in zip(rngs, before, strict=True):
                rng.graphsafe_set_state(state)  # the one that was registered may still count as being captured
            return
        self.captured = graph, seen


def _build(states: Sequence[TrainingState], training: TrainingConfig, reason: str) -> Step:
    captured = CapturedGame(states, order_of(training), DTYPES[training.precision])
    parts = [products(training, captured.engine.device)]
    parts += [f"{len(states)} replicas at once"] if len(states) > 1 else []
    return Step(captured.play, lambda: f"fused step ({'; '.join([*parts, captured.describe()])})", ITERATIONS)


ENGINE = EngineKind("fused", why_not_captured, _build)
