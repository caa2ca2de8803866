"""Gradients by autograd: any two networks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gantool.config import TrainingConfig
from gantool.data.batches import Batch
from gantool.nn import ScaledDropout
from gantool.runs.checkpoint import Groups
from gantool.training.engines.step import DTYPES, EngineKind, Step, products
from gantool.training.game import Game, Iteration, copied
from gantool.training.orders import order_of
from gantool.training.penalties import Judged, penalty
from gantool.training.schedules import Rates
from gantool.training.state import TrainingState

Gradients = tuple[Tensor, ...]


class AutogradEngine:
    """One game, with products in `dtype`, or in the weights' own type where that is None.

    See :class:`gantool.training.orders.Engine` for what each verb does.
    """

    def __init__(self, game: Game, dtype: torch.dtype | None = None) -> None:
        self.game, self.dtype = game, dtype
        self.discriminator_steps = game.discriminator_steps
        self.of_discriminator: Gradients = ()
        self.of_generator: Gradients = ()

    def draw_batch(self, position: int) -> Batch:
        return self.game.draw_batch(position)

    def draw_noise(self, count: int) -> Tensor:
        return self.game.draw_noise(count)

    def generate(self, z: Tensor, batch: Batch) -> Batch:
        with torch.no_grad(), self._precision():
            return self._pair(z, batch)

    def discriminator_gradients(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor, Tensor]:
        with self._precision():
            with torch.no_grad():
                real = self._encoded(real)
            real_logits, fake_logits, of_classes = self._judge_all(real, fake)
            loss = self.game.objective.discriminator_loss(real_logits, fake_logits)
            loss = loss + self._penalty(real, fake) + of_classes
            self.of_discriminator = self._unless_it_rests(1, loss, self.game.discriminator.gradients(loss))
        return loss.detach(), real_logits.detach(), fake_logits.detach()

    def generator_gradients(self, z: Tensor, batch: Batch) -> Tensor:
        with self._precision(), self.game.discriminator.frozen():
            fake = self._pair(z, batch)
            real_logits = self._judge(self._encoded(batch)) if self._needs_real() else None
            judged = self._judge_for_generator(fake) if self.game.objective.needs_fake else None
            loss = self._generator_loss(z, fake, judged, batch, real_logits)
            self.of_generator = self._unless_it_rests(0, loss, self._of_generator(loss, fake.rows))
        return loss.detach()

    def joint_gradients(self, real: Batch) -> Iteration:
        with self._precision():
            z = self.draw_noise(real.size)
            fake = self._pair(z, real)
            real_logits, fake_logits = self._judge(self._encoded(real)), self._judge(fake)
            discriminator_loss = self.game.objective.discriminator_loss(real_logits, fake_logits)
            discriminator_loss = discriminator_loss + self._penalty(real, fake) + self._of_classes(real)
            # One mask for both losses, unless the generator's has none.
            again = not self.game.options.dropout_for_generator
            judged = self._judge_for_generator(fake) if again else fake_logits
            looks = self.game.objective.needs_fake
            generator_loss = self._generator_loss(z, fake, judged if looks else None, real, real_logits)
            if self.game.play == "consensus":
                self.of_discriminator, self.of_generator = self._in_consensus(discriminator_loss, generator_loss)
            else:
                of_discriminator = self.game.discriminator.gradients(discriminator_loss, keep_graph=True)
                of_generator = self._of_generator(generator_loss, fake.rows)
                self.of_discriminator = self._unless_it_rests(1, discriminator_loss, of_discriminator)
                self.of_generator = self._unless_it_rests(0, generator_loss, of_generator)
        seen = (discriminator_loss, generator_loss, real_logits, fake_logits)
        return Iteration(*(tensor.detach() for tensor in seen))

    def move_discriminator(self, rates: Rates) -> None:
        if self.of_discriminator:
            self.game.discriminator.optimizer.step(self.of_discriminator, rates.discriminator)
        self.of_discriminator = ()

    def move_generator(self, rates: Rates) -> None:
        if self.of_generator:
            self.game.generator.optimizer.step(self.of_generator, rates.generator)
        self.of_generator = ()

    def remember(self) -> list[Groups]:
        return [copied(self.game.groups())]

    def draw_again(self, since: list[Groups]) -> None:
        self.game.rng.set_state(since[0]["rng"]["run"])

    def go_back(self, to: list[Groups]) -> None:
        self.game.put_back(to[0], random_numbers=False)

    def _penalty(self, real: Batch, fake: Batch) -> Tensor | float:
        def judge(rows: Tensor) -> Tensor:
            return self._judge(real._replace(rows=rows))

        judged = Judged(judge, real.rows, fake.rows.detach(), self.game.rng, self.game.pack)
        return penalty(self.game.penalty, judged)

    def _of_classes(self, real: Batch) -> Tensor | float:
        """The cross-entropy of the labelled rows that go with this batch, where some are known."""
        if real.known is None:
            return 0.0
        rows, labels = real.known
        classify: Any = self.game.discriminator.network.class_logits
        return cross_entropy(_exact(classify(rows, self.game.rng)), labels)

    def _generator_loss(
        self, z: Tensor, fake: Batch, logits: Tensor | None, real: Batch, real_logits: Tensor | None
    ) -> Tensor:
        """The generator's loss at z, on these logits of `fake`; `real` are real rows."""
        loss = fake.rows.new_zeros(()) if logits is None else self._of_game(logits, real_logits)
        loss = loss + self._of_encoder(z, fake, real_logits)
        loss = loss + self.game.feature_matching * self._feature_distance(real, fake)
        return loss + self.game.energy * self._energy_score(real, fake)

    def _of_game(self, logits: Tensor, real_logits: Tensor | None) -> Tensor:
        """The generator's loss in the game itself."""
        below = self.game.options.generator_below
        if below < 1.0:
            # What is left out gives no gradient; the loss stays the mean over all.
            logits = logits.where(logits.sigmoid() < below, logits.detach())
        objective = self.game.objective
        return objective.generator_loss(logits, real_logits if objective.needs_real else None)

    def _of_encoder(self, z: Tensor, fake: Batch, real_logits: Tensor | None) -> Tensor | float:
        """What the encoder, which the generator's optimizer moves, adds to the generator's loss."""
        inference = self.game.inference
        if inference.kind == "none":
            return 0.0
        if inference.kind == "bigan":  # real pairs are to look generated
            assert real_logits is not None
            return self.game.objective.generator_loss(-real_logits)
        rows = fake.rows.detach() if inference.kind == "regressor" else fake.rows
        return inference.weight * (self._encode(rows) - z).square().mean()

    def _feature_distance(self, real: Batch, fake: Batch) -> Tensor | float:
        """‖E φ(x) − E φ(G(z))‖², φ being the discriminator's last hidden layer (Salimans et al. 2016)."""
        if not self.game.feature_matching:
            return 0.0
        features: Any = self.game.discriminator.network.features
        with torch.no_grad():
            aim = features(real.rows, self.game.rng, real.given).mean(dim=0)
        found: Tensor = features(fake.rows, self.game.rng, fake.given).mean(dim=0)
        distance: Tensor = (found - aim).square().sum()
        return distance

    def _energy_score(self, real: Batch, fake: Batch) -> Tensor | float:
        """That of `fake` and of as many other draws for the same rows."""
        if not self.game.energy:
            return 0.0
        again = self._pair(self.draw_noise(real.size), real).rows
        to_truth = _apart(fake.rows, real.rows) + _apart(again, real.rows)
        return 0.5 * (to_truth - _apart(fake.rows, again)).mean()

    def _of_generator(self, loss: Tensor, fake: Tensor) -> Gradients:
        """The generator's gradients; scaled up where `gradient_scale` asks for it."""
        gradients = self.game.generator.gradients(loss, keep_graph=bool(self.game.options.gradient_scale))
        if not self.game.options.gradient_scale:
            return gradients
        (by_samples,) = torch.autograd.grad(loss, fake)
        length = torch.linalg.vector_norm(by_samples)
        scale = (self.game.options.gradient_scale / length).clamp_min(1.0).where(length > 0, 1.0)
        return tuple(gradient * scale for gradient in gradients)

    def _in_consensus(self, discriminator_loss: Tensor, generator_loss: Tensor) -> tuple[Gradients, Gradients]:
        """Both players' gradients, and those of ½·consensus·‖both‖², by all parameters (Mescheder et al. 2017)."""
        own = self.game.discriminator.gradients(discriminator_loss, keep_graph=True, differentiable=True)
        others = self.game.generator.gradients(generator_loss, differentiable=True)
        energy = 0.5 * self.game.consensus * torch.stack([g.square().sum() for g in own + others]).sum()
        of_discriminator = self.game.discriminator.gradients(energy, keep_graph=True)
        of_generator = self.game.generator.gradients(energy)
        return (
            tuple((gradient + more).detach() for gradient, more in zip(own, of_discriminator, strict=True)),
            tuple((gradient + more).detach() for gradient, more in zip(others, of_generator, strict=True)),
        )

    def _unless_it_rests(self, player: int, loss: Tensor, gradients: Gradients) -> Gradients:
        """Nothing where the player's loss is below `rest_below`. Synchronises with the device where that is set."""
        rests = self.game.options.rest_below
        return () if rests is not None and float(loss.detach()) < rests[player] else gradients

    def _judge_for_generator(self, fake: Batch) -> Tensor:
        network = self.game.discriminator.network
        if self.game.options.dropout_for_generator:
            return self._judge(fake)
        dropouts = [module for module in network.modules() if isinstance(module, ScaledDropout)]
        for dropout in dropouts:
            dropout.eval()
        try:
            return self._judge(fake)
        finally:
            for dropout in dropouts:
                dropout.train()

    def _pair(self, z: Tensor, batch: Batch) -> Batch:
        """Generated rows, with what the discriminator is told beside them: the batch's condition, or z itself."""
        told = batch.given
        if getattr(self.game.generator.network, "fills", 0) and told is not None:
            told = torch.cat([told, told * batch.rows], dim=1)
        rows: Tensor = self._apply(self.game.generator.network, z, told)
        if batch.observed is not None:  # the discriminator compares what the data have
            rows = rows * batch.observed
        return batch._replace(rows=rows, given=z if self.game.inference.kind == "bigan" else batch.given)

    def _apply(self, network: nn.Module, x: Tensor, given: Tensor | None) -> Tensor:
        found: Tensor = network(x, self.game.rng) if given is None else network(x, self.game.rng, given)
        return found

    def _encoded(self, real: Batch) -> Batch:
        """Real rows, with what the discriminator is told beside them: their condition, or their codes."""
        return real._replace(given=self._encode(real.rows)) if self.game.inference.kind == "bigan" else real

    def _encode(self, rows: Tensor) -> Tensor:
        encoder: Any = self.game.generator.network.encoder
        codes: Tensor = encoder(rows, self.game.rng)
        return codes

    def _needs_real(self) -> bool:
        return self.game.objective.needs_real or self.game.inference.kind == "bigan"

    def _judge(self, batch: Batch) -> Tensor:
        return _exact(self._apply(self.game.discriminator.network, self._noisy(batch.rows), batch.given))

    def _noisy(self, rows: Tensor) -> Tensor:
        """What the discriminator sees of rows: with noise on them, where `input_noise` asks for it."""
        std = self.game.options.input_noise
        return rows + std * torch.empty_like(rows).normal_(generator=self.game.rng) if std else rows

    def _judge_all(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor, Tensor | float]:
        """The logits of real and of generated rows, and the loss of labelled rows, where some are known.

        In one pass, since matrices of more rows keep the machine busier, unless the rows of a pass mix.
        """
        if getattr(self.game.discriminator.network, "mixes_rows", False):
            return self._judge(real), self._judge(fake), self._of_classes(real)
        count = len(real.rows) // self.game.pack
        if real.known is not None:
            rows, labels = real.known
            network: Any = self.game.discriminator.network
            seen = torch.cat([self._noisy(real.rows), self._noisy(fake.rows), rows])
            classes = _exact(network.class_logits(seen, self.game.rng))
            logits = classes[: 2 * count].logsumexp(dim=1)
            return logits[:count], logits[count:], cross_entropy(classes[2 * count :], labels)
        given = None if real.given is None or fake.given is None else torch.cat([real.given, fake.given])
        logits = self._judge(Batch(torch.cat([real.rows, fake.rows]), given=given))
        return logits[:count], logits[count:], 0.0

    def _precision(self) -> AbstractContextManager[object]:
        if self.dtype is None:
            return nullcontext()
        # Autocast would keep a weight's rounded copy until the outermost context ends: without one, it keeps none.
        return torch.autocast(self.game.rng.device.type, self.dtype, cache_enabled=False)


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """‖x − y‖ of each pair of rows [B], with a derivative of 0 where they are equal."""
    return (first - second).square().sum(dim=1).add(1e-12).sqrt()


def _exact(logits: Tensor) -> Tensor:
    """In float32 at least: losses and their derivatives have no product to hurry."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _build(states: Sequence[TrainingState], training: TrainingConfig, reason: str) -> Step:
    order, dtype = order_of(training), DTYPES[training.precision]
    games = [AutogradEngine(state.game, dtype if dtype != torch.float32 else None) for state in states]

    def play(first: int, rates: Sequence[Rates]) -> list[Iteration]:
        for step, now in enumerate(rates, first):
            iterations = [order(game, step, now) for game in games]
        return iterations

    parts = [products(training, states[0].game.rng.device), reason]
    parts += [f"{len(states)} replicas one after another"] if len(states) > 1 else []
    return Step(play, lambda: f"plain step ({'; '.join(filter(None, parts))})")


ENGINE = EngineKind("plain", lambda states: "", _build)
