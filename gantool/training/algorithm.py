"""Algorithm 1 of the paper, and the two other update orders that are in use.

One function an order; each makes one iteration and returns what it saw. Gradients are taken with respect to one
player's parameters at a time, so neither player's step touches the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from gantool.config import NoiseConfig
from gantool.models import draw_noise
from gantool.objectives import Objective
from gantool.training.optimizers import Optimizer
from gantool.training.schedules import Rates


@dataclass(frozen=True)
class Player:
    """A network, and what moves its parameters. The network takes (input, rng), the rng being for its dropout masks."""

    network: torch.nn.Module
    optimizer: Optimizer

    def descend(self, loss: torch.Tensor, rates: Rates, *, keep_graph: bool = False) -> None:
        """One update along the gradient of `loss` with respect to this player's parameters alone."""
        self.optimizer.step(self.gradients(loss, keep_graph=keep_graph), rates)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No gradient is asked of this player's parameters inside.

        Naming the other player's parameters in autograd.grad is not enough: a custom operator's backward would still
        compute these gradients, only to drop them.
        """
        parameters = list(self.network.parameters())
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)

    def gradients(self, loss: torch.Tensor, *, keep_graph: bool = False) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(loss, list(self.network.parameters()), retain_graph=keep_graph)


@dataclass(frozen=True)
class Game:
    """The two players, what they play for, and where data and noise come from.

    `draw_batch(position)` gives the position-th training batch, [batch_size, D]. `rng` feeds noise and dropout masks.
    """

    generator: Player
    discriminator: Player
    objective: Objective
    noise: NoiseConfig
    draw_batch: Callable[[int], torch.Tensor]
    rng: torch.Generator
    batch_size: int
    k: int

    def draw_noise(self, dtype: torch.dtype) -> torch.Tensor:
        return draw_noise(self.noise, self.batch_size, self.rng, dtype=dtype)

    def generate(self, z: torch.Tensor) -> torch.Tensor:
        fake: torch.Tensor = self.generator.network(z, self.rng)
        return fake

    def judge(self, x: torch.Tensor) -> torch.Tensor:
        """The logits, in float32 at least: losses and their derivatives have no product to hurry."""
        logits: torch.Tensor = self.discriminator.network(x, self.rng)
        return logits if logits.dtype == torch.float64 else logits.float()

    def judge_both(self, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The logits of both batches in one pass: matrices of twice the rows keep the machine busier."""
        logits = self.judge(torch.cat([real, fake]))
        return logits[: len(real)], logits[len(real) :]


@dataclass(frozen=True)
class Iteration:
    """What one iteration saw: the two losses (scalars) and the last discriminator step's logits ([B] each),
    detached. Of R replicas at once each has a leading axis."""

    discriminator_loss: torch.Tensor
    generator_loss: torch.Tensor
    real_logits: torch.Tensor
    fake_logits: torch.Tensor

    def of_each_game(self) -> list[Iteration]:
        """One Iteration a replica: itself, where there is no such axis."""
        parts = (self.discriminator_loss, self.generator_loss, self.real_logits, self.fake_logits)
        if self.discriminator_loss.ndim == 0:
            return [self]
        return [Iteration(*own) for own in zip(*parts, strict=True)]


def alternating(game: Game, step: int, rates: Rates) -> Iteration:
    """The paper's Algorithm 1: k steps of the discriminator, then one of the generator with fresh noise."""
    for j in range(game.k):
        real = game.draw_batch(step * game.k + j)
        with torch.no_grad():
            fake = game.generate(game.draw_noise(real.dtype))
        real_logits, fake_logits = game.judge_both(real, fake)
        discriminator_loss = game.objective.discriminator_loss(real_logits, fake_logits)
        game.discriminator.descend(discriminator_loss, rates)

    generator_loss = _generator_step(game, game.draw_noise(real.dtype), rates)
    return _iteration(discriminator_loss, generator_loss, real_logits, fake_logits)


def simultaneous(game: Game, step: int, rates: Rates) -> Iteration:
    """The released code's order: one fake batch, one dropout mask on it, both gradients at the same parameters."""
    real = game.draw_batch(step)
    fake = game.generate(game.draw_noise(real.dtype))
    real_logits, fake_logits = game.judge(real), game.judge(fake)
    discriminator_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    generator_loss = game.objective.generator_loss(fake_logits)
    discriminator_gradients = game.discriminator.gradients(discriminator_loss, keep_graph=True)
    generator_gradients = game.generator.gradients(generator_loss)
    game.discriminator.optimizer.step(discriminator_gradients, rates)
    game.generator.optimizer.step(generator_gradients, rates)
    return _iteration(discriminator_loss, generator_loss, real_logits, fake_logits)


def generator_first(game: Game, step: int, rates: Rates) -> Iteration:
    """A lecture's order: the generator moves, then the discriminator, which sees the moved generator at the same z."""
    real = game.draw_batch(step)
    z = game.draw_noise(real.dtype)
    generator_loss = _generator_step(game, z, rates)

    with torch.no_grad():
        fake = game.generate(z)
    real_logits, fake_logits = game.judge_both(real, fake)
    discriminator_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    game.discriminator.descend(discriminator_loss, rates)
    return _iteration(discriminator_loss, generator_loss, real_logits, fake_logits)


def _generator_step(game: Game, z: torch.Tensor, rates: Rates) -> torch.Tensor:
    """One descent of the generator at z, the discriminator held; returns the loss."""
    with game.discriminator.frozen():
        loss = game.objective.generator_loss(game.judge(game.generate(z)))
        game.generator.descend(loss, rates)
    return loss


def _iteration(*tensors: torch.Tensor) -> Iteration:
    return Iteration(*(tensor.detach() for tensor in tensors))


UPDATE_ORDERS: dict[str, Callable[[Game, int, Rates], Iteration]] = {
    "alternating": alternating,
    "simultaneous": simultaneous,
    "generator-first": generator_first,
}
