"""The fused step beside the plain one: the same iterations, in every precision. (Against NumPy: test_algorithm.py.)"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from training.watching import weights

from gantool.config import OptimizerConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.nn.dropout import keep_mask
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import why_not_dense
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.state import TrainingState, build_state

CPU = torch.device("cpu")


def configured(
    order: str, step: str, precision: str = "float32", optimizer: OptimizerConfig | None = None
) -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    training = replace(config.training, order=order, engine=step, precision=precision)  # type: ignore[arg-type]
    return replace(config, training=training, optimizer=optimizer or config.optimizer)


def trained(config: RunConfig, dataset: Dataset, steps: int) -> TrainingState:
    state = build_state(config, dataset, CPU)
    step = build_step([state], config.training)
    assert step.describe().startswith(config.training.engine)
    for t in range(steps):
        step.play(t, [rates_at(config.optimizer, t, state.epoch_at(t))])
    return state


def distance(one: Tensor, other: Tensor, start: Tensor) -> float:
    """How far two ends of training lie apart, in units of the way they went."""
    return float((one - other).norm() / (one - start).norm())


def ends(order: str, dataset: Dataset, steps: int, **options: object) -> tuple[Tensor, Tensor, Tensor]:
    plain, fused = (
        weights(trained(configured(order, step, **options), dataset, steps))  # type: ignore[arg-type]
        for step in ("plain", "fused")
    )
    return plain, fused, weights(build_state(configured(order, "plain"), dataset, CPU))


def copy_state(source: TrainingState, target: TrainingState) -> None:
    """Makes one state the other's equal: weights, velocities and random numbers."""
    players = ((game.generator, game.discriminator) for game in (source.game, target.game))
    for one, other in zip(*players, strict=True):
        other.network.load_state_dict(one.network.state_dict())
        other.optimizer.load_state(one.optimizer.state())
    target.game.rng.set_state(source.game.rng.get_state())


@pytest.mark.parametrize("order", ORDERS)
def test_float32_agrees_to_rounding_over_a_hundred_steps(order: str, digits: Dataset) -> None:
    """Each of a hundred plain steps again as a fused one, from the same weights, velocities and random state.

    Left to themselves the two part for good where rounding decides a near tie between pieces of a maxout unit, since
    the game amplifies what follows. Such a step differs by one row's gradient; few can be such.
    """
    configs = [configured(order, step) for step in ("plain", "fused")]
    states = [build_state(config, digits, CPU) for config in configs]
    steps = [build_step([state], config.training) for state, config in zip(states, configs, strict=True)]
    apart = []
    for t in range(100):
        copy_state(*states)
        before = weights(states[0])
        for state, step in zip(states, steps, strict=True):
            step.play(t, [rates_at(configs[0].optimizer, t, state.epoch_at(t))])
        apart.append(distance(*map(weights, states), before))
    assert sorted(apart)[-4] < 5e-6
    assert max(apart) < 0.01


@pytest.mark.parametrize("order", ORDERS)
def test_bfloat16_goes_the_same_way(order: str, digits: Dataset) -> None:
    exact = weights(trained(configured(order, "plain"), digits, 10))
    rounded, fused, start = ends(order, digits, 10, precision="bfloat16")
    # Both round products to 8 bits, at other places: as far from each other as from float32, and near it.
    assert distance(fused, exact, start) < 0.1
    assert distance(fused, exact, start) < 2 * distance(rounded, exact, start) + 0.01


@pytest.mark.parametrize("order", ["alternating", "generator-first"])
def test_the_plain_bfloat16_step_sees_every_update(order: str, digits: Dataset) -> None:
    """Each linear layer's output is that of its weight as it stands, though weights move within an iteration."""
    config = configured(order, "plain", "bfloat16")
    if order == "alternating":
        config = replace(config, training=replace(config.training, k=3))
    state = build_state(config, digits, CPU)
    wrong = []

    def look(layer: torch.nn.Linear, given: tuple[Tensor], output: Tensor) -> None:
        with torch.autocast("cpu", enabled=False):
            now = torch.nn.functional.linear(given[0].bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16())
        wrong.append(not torch.equal(output, now))

    for player in (state.game.generator, state.game.discriminator):
        for module in player.network.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(look)
    step = build_step([state], config.training)
    for t in range(2):
        step.play(t, [rates_at(config.optimizer, t, 1)])
    assert len(wrong) > 8
    assert not any(wrong)


