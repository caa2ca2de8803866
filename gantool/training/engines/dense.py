"""Gradients without autograd, for stacks of fully connected layers: each product is computed once.

The discriminator treats every row by itself, so that its backward pass is taken for each logit alone. Weighted by
the derivative of its loss by that logit, it gives its parameters' gradients; its input gradients, weighted by the
generator loss's, go on through the generator. In the simultaneous order one pass then serves both players.

Random numbers are drawn in the order in which autograd.py draws them: from equal states both make the same iteration,
up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gantool.config import TrainingConfig
from gantool.data.batches import Batch
from gantool.runs.checkpoint import Groups
from gantool.training.engines.dense_network import DenseNetwork
from gantool.training.engines.step import DTYPES, EngineKind, Step, products
from gantool.training.game import Game, Iteration, copied
from gantool.training.orders import order_of
from gantool.training.schedules import Rates
from gantool.training.state import TrainingState

Rows = list[Tensor | None]


def why_not_dense(states: Sequence[TrainingState]) -> str:
    """Why this engine cannot play these games: one clause, or "" where it can."""
    game = states[0].game
    for player in (game.generator, game.discriminator):
        find_layers = getattr(player.network, "dense_layers", None)
        if find_layers is None:
            return f"{type(player.network).__name__} is not a stack of fully connected layers"
        if getattr(player.network, "junction", None) is not None:
            return f"{type(player.network).__name__} has a second input"
        if find_layers() is None:
            return f"{type(player.network).__name__} has other than fully connected layers, or norms"
    if game.inference.kind != "none":
        return "an encoder is trained beside the game"
    if game.objective.needs_real:
        return "the generator's loss compares with real rows"
    if game.penalty.differentiates:
        return "the penalty differentiates the discriminator twice"
    if game.play == "consensus":
        return "consensus differentiates both gradients"
    if game.feature_matching:
        return "feature matching looks into the discriminator"
    if game.pack > 1:
        return "the discriminator judges packs of samples"
    if option := game.options.needs_autograd:
        return f"training.{option} needs autograd"
    return ""


class DenseEngine:
    """Games of one configuration in `dtype`, the compute type, over their own parameters, velocities and random states.

    Rows are [B, …], logits [B] and losses scalars; of several games, the replicas', all have a leading axis R.
    """

    def __init__(self, games: Sequence[Game], dtype: torch.dtype) -> None:
        self.games, self.dtype = games, dtype
        self.objective, self.discriminator_steps = games[0].objective, games[0].discriminator_steps
        self.device = games[0].rng.device
        self.generator = DenseNetwork([game.generator for game in games], dtype)
        self.discriminator = DenseNetwork([game.discriminator for game in games], dtype)

    def draw_batch(self, position: int) -> Batch:
        batches = [game.draw_batch(position) for game in self.games]
        rows, labels = (_in_one([getattr(batch, part) for batch in batches]) for part in ("rows", "labels"))
        assert rows is not None
        return Batch(rows.to(self.dtype), labels)

    def draw_noise(self, count: int) -> Tensor:
        noise = _in_one([game.draw_noise(count) for game in self.games])
        assert noise is not None
        return noise

    def generate(self, z: Tensor, batch: Batch) -> Batch:
        return batch._replace(rows=self._generate(z))

    def discriminator_gradients(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.cat([real.rows, fake.rows], dim=-2)
        logits = self._judge(rows, self._draw_masks(self.discriminator, rows))
        real_logits, fake_logits = torch.split(logits, [real.size, fake.size], dim=-1)
        loss, scale = _derivatives(self.objective.discriminator_loss, real_logits, fake_logits)
        self.discriminator.backward(self._ones(rows), scale=self._column(scale))
        return loss, real_logits, fake_logits

    def generator_gradients(self, z: Tensor, batch: Batch) -> Tensor:
        fake = self._generate(z)
        logits = self._judge(fake, self._draw_masks(self.discriminator, fake))
        loss, scale = _derivatives(self.objective.generator_loss, logits)
        response = self.discriminator.backward(self._ones(fake), inputs=slice(None), train=False)
        assert response is not None
        self.generator.backward(response * self._column(scale))
        return loss

    def joint_gradients(self, real: Batch) -> Iteration:
        fake = self._generate(self.draw_noise(real.size))
        pairs = zip(*(self._draw_masks(self.discriminator, x) for x in (real.rows, fake)), strict=True)
        rows = torch.cat([real.rows, fake], dim=-2)
        logits = self._judge(rows, [_join(*pair) for pair in pairs])
        real_logits, fake_logits = torch.split(logits, [real.size, fake.shape[-2]], dim=-1)
        discriminator_loss, scale = _derivatives(self.objective.discriminator_loss, real_logits, fake_logits)
        generator_loss, fake_scale = _derivatives(self.objective.generator_loss, fake_logits)
        response = self.discriminator.backward(
            self._ones(rows), scale=self._column(scale), inputs=slice(real.size, None)
        )
        assert response is not None
        self.generator.backward(response * self._column(fake_scale))
        return Iteration(discriminator_loss, generator_loss, real_logits, fake_logits)

    def move_discriminator(self, rates: Tensor) -> None:
        """`rates` [2, 2], as :meth:`Rates.tensor` gives them."""
        self.discriminator.move(rates[1])

    def move_generator(self, rates: Tensor) -> None:
        self.generator.move(rates[0])

    def remember(self) -> list[Groups]:
        return [copied(game.groups()) for game in self.games]

    def draw_again(self, since: list[Groups]) -> None:
        for game, groups in zip(self.games, since, strict=True):
            game.rng.set_state(groups["rng"]["run"])

    def go_back(self, to: list[Groups]) -> None:
        for game, groups in zip(self.games, to, strict=True):
            game.put_back(groups, random_numbers=False)
        self.generator.round_copies()
        self.discriminator.round_copies()

    def _generate(self, z: Tensor) -> Tensor:
        return self.generator.forward(z.to(self.dtype), self._draw_masks(self.generator, z))

    def _draw_masks(self, network: DenseNetwork, rows: Tensor) -> Rows:
        return network.draw_masks(rows.shape[-2], [game.rng for game in self.games])

    def _judge(self, rows: Tensor, masks: Rows) -> Tensor:
        logits = self.discriminator.forward(rows, masks).squeeze(-1)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _ones(self, rows: Tensor) -> Tensor:
        return torch.ones(*rows.shape[:-1], 1, dtype=self.dtype, device=self.device)

    def _column(self, scale: Tensor) -> Tensor:
        return scale.to(self.dtype)[..., None]


def _in_one(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The games' own parts with a leading axis; the only part itself; None where the games have none."""
    found = [part for part in parts if part is not None]
    return torch.stack(found) if len(found) > 1 else found[0] if found else None


