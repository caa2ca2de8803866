"""A look every few epochs: have the samples collapsed, how likely do they make validation rows, and does the
discriminator know the training rows by heart?

A look draws its own noise, always the same, so that training is left as it would be without it, and successive looks
show one set of samples changing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.models import draw_noise
from gantool.numerics.density import geometric_grid
from gantool.numerics.neighbours import all_twins, near_radius, nearest_other, pairs_within
from gantool.numerics.rows import random_subset
from gantool.ops import parzen_log_density
from gantool.sampling import generate
from gantool.seeds import derive_seed
from gantool.training.record.divergence import Diverged
from gantool.training.record.metrics import Alarm, Look, Record
from gantool.training.state import TrainingState

# A tenth of the protocol's samples: a look at MNIST then takes about a hundredth of an epoch.
SAMPLES = 1_000

# The first validation rows: one half chooses sigma, the other is scored.
VALIDATION_ROWS = 1_000

# The paper's grid, and as far again below for data that are finer than MNIST's pixels.
SIGMAS = geometric_grid(0.01, 1.0, 19)

# Every run begins with one shape and opens up: in the looks at sound runs on MNIST and on the digits the effective
# number of samples grew from 1 to tens within four looks and to hundreds later, while the alternating order on MNIST
# came to 1, 9, 21, 10, 7, 3 and 3. So few samples, and no more than at a look three or more before, are a collapse; and
# so is, at any time, the loss of nine tenths of what was there.
FEW, PATIENCE, LOST = 0.1, 3, 0.1


# From this part of what the discriminator goes by, memory of the training rows is an alarm. Runs with dropout stayed
# below 0.12; one without it, at k = 5 on the digits, passed 0.2 at epoch 420, and its generator collapsed from 500 on.
MEMORY = 0.2


class Health:
    """Looks at both players every `training.watch_every` epochs, where a line of metrics is written anyway.

    When a run goes on, `history` are the effective numbers of samples at the looks so far, and `overfit` is the
    discriminator's at the last one.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        state: TrainingState,
        history: Sequence[float],
        overfit: float = 0.0,
    ) -> None:
        self.config, self.state, self.history, self.overfit = config, state, list(history), overfit
        device = state.game.rng.device
        self.seed = derive_seed(config.training.seed, "health")
        self.count = min(SAMPLES, len(dataset.train))
        real = dataset.values(random_subset(dataset.train.stored, self.count, self.seed))
        apart = nearest_other(real)[1]
        self.radius, self.fixed_radius = near_radius(apart, real.shape[1]), all_twins(apart)
        self.distinct_real = distinct_rows(real, self.radius)
        # What the discriminator sees of as many training and validation rows.
        seen = [random_subset(dataset.train.stored, self.count, self.seed), dataset.validation.stored[:VALIDATION_ROWS]]
        self.judged = [dataset.training_values(part, torch.float32).to(device) for part in seen]
        rows = dataset.values(dataset.validation.stored[:VALIDATION_ROWS]).to(device)
        self.selection, self.scored = rows[: len(rows) // 2], rows[len(rows) // 2 :]

    def see(self, record: Record) -> Record:
        """The record with a look's figures, and with an alarm where one begins, if a look is due at its step.

        Raises Diverged where a sample is not finite.
        """
        if not self.is_due(record.step):
            return record
        look = self.look(record.step)
        self.history.append(look.distinct_samples)
        alarms = (*self._collapse(record.epoch), *self._memory(record.epoch, look))
        self.overfit = look.discriminator_overfit or 0.0
        return replace(record, look=look, alarms=alarms)

    def is_due(self, step: int) -> bool:
        """Whether `watch_every` epochs ended since the line of metrics before: a function of the step alone."""
        training = self.config.training
        before = (step - 1) // training.log_every * training.log_every
        return self._looks_at(step) > self._looks_at(before)

    def _looks_at(self, step: int) -> int:
        ended = self.config.training.discriminator_steps.before(step) // self.state.batches_per_epoch
        return ended // self.config.training.watch_every

    def look(self, step: int) -> Look:
        """Draws the samples and measures them."""
        generator = self.state.sampler
        generator.eval()
        device = self.state.game.rng.device
        samples = generate(generator, self.config.noise, self.count, seed=self.seed, device=device)
        generator.train()
        if not bool(samples.isfinite().all()):
            raise Diverged(step, "value of a sample")
        distinct = distinct_rows(samples, self.radius)
        # Real rows that are all alike leave nothing to lose.
        kept = math.log(distinct) / math.log(self.distinct_real) if self.distinct_real > 1 else 1.0
        return Look(max(0.0, 1.0 - kept), distinct, *self._likelihood(samples), *self._judgements())

    def _likelihood(self, samples: torch.Tensor) -> tuple[float | None, float | None]:
        """The mean log-density of the scored rows in nats, at the sigma that is best on the others; that sigma."""
        if len(self.selection) == 0:
            return None, None
        sigmas = torch.tensor(SIGMAS, dtype=torch.float64, device=samples.device)
        with torch.no_grad():
            means = parzen_log_density(self.selection, samples, sigmas).mean(dim=1)
            best = sigmas[means.argmax()][None]
            return parzen_log_density(self.scored, samples, best).double().mean().item(), best.item()

    def _judgements(self) -> tuple[float, float, float] | tuple[()]:
        """The discriminator's means on training and validation rows, and its overfit.

        Nothing where there are no such rows, or where the discriminator is told something beside them.
        """
        game = self.state.game
        told = getattr(game.discriminator.network, "junction", None) is not None
        if told or len(self.judged[1]) < 2 * self.config.training.pack:
            return ()
        network = game.discriminator.network
        z = draw_noise(self.config.noise, self.count, self._fresh(), dtype=self.judged[0].dtype)
        network.eval()
        game.generator.network.eval()
        with torch.no_grad():
            rows = (*self.judged, game.generator.network(z))
            whole = [part[: len(part) // game.pack * game.pack].to(z.dtype) for part in rows]
            train, validation, samples = (game.objective.judgement(network(part)).double() for part in whole)
        network.train()
        game.generator.network.train()
        gap, apart = train.mean() - validation.mean(), train.mean() - samples.mean()
        chance = 3.0 * (train.var() / len(train) + validation.var() / len(validation)).sqrt()
        overfit = (gap / apart).clamp(0.0, 1.0).item() if gap > chance and apart > 0 else 0.0
        return train.mean().item(), validation.mean().item(), overfit

    def _fresh(self) -> torch.Generator:
        return torch.Generator(self.state.game.rng.device).manual_seed(self.seed)

    def _memory(self, epoch: int, look: Look) -> tuple[Alarm, ...]:
        """An alarm where the discriminator begins to go by memory, and none while it goes on."""
        overfit = look.discriminator_overfit or 0.0
        if overfit < MEMORY or self.overfit >= MEMORY:
            return ()
        sentence = (
            f"The discriminator learns the training rows by heart by epoch {epoch}: its mean is "
            f"{look.discriminator_on_training:.2f} on them and {look.discriminator_on_validation:.2f} on validation "
            f"rows, so that {overfit:.0%} of what it tells them from samples by is memory. A smaller k, dropout or "
            f"more rows help."
        )
        return (Alarm("overfit", sentence),)

    def _collapse(self, epoch: int) -> tuple[Alarm, ...]:
        """An alarm where a collapse begins, and none while it goes on."""
        few = FEW * self.distinct_real
        if not has_collapsed(self.history, few) or has_collapsed(self.history[:-1], few):
            return ()
        best = max(self.history[:-1])
        sentence = (
            f"The generator has collapsed by epoch {epoch}: {self.count:,} samples come to about "
            f"{self.history[-1]:.1f} different ones, after {best:.1f} at an earlier look."
        )
        if self.fixed_radius:
            sentence += (
                f" Samples within {self.radius:.3g} of each other count as one, a fixed distance: each of the real "
                "rows looked at has an exact twin, so that they give none."
            )
        return (Alarm("collapse", sentence),)


def distinct_rows(rows: torch.Tensor, radius: float) -> float:
    """The effective number of different rows [N, D]: N² over the ordered pairs at most `radius` apart, each row's own
    pair included. From 1, all alike, to N (the inverse Simpson index)."""
    return len(rows) ** 2 / (len(rows) + 2 * pairs_within(rows, radius))


def has_collapsed(history: Sequence[float], few: float) -> bool:
    """Whether the effective numbers of samples, one a look and oldest first, have come to a collapse at the last.

    `few` is the number below which they can have collapsed without having lost much.
    """
    if len(history) < 2:
        return False
    last, earlier = history[-1], history[:-PATIENCE]
    stuck = bool(earlier) and last < few and last <= max(earlier)
    return stuck or last <= LOST * max(history)
