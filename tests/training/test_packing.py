"""A discriminator of several samples at once, feature matching, and discriminator steps on a schedule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training.test_every_objective import configured
from training.watching import assert_same_run, make_config, silent, weights

from gantool.config import PenaltyConfig, RunConfig, StepsRule, TrainingConfig
from gantool.data import Dataset
from gantool.data.batches import Batch
from gantool.errors import UsageError
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.engines.choose import build_step
from gantool.training.schedules import rates_at
from gantool.training.session import resume_run, start_run
from gantool.training.state import TrainingState, build_state

CPU = torch.device("cpu")


def packed(pack: int, name: str = "non-saturating", penalty: PenaltyConfig | None = None) -> RunConfig:
    config = without_dropout(configured(name, penalty=penalty))
    return replace(config, training=replace(config.training, pack=pack))


def without_dropout(config: RunConfig) -> RunConfig:
    layers = tuple(replace(layer, keep=1.0, keep_scale=1.0) for layer in config.discriminator.layers)  # type: ignore[type-var]
    return replace(config, discriminator=replace(config.discriminator, layers=layers))


def state_of(config: RunConfig, digits: Dataset) -> TrainingState:
    return build_state(config, digits, CPU, torch.float64)


def test_it_sees_neighbouring_rows_side_by_side(digits: Dataset) -> None:
    network = state_of(packed(2), digits).game.discriminator.network
    rows = torch.rand(6, 64, dtype=torch.float64)
    judged = network(rows)
    assert judged.shape == (3,)
    network.pack = 1
    torch.testing.assert_close(judged, network(torch.cat([rows[0::2], rows[1::2]], dim=1)))


@pytest.mark.parametrize("kind", ["gradient", "r1+r2"])
def test_a_penalty_is_of_whole_packs(kind: str, digits: Dataset) -> None:
    """Against the same discriminator of wide rows, which sees the packs as its rows."""
    engine = AutogradEngine(state_of(packed(2, "wasserstein", PenaltyConfig(kind, weight=3.0)), digits).game)
    real, fake = torch.rand(2, 100, 64, dtype=torch.float64)
    engine.game.rng.manual_seed(5)
    found = engine._penalty(Batch(real), Batch(fake))
    network = engine.game.discriminator.network
    network.pack = 1
    share = torch.rand(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    wide = [part.reshape(50, 128) for part in (real, fake)]
    expected = {
        "gradient": lambda: 3.0 * (slopes(network, torch.lerp(wide[1], wide[0], share)) - 1).square().mean(),
        "r1+r2": lambda: 1.5 * sum(slopes(network, part).square().mean() for part in wide),
    }[kind]()
    torch.testing.assert_close(found, expected)


def slopes(network: torch.nn.Module, rows: Tensor) -> Tensor:
    rows = rows.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(rows).sum(), rows)
    return gradient.norm(dim=1)


def test_a_batch_holds_whole_packs() -> None:
    with pytest.raises(UsageError, match=r"training.batch_size must be a multiple of training.pack = 3, but is 100"):
        TrainingConfig(pack=3)
    with pytest.raises(UsageError, match=r"training.last_batch must be drop when training.pack is above 1"):
        TrainingConfig(pack=2, last_batch="keep")


def test_feature_matching_by_hand(digits: Dataset) -> None:
    """‖mean of the last hidden layer on real rows − on generated ones‖², added to the generator's own loss."""
    config = without_dropout(configured("non-saturating"))
    matching = replace(config, objective=replace(config.objective, feature_matching=2.0))
    plain, with_features = state_of(config, digits), state_of(matching, digits)
    engines = [AutogradEngine(state.game) for state in (plain, with_features)]
    real, z = plain.batches.draw(0), torch.randn(100, config.noise.dimension, dtype=torch.float64)
    losses = [engine.generator_gradients(z, real) for engine in engines]

    generator, discriminator = plain.game.generator.network, plain.game.discriminator.network
    rows: Tensor = generator(z)
    hidden = [real.rows, rows]
    for layer in list(discriminator.layers)[:-1]:
        hidden = [layer(part) for part in hidden]
    distance = (hidden[0].detach().mean(dim=0) - hidden[1].mean(dim=0)).square().sum()
    torch.testing.assert_close(losses[1] - losses[0], 2.0 * distance.detach())
    expected = torch.autograd.grad(2.0 * distance, list(generator.parameters()))
    for one, other, more in zip(engines[1].of_generator, engines[0].of_generator, expected, strict=True):
        torch.testing.assert_close(one, other + more)


RULES = (StepsRule(4, until=2), StepsRule(3, every=4))


@pytest.mark.parametrize(
    "changes",
    [{"k": 2, "k_schedule": RULES}, {"pack": 2}, {"k": 2, "k_schedule": RULES, "simultaneous": True}],
    ids=["schedule", "pack", "simultaneous schedule"],
)
def test_a_resumed_run_is_the_run_that_never_stopped(
    changes: dict[str, object], digits: Dataset, tmp_path: Path
) -> None:
    order = "simultaneous" if changes.get("simultaneous") else "alternating"
    own = {name: value for name, value in changes.items() if name != "simultaneous"}
    config = make_config("digits", order, 9, log_every=3, watch_every=1, **own)
    straight = start_run(config, digits, CPU, tmp_path / "a", silent).run
    short = replace(config, training=replace(config.training, steps=6))
    resumed = resume_run(start_run(short, digits, CPU, tmp_path / "b", silent).run, digits, CPU, silent, steps=9).run
    assert_same_run(straight, resumed)


def test_an_iteration_sees_the_batches_of_its_schedule(digits: Dataset) -> None:
    config = make_config("digits", "alternating", 9, k=2, k_schedule=RULES, watch_every=0)
    state = build_state(config, digits, CPU)
    seen: list[int] = []
    state.batches.on_draw = lambda: seen.append(len(seen))
    step = build_step([state], config.training)
    assert "fused" in step.describe()
    before = weights(state)
    for now in range(6):
        step.play(now, [rates_at(config.optimizer, now, 1)])
    assert len(seen) == 4 + 4 + 2 + 2 + 3 + 2
    assert not torch.equal(before, weights(state))
