"""The released code's remaining options, each against what it says, computed beside the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from training.watching import make_config, silent

from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.engines.choose import build_step
from gantool.training.schedules import rates_at
from gantool.training.session import start_run
from gantool.training.state import TrainingState, build_state

CPU = torch.device("cpu")


def state_with(digits: Dataset, **options: Any) -> TrainingState:
    return build_state(make_config("digits", "alternating", 5, **options), digits, CPU, torch.float64)


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def taken(state: TrainingState) -> tuple[Tensor, Tensor, Tensor]:
    """The engine's loss and gradients of the generator, and the G(z) that they are of."""
    game, engine = state.game, AutogradEngine(state.game)
    with torch.no_grad():  # a little away from the start, where all probabilities are 1/2
        for parameter in game.discriminator.network.parameters():
            parameter.mul_(20.0)
    before = game.rng.get_state()
    z = engine.draw_noise(100)
    loss = engine.generator_gradients(z, state.batches.draw(0))
    game.rng.set_state(before)
    fake = game.generator.network(engine.draw_noise(100), game.rng)
    return loss, flat(engine.of_generator), fake


def test_the_generator_pays_only_for_what_is_found_out(digits: Dataset) -> None:
    state = state_with(digits, generator_below=0.5)
    loss, gradient, fake = taken(state)
    logits = state.game.discriminator.network(fake, state.game.rng)
    counts = logits.sigmoid() < 0.5
    assert 0 < int(counts.sum()) < 100
    own = (softplus(-logits) * counts).sum() / 100
    expected = flat(torch.autograd.grad(own, list(state.game.generator.network.parameters())))
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-16)
    torch.testing.assert_close(loss, softplus(-logits).mean().detach())


@pytest.mark.parametrize("least", [1e-9, 0.1])
def test_a_small_gradient_is_scaled_up(least: float, digits: Dataset) -> None:
    _, gradient, fake = taken(state_with(digits, gradient_scale=least))
    plain = state_with(digits)
    _, expected, _ = taken(plain)
    network = state_with(digits).game.discriminator.network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(20.0)
    rows = fake.detach().requires_grad_()
    rng = torch.Generator()
    rng.set_state(plain.game.rng.get_state())
    (by_samples,) = torch.autograd.grad(softplus(-network(rows, rng)).mean(), rows)
    length = float(torch.linalg.vector_norm(by_samples))
    torch.testing.assert_close(gradient, expected * max(1.0, least / length), rtol=1e-10, atol=0)


def test_a_gradient_of_nothing_is_left_at_nothing(digits: Dataset) -> None:
    state = state_with(digits, gradient_scale=0.1, generator_below=0.5)
    with torch.no_grad():
        state.game.discriminator.network.layers[-1].affine.bias.fill_(1e6)  # it takes all for real
    _, gradient, _ = taken(state)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_without_dropout_for_the_generator(digits: Dataset) -> None:
    state = state_with(digits, dropout_for_generator=False)
    loss, gradient, fake = taken(state)
    network = state.game.discriminator.network.eval()
    own = softplus(-network(fake)).mean()
    torch.testing.assert_close(loss, own.detach())
    expected = flat(torch.autograd.grad(own, list(state.game.generator.network.parameters())))
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-16)
    assert all(layer.dropout.training is False for layer in network.layers)
    again = AutogradEngine(state.game)
    network.train()
    again.joint_gradients(state.batches.draw(1))
    assert all(layer.dropout.training for layer in network.layers), "the discriminator's own steps drop as ever"


def test_noise_is_laid_on_all_that_the_discriminator_sees(digits: Dataset) -> None:
    state = state_with(digits, input_noise=0.3)
    game, engine = state.game, AutogradEngine(state.game)
    real = state.batches.draw(0)
    fake = engine.generate(engine.draw_noise(100), real)
    before = game.rng.get_state()
    _, real_logits, fake_logits = engine.discriminator_gradients(real, fake)
    game.rng.set_state(before)
    rows = torch.cat([real.rows, fake.rows])
    rows = rows + 0.3 * torch.empty_like(rows).normal_(generator=game.rng)
    logits = game.discriminator.network(rows, game.rng)
    torch.testing.assert_close(torch.cat([real_logits, fake_logits]), logits.detach())


@pytest.mark.parametrize(("below", "moves"), [((9.0, 9.0), (False, False)), ((0.0, 9.0), (True, False))])
@pytest.mark.parametrize("order", ["alternating", "simultaneous", "generator-first"])
def test_a_player_that_wins_rests(
    order: str, below: tuple[float, float], moves: tuple[bool, bool], digits: Dataset
) -> None:
    config = make_config("digits", order, 5, rest_below=below)
    state = build_state(config, digits, CPU)
    players = [state.game.generator.network, state.game.discriminator.network]
    before = [flat(tuple(p.detach().clone() for p in network.parameters())) for network in players]
    build_step([state], config.training).play(0, [rates_at(config.optimizer, 0, 1)])
    after = [flat(tuple(p.detach() for p in network.parameters())) for network in players]
    assert tuple(not torch.equal(one, other) for one, other in zip(before, after, strict=True)) == moves


@pytest.mark.parametrize("engine", ["plain", "fused"])
def test_a_generator_that_starts_late(engine: str, digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits", "alternating", 3, generator_starts=3, engine=engine)
    start = build_state(config, digits, CPU).game
    run = start_run(config, digits, CPU, tmp_path, silent).run
    assert torch.equal(_weights(run.load_generator()), _weights(start.generator.network))
    assert not torch.equal(_weights(run.load_discriminator()), _weights(start.discriminator.network))
    longer = replace(config, training=replace(config.training, steps=4))
    run = start_run(longer, digits, CPU, tmp_path, silent).run
    assert not torch.equal(_weights(run.load_generator()), _weights(start.generator.network))


def _weights(network: torch.nn.Module) -> Tensor:
    return flat(tuple(p.detach() for p in network.parameters()))


def test_the_spherical_prior_has_the_radius_that_is_asked_for(digits: Dataset) -> None:
    config = make_config("digits", "alternating", 5)
    for radius, length in ((1.0, 1.0), (None, 32**0.5)):
        noise = replace(config.noise, distribution="spherical", radius=radius)
        z = build_state(replace(config, noise=noise), digits, CPU).game.draw_noise(50)
        torch.testing.assert_close(z.norm(dim=1), torch.full((50,), length))


def test_the_blend_of_ones_is_half_and_a_quarter(digits: Dataset) -> None:
    """The released code adds ½·BCE(1, D(G(z))) and ½ of its discriminator's fake half with the opposite sign."""
    tree = make_config("digits", "alternating", 5)
    config = replace(tree, objective=replace(tree.objective, name="blend", blend=(0.5, 0.25)))
    objective = build_state(config, digits, CPU).game.objective
    logits = torch.linspace(-3, 3, 7)
    expected = 0.5 * softplus(-logits).mean() - 0.25 * softplus(logits).mean()
    torch.testing.assert_close(objective.generator_loss(logits), expected)


@pytest.mark.parametrize("option", ["input_noise", "generator_below", "gradient_scale"])
def test_the_fused_step_says_what_it_does_not_know(option: str, digits: Dataset) -> None:
    config = make_config("digits", "alternating", 5, engine="fused", **{option: 0.5})
    with pytest.raises(UsageError, match=rf"training\.{option} needs autograd"):
        build_step([build_state(config, digits, CPU)], config.training)
