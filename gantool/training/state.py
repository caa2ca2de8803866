"""Everything that a run is made of in memory, and its way to a checkpoint and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from gantool.config import RunConfig
from gantool.data.batches import BatchStream
from gantool.data.dataset import Dataset
from gantool.errors import GantoolError, UsageError
from gantool.models import Discriminator, Generator, build_discriminator, build_generator, conditions_of
from gantool.objectives import build_objective
from gantool.runs.checkpoint import Groups, read_checkpoint, save_checkpoint
from gantool.seeds import derive_seed
from gantool.training.average import WeightAverage
from gantool.training.game import Game, Player, copied
from gantool.training.optimizers import build_optimizer
from gantool.training.supply import label_counts_of, supply

GROUPS = ("generator", "discriminator", "optimizer", "rng")


@dataclass
class TrainingState:
    """The game, how many iterations of it have been played, and running averages of weights: `average` of the
    generator's, `average_discriminator` of the discriminator's, where they are kept."""

    game: Game
    batches: BatchStream
    step: int = 0
    averages: dict[str, WeightAverage] = field(default_factory=dict)

    @property
    def average(self) -> WeightAverage | None:
        """That of the generator's weights."""
        return self.averages.get("average")

    @property
    def batches_per_epoch(self) -> int:
        return self.batches.batches_per_epoch

    @property
    def sampler(self) -> torch.nn.Module:
        """The generator that samples are drawn from: the average where one is kept."""
        return self.average.network if self.average else self.game.generator.network

    def advance(self, iterations: int = 1) -> None:
        """Counts iterations that were played: with an average no more than up to the next that it takes in."""
        self.step += iterations
        for average in self.averages.values():
            average.see(self.step)

    def epoch_at(self, step: int) -> int:
        """The epoch, from 1, in which iteration `step` (from 0) draws its first batch."""
        return self.game.discriminator_steps.before(step) // self.batches_per_epoch + 1

    def save(self, folder: Path, groups: Groups | None = None) -> Path:
        """Writes a checkpoint of the present step and returns its path; of these `groups` where they are given."""
        return save_checkpoint(folder, self.step, groups or self._groups())

    def copy(self) -> Groups:
        """A copy of all that changes within an iteration."""
        return copied(self._groups())

    def put_back(self, groups: Groups) -> None:
        """Takes everything from a copy, in place. RuntimeError or KeyError where it is of another configuration."""
        self.game.put_back(groups)
        for name, average in self.averages.items():
            average.network.load_state_dict(groups[name])

    def _groups(self) -> Groups:
        averages = {name: average.network.state_dict() for name, average in self.averages.items()}
        return averages | self.game.groups()

    def restore(self, path: Path) -> None:
        """Takes everything from a checkpoint. GantoolError where it is damaged or of another configuration."""
        checkpoint = read_checkpoint(path, (*GROUPS, *self.averages))
        try:
            self.put_back(checkpoint.groups)
        except (RuntimeError, KeyError) as error:
            raise GantoolError(f"The checkpoint {path} does not fit this run's configuration: {error}") from error
        self.step = checkpoint.step

    def parameters_are_finite(self) -> bool:
        """Whether every weight of both players is finite. Synchronises with the device."""
        players = (self.game.generator, self.game.discriminator)
        return all(bool(p.isfinite().all()) for player in players for p in player.network.parameters())


def build_state(
    config: RunConfig,
    dataset: Dataset,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    beside: TrainingState | None = None,
) -> TrainingState:
    """Draws both networks from the run's seed and sets up the game at step 0; rows on the device are shared with the
    state `beside` it, if any.

    The networks are drawn on the CPU and then moved, so that every device starts from the same weights.
    Raises UsageError where configuration and data do not fit.
    """
    training = config.training
    stream = beside.batches if beside else None
    batches = BatchStream(
        dataset,
        training.batch_size,
        seed=training.seed,
        device=device,
        dtype=dtype,
        beside=stream,
        labelled=config.data.condition == "label",
        keep_last=training.last_batch == "keep",
    )
    _require_reachable(config, dataset)
    generator, discriminator = _draw_networks(config, dataset)
    optimistic = training.play == "optimistic"
    clip = config.objective.penalty.limit if config.objective.penalty.kind == "clip" else None
    for network in (generator, discriminator):
        network.to(device=device, dtype=dtype).train()
    game = Game(
        Player(generator, build_optimizer(generator, config.optimizer.of("generator"), optimistic)),
        Player(discriminator, build_optimizer(discriminator, config.optimizer.of("discriminator"), optimistic, clip)),
        objective=build_objective(config.objective),
        noise=config.noise,
        draw_batch=supply(config, dataset, batches),
        rng=torch.Generator(device).manual_seed(derive_seed(training.seed, "training")),
        batch_size=training.batch_size,
        discriminator_steps=training.discriminator_steps,
        options=training,
        penalty=config.objective.penalty,
        feature_matching=config.objective.feature_matching,
        energy=config.objective.energy,
        inference=config.inference,
        play=training.play,
        consensus=training.consensus,
        pack=training.pack,
    )
    kept = {"average": game.generator.network, "average_discriminator": game.discriminator.network}
    averages = {
        name: WeightAverage(network, decay) for name, network in kept.items() if (decay := getattr(training, name))
    }
    return TrainingState(game, batches, averages=averages)


