"""Algorithm 1 of the paper, the two other update orders that are in use, and extragradient steps.

An order is written once, in the verbs of an :class:`Engine`. Gradients are taken with respect to one player's
parameters at a time, and applied by a verb of their own, so that neither player's move touches the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from torch import Tensor

from gantool.config import DiscriminatorSteps, TrainingConfig
from gantool.data.batches import Batch
from gantool.runs.checkpoint import Groups
from gantool.training.game import Iteration

Rates_contra = TypeVar("Rates_contra", contravariant=True)
Rates = TypeVar("Rates")


class Engine(Protocol[Rates_contra]):
    """A way to take gradients and to apply them. `discriminator_steps` says which batches an iteration sees.

    The `..._gradients` keep what they have taken until the `move_...` of that player applies it. Those two are the only
    places that change a parameter.
    """

    discriminator_steps: DiscriminatorSteps

    def draw_batch(self, position: int) -> Batch:
        """Training batch number `position` since training began; the last one of an epoch may be short."""
        ...

    def draw_noise(self, count: int) -> Tensor:
        """`count` fresh noise vectors."""
        ...

    def generate(self, z: Tensor, batch: Batch) -> Batch:
        """Generated rows, with the labels of `batch`. No gradient goes through them."""
        ...

    def discriminator_gradients(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Takes the gradients of the discriminator's loss; returns the loss, the real and the fake logits."""
        ...

    def generator_gradients(self, z: Tensor, batch: Batch) -> Tensor:
        """Takes the gradients of the generator's loss at z, the discriminator held; returns the loss.

        `batch` are real rows: for their labels, and for losses that compare with them.
        """
        ...

    def joint_gradients(self, real: Batch) -> Iteration:
        """Takes both players' gradients at the same parameters, from one generated batch and one dropout mask on it."""
        ...

    def move_discriminator(self, rates: Rates_contra) -> None: ...

    def move_generator(self, rates: Rates_contra) -> None: ...

    def remember(self) -> list[Groups]:
        """A copy of all that an iteration changes: parameters, the optimizers' states, the random numbers' place."""
        ...

    def draw_again(self, since: list[Groups]) -> None:
        """The coming random numbers are those that came after `since`."""
        ...

    def go_back(self, to: list[Groups]) -> None:
        """Takes parameters and optimizers from a copy. Gradients that were taken meanwhile stay."""
        ...


def alternating(game: Engine[Rates], step: int, rates: Rates) -> Iteration:
    """The paper's Algorithm 1: k steps of the discriminator, then one of the generator with fresh noise."""
    for position in game.discriminator_steps.batches(step):
        real = game.draw_batch(position)
        fake = game.generate(game.draw_noise(real.size), real)
        loss, real_logits, fake_logits = game.discriminator_gradients(real, fake)
        game.move_discriminator(rates)

    generator_loss = game.generator_gradients(game.draw_noise(real.size), real)
    game.move_generator(rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


def simultaneous(game: Engine[Rates], step: int, rates: Rates) -> Iteration:
    """The released code's order: one fake batch, both gradients at the same parameters.

    With k above 1 the discriminator first takes k − 1 steps alone: the generator moves at every k-th batch.
    """
    *alone, last = game.discriminator_steps.batches(step)
    for position in alone:
        real = game.draw_batch(position)
        game.discriminator_gradients(real, game.generate(game.draw_noise(real.size), real))
        game.move_discriminator(rates)

    seen = game.joint_gradients(game.draw_batch(last))
    game.move_discriminator(rates)
    game.move_generator(rates)
    return seen


def generator_first(game: Engine[Rates], step: int, rates: Rates) -> Iteration:
    """A lecture's order: the generator moves, then the discriminator, which sees the moved generator at the same z."""
    real = game.draw_batch(step)
    z = game.draw_noise(real.size)
    generator_loss = game.generator_gradients(z, real)
    game.move_generator(rates)

    loss, real_logits, fake_logits = game.discriminator_gradients(real, game.generate(z, real))
    game.move_discriminator(rates)
    return Iteration(loss, generator_loss, real_logits, fake_logits)


def extragradient(game: Engine[Rates], step: int, rates: Rates) -> Iteration:
    """Both players look one step ahead, and move from here by the gradients that they find there.

    Both points see the same batch, noise and masks. What the optimizers have gathered on the way ahead is dropped.
    """
    real = game.draw_batch(step)
    here = game.remember()
    seen = game.joint_gradients(real)
    game.move_discriminator(rates)
    game.move_generator(rates)

    game.draw_again(since=here)
    game.joint_gradients(real)
    game.go_back(to=here)
    game.move_discriminator(rates)
    game.move_generator(rates)
    return seen


Order = Callable[[Engine[Any], int, Any], Iteration]
ORDERS: dict[str, Order] = {
    "alternating": alternating,
    "simultaneous": simultaneous,
    "generator-first": generator_first,
}

# The plays that are an order of their own. Of the others, consensus is in the gradients, optimistic in the optimizers.
PLAYS: dict[str, Order] = {"extragradient": extragradient}


def order_of(training: TrainingConfig) -> Order:
    """How `training.order` and `training.play` make an iteration."""
    return PLAYS.get(training.play, ORDERS[training.order])
