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