def _draw_networks(config: RunConfig, dataset: Dataset) -> tuple[Generator, Discriminator]:
    """Both networks, from the run's seed, on the CPU."""
    weights = torch.Generator().manual_seed(derive_seed(config.training.seed, "weights"))
    label_counts = label_counts_of(config, dataset)
    for_generator, for_discriminator = conditions_of(config, label_counts, dataset.dimension)
    generator = build_generator(
        config.generator,
        config.noise.dimension,
        _mean(dataset),
        weights,
        dataset.shape,
        condition=for_generator,
        inference=config.inference,
    )
    generator.symmetric, generator.label_counts = dataset.symmetric, label_counts
    discriminator = build_discriminator(
        config.discriminator, dataset.shape, weights, config.training.pack, for_discriminator
    )
    if count := config.discriminator.init_rows:
        order = torch.Generator().manual_seed(derive_seed(config.training.seed, "rows for the first weights"))
        chosen = torch.randperm(len(dataset.train), generator=order)[:count]
        discriminator.fit_to(dataset.training_values(dataset.train.stored[chosen], torch.float32), order)
    return generator, discriminator


def build_states(configs: Sequence[RunConfig], dataset: Dataset, device: torch.device) -> list[TrainingState]:
    """A state for each configuration, as :func:`build_state` makes it; they share the training rows on the device."""
    states: list[TrainingState] = []
    for config in configs:
        states.append(build_state(config, dataset, device, beside=states[0] if states else None))
    return states


# What a layer of each kind can put out.
_REACH = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def _require_reachable(config: RunConfig, dataset: Dataset) -> None:
    """Raises UsageError where the training rows lie where no output of the generator can."""
    last = len(config.generator.layers) - 1
    output = config.generator.layers[last]
    field = "activation" if hasattr(output, "activation") else "kind"
    kind = getattr(output, field)
    if kind not in _REACH:
        return
    low, high = _range(dataset)
    least, most = _REACH[kind]
    if least <= low and high <= most:
        return
    fitting, first = ("tanh", "") if low >= -1.0 and high <= 1.0 else ("linear", "scale the rows to [0, 1], or ")
    raise UsageError(
        f"The training rows lie in [{low:.4g}, {high:.4g}], which the generator's {kind} output cannot reach: "
        f"{first}give --set generator.layers.{last}.{field}={fitting} --set generator.layers.{last}.bias=0."
    )


def _range(dataset: Dataset) -> tuple[float, float]:
    """The least and the largest value that the networks see of the training rows; of bytes, that they can hold."""
    if dataset.norm is not None:
        return -dataset.norm, dataset.norm
    low, high = 0.0, 1.0
    if dataset.divisor == 1:  # a value that is missing is NaN
        stored = dataset.train.stored.numpy()
        low, high = float(np.nanmin(stored)), float(np.nanmax(stored))
    return (2 * low - 1, 2 * high - 1) if dataset.symmetric else (low, high)


def _mean(dataset: Dataset) -> torch.Tensor:
    """The training rows' mean, [D] in float64, as the networks see them."""
    if dataset.norm is None and not dataset.symmetric:
        return dataset.train.stored.mean(dim=0, dtype=torch.float64) / dataset.divisor
    parts = torch.split(dataset.train.stored, 5_000)
    return torch.stack([dataset.training_values(part, torch.float64).sum(dim=0) for part in parts]).sum(0) / len(
        dataset.train
    )
