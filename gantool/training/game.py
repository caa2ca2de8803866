"""The game: two players, what they play for, and where data and noise come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gantool.config import DiscriminatorSteps, InferenceConfig, NoiseConfig, PenaltyConfig, ReleasedOptions
from gantool.data.batches import Batch
from gantool.models import draw_noise
from gantool.objectives import Objective
from gantool.runs.checkpoint import Groups
from gantool.training.optimizers import Optimizer


@dataclass(frozen=True)
class Player:
    """A network, and what moves its parameters. The network takes (input, rng), the rng being for its dropout masks."""

    network: torch.nn.Module
    optimizer: Optimizer

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

    def gradients(self, loss: Tensor, *, keep_graph: bool = False, differentiable: bool = False) -> tuple[Tensor, ...]:
        """The gradient of `loss` with respect to this player's parameters alone, in their order."""
        return torch.autograd.grad(
            loss,
            list(self.network.parameters()),
            retain_graph=keep_graph or differentiable,
            create_graph=differentiable,
            materialize_grads=True,
        )


@dataclass(frozen=True)
class Game:
    """The two players, their objective, and the sources of data and noise.

    `draw_batch(position)` gives the position-th training batch. `rng` feeds noise and dropout masks.
    `discriminator_steps` says which batches an iteration sees. The discriminator judges `pack` rows at once.
    `play` is how the players move, and `consensus` the weight of ½·‖both gradients‖² in the play of that name.
    """

    generator: Player
    discriminator: Player
    objective: Objective
    noise: NoiseConfig
    draw_batch: Callable[[int], Batch]
    rng: torch.Generator
    batch_size: int
    discriminator_steps: DiscriminatorSteps = field(default_factory=lambda: DiscriminatorSteps.of(1))
    options: ReleasedOptions = field(default_factory=ReleasedOptions)
    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)
    feature_matching: float = 0.0
    energy: float = 0.0
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    play: str = "gradient"
    consensus: float = 0.0
    pack: int = 1

    def draw_noise(self, count: int) -> Tensor:
        """[count, Z] in the type of the generator's weights."""
        dtype = next(self.generator.network.parameters()).dtype
        return draw_noise(self.noise, count, self.rng, dtype=dtype)

    def groups(self) -> Groups:
        """All that an iteration changes, as named tensors: the live ones, not copies."""
        generator, discriminator = self.generator, self.discriminator
        optimizer = {f"generator.{name}": value for name, value in generator.optimizer.state().items()}
        optimizer |= {f"discriminator.{name}": value for name, value in discriminator.optimizer.state().items()}
        return {
            "generator": generator.network.state_dict(),
            "discriminator": discriminator.network.state_dict(),
            "optimizer": optimizer,
            "rng": {"run": self.rng.get_state()},
        }

    def put_back(self, groups: Groups, *, random_numbers: bool = True) -> None:
        """Takes everything from a copy, in place. RuntimeError or KeyError where it is of another configuration."""
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            player.network.load_state_dict(groups[name])
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in groups["optimizer"].items()
                if key.startswith(f"{name}.")
            }
            player.optimizer.load_state(own)
        if random_numbers:
            self.rng.set_state(groups["rng"]["run"])


def copied(groups: Groups) -> Groups:
    """The same tensors in memory of their own."""
    return {
        group: {name: value.detach().clone() for name, value in tensors.items()} for group, tensors in groups.items()
    }


@dataclass(frozen=True)
class Iteration:
    """What one iteration saw: the two losses (scalars) and the last discriminator step's logits ([B] each),
    detached. Of R replicas at once each has a leading axis."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor

    def of_each_game(self) -> list[Iteration]:
        """One Iteration a replica: itself, where there is no such axis."""
        parts = (self.discriminator_loss, self.generator_loss, self.real_logits, self.fake_logits)
        if self.discriminator_loss.ndim == 0:
            return [self]
        return [Iteration(*own) for own in zip(*parts, strict=True)]