def _join(real: Tensor | None, fake: Tensor | None) -> Tensor | None:
    return None if real is None or fake is None else torch.cat([real, fake], dim=-2)


def _derivatives(loss: Callable[..., Tensor], *logits: Tensor) -> tuple[Tensor, Tensor]:
    """A loss and its derivative with respect to each logit, those of all batches in one vector; each game's own."""
    leaves = [part.detach().requires_grad_() for part in logits]
    value = loss(*leaves) if leaves[0].ndim == 1 else torch.vmap(loss)(*leaves)
    return value.detach(), torch.cat(torch.autograd.grad(value, leaves, torch.ones_like(value)), dim=-1)


def _build(states: Sequence[TrainingState], training: TrainingConfig, reason: str) -> Step:
    order = order_of(training)
    engine = DenseEngine([state.game for state in states], DTYPES[training.precision])

    def play(first: int, rates: Sequence[Rates]) -> list[Iteration]:
        for step, now in enumerate(rates, first):
            iteration = order(engine, step, now.tensor(engine.device))
        return iteration.of_each_game()

    parts = [products(training, engine.device)]
    parts += [f"{len(states)} replicas at once"] if len(states) > 1 else []
    parts += [reason] if engine.device.type == "cuda" and reason else []
    return Step(play, lambda: f"fused step ({'; '.join(parts)})")


ENGINE = EngineKind("fused", why_not_dense, _build)
