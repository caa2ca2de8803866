"""The updates against their closed forms, and the schedules against the protocol's figures."""

from __future__ import annotations

import pytest
import torch

from gantool.config import OptimizerConfig
from gantool.training.optimizers import build_optimizer
from gantool.training.schedules import Rate, rates_at


def test_the_rate_is_divided_once_an_update_and_has_a_floor() -> None:
    config = OptimizerConfig()
    rates = [rates_at(config, *at).generator.learning_rate for at in ((0, 1), (125_000, 250), (10_000_000, 1))]
    assert rates == [0.1, pytest.approx(0.1 * 2.718281828 ** (-125_000 * 3.999992e-6)), 1e-6]


def test_a_players_own_optimizer_stands_over_the_shared_one() -> None:
    config = OptimizerConfig("adam", 2e-4, beta1=0.5, discriminator={"learning_rate": 1e-4, "beta1": 0.0})
    rates = rates_at(config, 0, 1)
    assert (rates.generator.learning_rate, rates.discriminator.learning_rate) == (2e-4, 1e-4)
    assert (config.of("generator").beta1, config.of("discriminator").beta1) == (0.5, 0.0)
    assert config.of("discriminator").kind == "adam"


@pytest.mark.parametrize(("epoch", "momentum"), [(1, 0.5), (2, 0.5 + 0.2 / 249), (125.5, 0.6), (250, 0.7), (400, 0.7)])
def test_momentum_rises_linearly_from_epoch_1_to_250(epoch: float, momentum: float) -> None:
    assert rates_at(OptimizerConfig(), 0, epoch).generator.momentum == pytest.approx(momentum)  # type: ignore[arg-type]


def linear_layer() -> torch.nn.Linear:
    layer = torch.nn.Linear(3, 4).double()
    with torch.no_grad():
        layer.weight.copy_(torch.arange(12.0).view(4, 3))
    return layer


def test_adam_moves_by_the_rate_at_first() -> None:
    """With bias correction the first update is lr·g/(|g| + ε)."""
    layer = linear_layer()
    before = layer.weight.detach().clone()
    optimizer = build_optimizer(layer, OptimizerConfig("adam"))
    gradients = [torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3), torch.ones(4, dtype=torch.float64)]
    optimizer.step(gradients, Rate(0.01, 0.5))
    expected = before - 0.01 * gradients[0] / (gradients[0].abs() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_long_columns_are_scaled_back_and_short_ones_left(kind: str) -> None:
    layer = linear_layer()
    optimizer = build_optimizer(layer, OptimizerConfig(kind, max_column_norm=5.0))  # type: ignore[arg-type]
    bias = layer.bias.detach().clone()
    optimizer.step([torch.zeros(4, 3).double(), torch.zeros(4).double()], Rate(0.1, 0.5))
    rows = torch.arange(12.0, dtype=torch.float64).view(4, 3)
    norms = rows.norm(dim=1)  # 2.2, 7.1, 12.2, 17.4
    expected = torch.where(norms[:, None] > 5, rows * 5 / norms[:, None], rows)
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=1e-14, atol=0)
    assert torch.equal(layer.bias.detach(), bias)


def test_each_maxout_piece_has_its_own_bound() -> None:
    weight = torch.nn.Parameter(torch.tensor([[[3.0, 4.0], [0.3, 0.4]]]))
    module = torch.nn.Module()
    module.register_parameter("weight", weight)
    build_optimizer(module, OptimizerConfig(max_column_norm=1.0)).step([torch.zeros(1, 2, 2)], Rate(0.1, 0.5))
    torch.testing.assert_close(weight.detach(), torch.tensor([[[0.6, 0.8], [0.3, 0.4]]]))


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    """s ← α·s + (1 − α)·g², p ← p − lr·g/(√s + ε), from s = 0."""
    layer = linear_layer()
    weight, square = layer.weight.detach().clone(), torch.zeros(4, 3, dtype=torch.float64)
    optimizer = build_optimizer(layer, OptimizerConfig("rmsprop", smoothing=0.9))
    for step in range(3):
        gradient = torch.linspace(-1, 1 + step, 12, dtype=torch.float64).view(4, 3)
        optimizer.step([gradient, torch.zeros(4, dtype=torch.float64)], Rate(0.01, 0.5))
        square = 0.9 * square + 0.1 * gradient**2
        weight = weight - 0.01 * gradient / (square.sqrt() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["momentum", "adam", "rmsprop"])