def test_losses_are_not_rounded_to_bfloat16(digits: Dataset) -> None:
    for kind in ("plain", "fused"):
        config = configured("simultaneous", kind, "bfloat16")
        state = build_state(config, digits, CPU)
        iteration = build_step([state], config.training).play(0, [rates_at(config.optimizer, 0, 1)])[0]
        assert iteration.discriminator_loss.dtype == iteration.fake_logits.dtype == torch.float32


@pytest.mark.native
def test_the_step_says_which_kernels_run(digits: Dataset) -> None:
    config = configured("simultaneous", "auto", "bfloat16")
    state = build_state(config, digits, CPU)
    assert build_step([state], config.training).describe() == "fused step (bfloat16, compiled kernels)"


@pytest.mark.parametrize("optimizer", [OptimizerConfig("adam", 0.001), OptimizerConfig(max_column_norm=0.5)])
def test_adam_and_bounded_columns(optimizer: OptimizerConfig, digits: Dataset) -> None:
    plain, fused, start = ends("alternating", digits, 5, optimizer=optimizer)
    # Adam divides by the gradient's own size: where that is near 0, rounding decides its sign.
    assert distance(plain, fused, start) < (0.02 if optimizer.kind == "adam" else 1e-4)


def _flat(network: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_discriminator_that_rests_stays_where_it_is(digits: Dataset) -> None:
    """Each player moves at its own rate, in both engines: one of almost nothing leaves its weights alone."""
    optimizer = OptimizerConfig(discriminator={"learning_rate": 1e-12, "min_learning_rate": 0.0})
    for engine in ("plain", "fused"):
        config = configured("simultaneous", engine, optimizer=optimizer)
        start, end = build_state(config, digits, CPU).game, trained(config, digits, 5).game
        players = (start.generator, end.generator), (start.discriminator, end.discriminator)
        moved = [float((_flat(one.network) - _flat(other.network)).abs().max()) for one, other in players]
        assert moved[0] > 1e-4
        assert moved[1] < 1e-9


def test_bounded_columns_are_bounded(digits: Dataset) -> None:
    config = configured("simultaneous", "fused", "bfloat16", OptimizerConfig(max_column_norm=0.3))
    state = trained(config, digits, 5)
    for name, p in state.game.discriminator.network.named_parameters():
        if name.endswith("weight"):
            assert float(p.detach().norm(dim=-1).max()) <= 0.3 * (1 + 1e-6)


def test_weights_and_momentum_stay_float32(digits: Dataset) -> None:
    state = trained(configured("simultaneous", "fused", "bfloat16"), digits, 2)
    for player in (state.game.generator, state.game.discriminator):
        assert {p.dtype for p in player.network.parameters()} == {torch.float32}
        velocities = player.optimizer.state().values()
        assert {v.dtype for v in velocities} == {torch.float32}
        assert all(float(v.abs().max()) > 0 for v in velocities)


def test_a_network_of_the_users_own_takes_the_plain_step(digits: Dataset) -> None:
    state = build_state(configured("alternating", "auto"), digits, CPU)
    own = replace(state.game.generator, network=torch.nn.Sequential(torch.nn.Linear(100, 64)))
    state.game = replace(state.game, generator=own)
    assert why_not_dense([state]) == "Sequential is not a stack of fully connected layers"
    training = configured("alternating", "auto").training
    about = build_step([state], training).describe()
    assert about.startswith("plain step (float32, ")
    assert about.endswith("; Sequential is not a stack of fully connected layers)")
    with pytest.raises(UsageError, match=r"training\.engine = fused cannot train this run: Sequential"):
        build_step([state], replace(training, engine="fused"))


@pytest.mark.parametrize("keep", [1e-6, 0.2, 0.5, 0.8, 0.99999999])
def test_masks_keep_their_share(keep: float) -> None:
    count = 1_000_003
    kept = keep_mask((count,), keep, torch.Generator().manual_seed(5)).double()
    spread = max(keep * (1 - keep), 1e-9) ** 0.5 / count**0.5
    # Five standard deviations, and the rounding of `keep` to 16 bits.
    assert abs(float(kept.mean()) - keep) < 5 * spread + 2**-16
    neighbours = torch.corrcoef(torch.stack([kept[:-4], kept[4:]])) if 0.1 < keep < 0.9 else None
    if neighbours is not None:
        assert abs(float(neighbours[0, 1])) < 5 / count**0.5


def test_masks_are_a_function_of_the_seed() -> None:
    first, again, other = (keep_mask((33, 7), 0.5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
