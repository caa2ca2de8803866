"""Noticing at once that training has diverged, without stalling a GPU."""

from __future__ import annotations

import torch

from gantool.errors import GantoolError
from gantool.training.game import Iteration

QUANTITIES = ("discriminator's loss", "generator's loss")


class Diverged(GantoolError):
    """A loss or a weight is no longer finite."""

    OPENING = "Training diverged"

    def __init__(self, step: int, quantity: str) -> None:
        super().__init__(
            f"{self.OPENING}: at step {step} the {quantity} is not finite; the last checkpoint is from before that. "
            "Lower optimizer.learning_rate and train again."
        )
        self.step, self.quantity = step, quantity


class DivergenceWatch:
    """Remembers, on the device, the first step at which each loss was not finite.

    On the CPU it looks at every step. On a GPU a look is a synchronisation, so there :meth:`check` is called where the
    host waits for the device anyway, and still names the step that it saw first: of iterations in a graph, the last.
    """

    def __init__(self, device: torch.device) -> None:
        self.first_bad = torch.full((len(QUANTITIES),), -1, dtype=torch.int64, device=device)

    def see(self, iteration: Iteration, step: int) -> None:
        """Takes in the losses of `step`. Raises Diverged on the CPU."""
        losses = torch.stack([iteration.discriminator_loss, iteration.generator_loss])
        is_first = ~losses.isfinite() & (self.first_bad < 0)
        self.first_bad.masked_fill_(is_first, step)
        if losses.device.type == "cpu":
            self.check()

    def check(self) -> None:
        """Raises Diverged where a loss was not finite. Synchronises with the device."""
        seen = [(step, name) for step, name in zip(self.first_bad.tolist(), QUANTITIES, strict=True) if step >= 0]
        if seen:
            raise Diverged(*min(seen))