def test_a_saved_state_goes_on_as_if_it_had_not_stopped(kind: str) -> None:
    config = OptimizerConfig(kind, weight_decay=0.1)  # type: ignore[arg-type]
    gradients = [[torch.full((4, 3), 0.1 * step).double(), torch.ones(4).double()] for step in range(1, 5)]
    straight, halves = linear_layer(), linear_layer()
    halves.load_state_dict(straight.state_dict())
    optimizers = [build_optimizer(layer, config) for layer in (straight, halves)]
    for step, gradient in enumerate(gradients):
        if step == 2:
            fresh = build_optimizer(halves, config)
            fresh.load_state({name: value.clone() for name, value in optimizers[1].state().items()})
            optimizers[1] = fresh
        for optimizer in optimizers:
            optimizer.step(gradient, Rate(0.01, 0.5))
    assert torch.equal(straight.weight, halves.weight)


def test_weight_decay_is_a_gradient_of_the_weights() -> None:
    layer = linear_layer()
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = build_optimizer(layer, OptimizerConfig(weight_decay=0.5))
    optimizer.step([torch.zeros(4, 3).double(), torch.zeros(4).double()], Rate(0.1, 0.0))
    torch.testing.assert_close(layer.weight.detach(), weight * (1 - 0.1 * 0.5), rtol=1e-14, atol=0)
    torch.testing.assert_close(layer.bias.detach(), bias * (1 - 0.1 * 0.5), rtol=1e-14, atol=0)


def test_the_rate_falls_linearly_between_two_epochs() -> None:
    """DCGAN's: 100 epochs at the full rate, then 100 in which it falls to nothing."""
    config = OptimizerConfig("adam", 2e-4, schedule="linear", linear_from=100, linear_to=200, min_learning_rate=0.0)
    rates = [rates_at(config, 0, epoch).generator.learning_rate for epoch in (1, 100, 101, 150, 200, 201)]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4 * 100 / 101, 2e-4 * 51 / 101, 2e-4 / 101, 0.0])


def test_a_layers_own_bound_stands_over_the_networks() -> None:
    layers = [torch.nn.Linear(3, 2).double() for _ in range(2)]
    layers[0].max_norm = 0.5  # type: ignore[assignment]  # as a layer of a configured network has it
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(10.0)
    network = torch.nn.Sequential(layers[0], torch.nn.Sequential(layers[1]))
    zeros = [torch.zeros_like(p) for p in network.parameters()]
    build_optimizer(network, OptimizerConfig(max_column_norm=2.0)).step(zeros, Rate(0.1, 0.5))
    norms = [layer.weight.detach().norm(dim=1).tolist() for layer in layers]
    assert norms == [pytest.approx([0.5, 0.5]), pytest.approx([2.0, 2.0])]


@pytest.mark.parametrize("shape", [(3, 2, 4, 4), (3, 5, 2, 4, 4)])
def test_the_weights_of_a_convolution_are_bounded_a_unit(shape: tuple[int, ...]) -> None:
    """A unit's weights are all that reach one channel; a piece's of convolutional maxout, all that reach the piece."""
    module, rng = torch.nn.Module(), torch.Generator().manual_seed(0)
    module.register_parameter("weight", torch.nn.Parameter(torch.rand(shape, generator=rng)))
    before = module.weight.detach().clone()
    build_optimizer(module, OptimizerConfig(max_column_norm=1.0)).step([torch.zeros(shape)], Rate(0.1, 0.5))
    units = before.flatten(0, len(shape) - 4).flatten(1)
    expected = (units / units.norm(dim=1, keepdim=True)).view(shape)
    torch.testing.assert_close(module.weight.detach(), expected)
