"""The three update orders without autograd: the same iterations as in algorithm.py, each product computed once.

The discriminator treats every row by itself, so that its backward pass is taken for each logit alone. Weighted by
the derivative of its loss by that logit, it gives its parameters' gradients; its input gradients, weighted by the
generator loss's, go on through the generator. In the simultaneous order one pass then serves both players.

Random numbers are drawn in the plain step's order: from equal states both make the same iteration, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gantool.models.networks import Discriminator, Generator
from gantool.training.algorithm import Game, Iteration
from gantool.training.fused_network import FusedNetwork
from gantool.training.schedules import Rates

Rows = list[Tensor | None]


def why_not_fused(game: Game) -> str:
    """Why the fused step cannot play this game: one clause, or "" where it can."""
    for player, kind in ((game.generator, Generator), (game.discriminator, Discriminator)):
        if not isinstance(player.network, kind):
            return f"{type(player.network).__name__} is not a stack of fully connected layers"
    return "" if game.rng.device.type == "cpu" else "it is written for the CPU"


class FusedGame:
    """The game's two networks in `dtype`, the compute type, over the same parameters, velocities and random state."""

    def __init__(self, game: Game, dtype: torch.dtype) -> None:
        self.game, self.dtype = game, dtype
        self.generator, self.discriminator = (
            FusedNetwork(player.network, player.optimizer, dtype)  # type: ignore[arg-type]  # why_not_fused looked
            for player in (game.generator, game.discriminator)
        )
        self.input_dtype = next(game.generator.network.parameters()).dtype

    def draw_noise(self) -> Tensor:
        return self.game.draw_noise(self.input_dtype)

    def generate(self, z: Tensor) -> Tensor:
        masks = self.generator.draw_masks(len(z), self.game.rng)
        return self.generator.forward(z.to(self.dtype), masks)

    def discriminator_step(self, real: Tensor, fake: Tensor, rates: Rates) -> tuple[Tensor, Tensor, Tensor]:
        """One update of the discriminator; returns its loss and the real and the fake logits."""
        rows = torch.cat([real.to(self.dtype), fake])
        logits = self._judge(rows, self.discriminator.draw_masks(len(rows), self.game.rng))
        real_logits, fake_logits = logits[: len(real)], logits[len(real) :]
        loss, scale = _derivatives(self.game.objective.discriminator_loss, real_logits, fake_logits)
        self.discriminator.backward(self._ones(rows), scale=self._column(scale))
        self.discriminator.move(rates)
        return loss, real_logits, fake_logits

    def generator_step(self, z: Tensor, rates: Rates) -> Tensor:
        """One update of the generator at z, the discriminator held; returns its loss."""
        fake = self.generate(z)
        logits = self._judge(fake, self.discriminator.draw_masks(len(fake), self.game.rng))
        loss, scale = _derivatives(self.game.objective.generator_loss, logits)
        response = self.discriminator.backward(self._ones(fake), inputs=slice(None), train=False)
        assert response is not None
        self._move_generator(response * self._column(scale), rates)
        return loss

    def joint_step(self, real: Tensor, rates: Rates) -> Iteration:
        """Both players at the same parameters, from one fake batch and one dropout mask on it."""
        fake = self.generate(self.draw_noise())
        count, rng = len(real), self.game.rng
        pairs = zip(*(self.discriminator.draw_masks(len(x), rng) for x in (real, fake)), strict=True)
        rows = torch.cat([real.to(self.dtype), fake])
        logits = self._judge(rows, [_join(*pair) for pair in pairs])
        real_logits, fake_logits = logits[:count], logits[count:]
        objective = self.game.objective
        discriminator_loss, scale = _derivatives(objective.discriminator_loss, real_logits, fake_logits)
        generator_loss, fake_scale = _derivatives(objective.generator_loss, fake_logits)
        response = self.discriminator.backward(self._ones(rows), scale=self._column(scale), inputs=slice(count, None))
        assert response is not None
        self.discriminator.move(rates)
        self._move_generator(response * self._column(fake_scale), rates)
        return Iteration(discriminator_loss, generator_loss, real_logits, fake_logits)

    def _move_generator(self, grad: Tensor, rates: Rates) -> None:
        self.generator.backward(grad)
        self.generator.move(rates)

    def _judge(self, rows: Tensor, masks: Rows) -> Tensor:
        logits = self.discriminator.forward(rows, masks).squeeze(1)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _ones(self, rows: Tensor) -> Tensor:
        return torch.ones(len(rows), 1, dtype=self.dtype)

    def _column(self, scale: Tensor) -> Tensor:
        return scale.to(self.dtype)[:, None]


def _join(real: Tensor | None, fake: Tensor | None) -> Tensor | None:
    return None if real is None or fake is None else torch.cat([real, fake])


def _derivatives(loss: Callable[..., Tensor], *logits: Tensor) -> tuple[Tensor, Tensor]:
    """A loss and its derivative with respect to each logit, those of all batches in one vector."""
    leaves = [part.detach().requires_grad_() for part in logits]
    value = loss(*leaves)
    return value.detach(), torch.cat(torch.autograd.grad(value, leaves))


def alternating(fused: FusedGame, step: int, rates: Rates) -> Iteration:
    """The paper's Algorithm 1: k steps of the discriminator, then one of the generator with fresh noise."""
    game = fused.game
    for j in range(game.k):
        real = game.draw_batch(step * game.k + j)
        loss, real_logits, fake_logits = fused.discriminator_step(real, fused.generate(fused.draw_noise()), rates)
    generator_loss = fused.generator_step(fused.draw_noise(), rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


def simultaneous(fused: FusedGame, step: int, rates: Rates) -> Iteration:
    """The released code's order: one fake batch, one dropout mask on it, both gradients at the same parameters."""
    return fused.joint_step(fused.game.draw_batch(step), rates)


def generator_first(fused: FusedGame, step: int, rates: Rates) -> Iteration:
    """A lecture's order: the generator moves, then the discriminator, which sees the moved generator at the same z."""
    real = fused.game.draw_batch(step)
    z = fused.draw_noise()
    generator_loss = fused.generator_step(z, rates)
    loss, real_logits, fake_logits = fused.discriminator_step(real, fused.generate(z), rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


FUSED_ORDERS: dict[str, Callable[[FusedGame, int, Rates], Iteration]] = {
    "alternating": alternating,
    "simultaneous": simultaneous,
    "generator-first": generator_first,
}
