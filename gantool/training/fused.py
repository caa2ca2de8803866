"""The three update orders without autograd: the same iterations as in algorithm.py, each product computed once.

The discriminator treats every row by itself, so that its backward pass is taken for each logit alone. Weighted by
the derivative of its loss by that logit, it gives its parameters' gradients; its input gradients, weighted by the
generator loss's, go on through the generator. In the simultaneous order one pass then serves both players.

Random numbers are drawn in the plain step's order: from equal states both make the same iteration, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gantool.models.networks import Discriminator, Generator
from gantool.training.algorithm import Game, Iteration
from gantool.training.fused_network import FusedNetwork

Rows = list[Tensor | None]


def why_not_fused(game: Game) -> str:
    """Why the fused step cannot play this game: one clause, or "" where it can."""
    for player, kind in ((game.generator, Generator), (game.discriminator, Discriminator)):
        if not isinstance(player.network, kind):
            return f"{type(player.network).__name__} is not a stack of fully connected layers"
    return ""


class FusedGame:
    """Games of one configuration in `dtype`, the compute type, over their own parameters, velocities and random states.

    Rows are [B, …], logits [B] and losses scalars; of several games, the replicas', all have a leading axis R.
    """

    def __init__(self, games: Sequence[Game], dtype: torch.dtype) -> None:
        self.games, self.dtype = games, dtype
        self.objective, self.k = games[0].objective, games[0].k
        self.device = games[0].rng.device
        self.generator = FusedNetwork([game.generator for game in games], dtype)
        self.discriminator = FusedNetwork([game.discriminator for game in games], dtype)
        self.input_dtype = next(games[0].generator.network.parameters()).dtype

    def draw_batch(self, position: int) -> Tensor:
        return self._of_each(lambda game: game.draw_batch(position)).to(self.dtype)

    def draw_noise(self) -> Tensor:
        return self._of_each(lambda game: game.draw_noise(self.input_dtype))

    def generate(self, z: Tensor) -> Tensor:
        return self.generator.forward(z.to(self.dtype), self._draw_masks(self.generator, z))

    def discriminator_step(self, real: Tensor, fake: Tensor, rates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One update of the discriminator; returns its loss and the real and the fake logits."""
        rows = torch.cat([real, fake], dim=-2)
        logits = self._judge(rows, self._draw_masks(self.discriminator, rows))
        real_logits, fake_logits = torch.split(logits, [real.shape[-2], fake.shape[-2]], dim=-1)
        loss, scale = _derivatives(self.objective.discriminator_loss, real_logits, fake_logits)
        self.discriminator.backward(self._ones(rows), scale=self._column(scale))
        self.discriminator.move(rates)
        return loss, real_logits, fake_logits

    def generator_step(self, z: Tensor, rates: Tensor) -> Tensor:
        """One update of the generator at z, the discriminator held; returns its loss."""
        fake = self.generate(z)
        logits = self._judge(fake, self._draw_masks(self.discriminator, fake))
        loss, scale = _derivatives(self.objective.generator_loss, logits)
        response = self.discriminator.backward(self._ones(fake), inputs=slice(None), train=False)
        assert response is not None
        self._move_generator(response * self._column(scale), rates)
        return loss

    def joint_step(self, real: Tensor, rates: Tensor) -> Iteration:
        """Both players at the same parameters, from one fake batch and one dropout mask on it."""
        fake = self.generate(self.draw_noise())
        count = real.shape[-2]
        pairs = zip(*(self._draw_masks(self.discriminator, x) for x in (real, fake)), strict=True)
        rows = torch.cat([real, fake], dim=-2)
        logits = self._judge(rows, [_join(*pair) for pair in pairs])
        real_logits, fake_logits = torch.split(logits, [count, fake.shape[-2]], dim=-1)
        discriminator_loss, scale = _derivatives(self.objective.discriminator_loss, real_logits, fake_logits)
        generator_loss, fake_scale = _derivatives(self.objective.generator_loss, fake_logits)
        response = self.discriminator.backward(self._ones(rows), scale=self._column(scale), inputs=slice(count, None))
        assert response is not None
        self.discriminator.move(rates)
        self._move_generator(response * self._column(fake_scale), rates)
        return Iteration(discriminator_loss, generator_loss, real_logits, fake_logits)

    def _of_each(self, draw: Callable[[Game], Tensor]) -> Tensor:
        drawn = [draw(game) for game in self.games]
        return drawn[0] if len(drawn) == 1 else torch.stack(drawn)

    def _draw_masks(self, network: FusedNetwork, rows: Tensor) -> Rows:
        return network.draw_masks(rows.shape[-2], [game.rng for game in self.games])

    def _move_generator(self, grad: Tensor, rates: Tensor) -> None:
        self.generator.backward(grad)
        self.generator.move(rates)

    def _judge(self, rows: Tensor, masks: Rows) -> Tensor:
        logits = self.discriminator.forward(rows, masks).squeeze(-1)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _ones(self, rows: Tensor) -> Tensor:
        return torch.ones(*rows.shape[:-1], 1, dtype=self.dtype, device=self.device)

    def _column(self, scale: Tensor) -> Tensor:
        return scale.to(self.dtype)[..., None]


def _join(real: Tensor | None, fake: Tensor | None) -> Tensor | None:
    return None if real is None or fake is None else torch.cat([real, fake], dim=-2)


def _derivatives(loss: Callable[..., Tensor], *logits: Tensor) -> tuple[Tensor, Tensor]:
    """A loss and its derivative with respect to each logit, those of all batches in one vector; each game's own."""
    leaves = [part.detach().requires_grad_() for part in logits]
    value = loss(*leaves) if leaves[0].ndim == 1 else torch.vmap(loss)(*leaves)
    return value.detach(), torch.cat(torch.autograd.grad(value, leaves, torch.ones_like(value)), dim=-1)


def alternating(fused: FusedGame, step: int, rates: Tensor) -> Iteration:
    """The paper's Algorithm 1: k steps of the discriminator, then one of the generator with fresh noise."""
    for j in range(fused.k):
        real = fused.draw_batch(step * fused.k + j)
        loss, real_logits, fake_logits = fused.discriminator_step(real, fused.generate(fused.draw_noise()), rates)
    generator_loss = fused.generator_step(fused.draw_noise(), rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


def simultaneous(fused: FusedGame, step: int, rates: Tensor) -> Iteration:
    """The released code's order: one fake batch, one dropout mask on it, both gradients at the same parameters."""
    return fused.joint_step(fused.draw_batch(step), rates)


def generator_first(fused: FusedGame, step: int, rates: Tensor) -> Iteration:
    """A lecture's order: the generator moves, then the discriminator, which sees the moved generator at the same z."""
    real = fused.draw_batch(step)
    z = fused.draw_noise()
    generator_loss = fused.generator_step(z, rates)
    loss, real_logits, fake_logits = fused.discriminator_step(real, fused.generate(z), rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


FUSED_ORDERS: dict[str, Callable[[FusedGame, int, Tensor], Iteration]] = {
    "alternating": alternating,
    "simultaneous": simultaneous,
    "generator-first": generator_first,
}
