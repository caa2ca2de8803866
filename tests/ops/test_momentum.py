"""The momentum update: compiled and plain, against the equation in float64."""

from __future__ import annotations

import math

import pytest
import torch
from ops.cases import LAYOUTS, normal
from ops.truth import worst
from torch import Tensor

from gantool.ops.momentum import momentum_step

SHAPES = [(1,), (7,), (5, 3), (4, 3, 11), (240, 5, 101)]
RATE, MOMENTUM = 0.25, 0.6
RATES = torch.tensor([RATE, MOMENTUM], dtype=torch.float64)


def expected(parameter: Tensor, velocity: Tensor, gradient: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    velocity = MOMENTUM * velocity.double() - RATE * gradient.double()
    moved = parameter.double() + velocity
    norms = moved.square().sum(dim=-1, keepdim=True).sqrt()
    return moved * (bound / norms).clamp(max=1.0), velocity


@pytest.mark.native
@pytest.mark.parametrize("bound", [math.inf, 0.9])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_is_the_equation(shape: tuple[int, ...], kind: torch.dtype, bound: float) -> None:
    parameter, velocity = (normal(*shape, seed=seed).float() for seed in (1, 2))
    gradient = normal(*shape, seed=3).to(kind)
    copy = torch.zeros(shape, dtype=torch.bfloat16)
    moved, fallen = expected(parameter, velocity, gradient, bound)
    momentum_step(parameter, velocity, gradient, RATES, bound=bound, copy=copy)
    # A product, a difference and a sum, each rounded once, of values below 8; then one scaling.
    assert worst(velocity, fallen) < 8 * torch.finfo(torch.float32).eps
    assert worst(parameter, moved) < 16 * torch.finfo(torch.float32).eps
    assert torch.equal(copy, parameter.bfloat16())


def test_float64_takes_the_plain_way() -> None:
    parameter, velocity, gradient = (normal(4, 9, seed=seed) for seed in (1, 2, 3))
    moved, fallen = expected(parameter, velocity, gradient, 0.9)
    momentum_step(parameter, velocity, gradient, RATES, bound=0.9)
    assert worst(velocity, fallen) < 1e-15
    assert worst(parameter, moved) < 1e-14


@pytest.mark.native
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_gradient_may_lie_as_it_will(layout: str) -> None:
    parameter, velocity, gradient = (normal(6, 5, seed=seed).float() for seed in (1, 2, 3))
    moved, _ = expected(parameter, velocity, gradient, math.inf)
    momentum_step(parameter, velocity, LAYOUTS[layout](gradient), RATES)
    assert worst(parameter, moved) < 16 * torch.finfo(torch.float32).eps


@pytest.mark.native
def test_what_is_updated_in_place_must_be_contiguous_and_of_one_shape() -> None:
    good = torch.zeros(4, 6)
    for parameter, velocity, message in (
        (torch.zeros(6, 4).T, good, "parameter must be contiguous"),
        (good, torch.zeros(4, 5), "velocity must be of the shape of parameter"),
        (good, torch.zeros(6, 4).T, "velocity must be contiguous"),
    ):
        with pytest.raises((RuntimeError, ValueError), match=message):
            momentum_step(parameter, velocity, good, RATES)


@pytest.mark.native
@pytest.mark.parametrize("rates", [torch.ones(3).double(), torch.ones(2), torch.ones(4).double()[::2]])
def test_rates_are_two_float64_numbers(rates: Tensor) -> None:
    with pytest.raises((RuntimeError, ValueError), match="rates must be"):
        momentum_step(torch.zeros(4), torch.zeros(4), torch.zeros(4), rates)


@pytest.mark.native
@pytest.mark.parametrize("with_copy", [False, True])
def test_opcheck(with_copy: bool) -> None:
    parameter, velocity, gradient = (normal(4, 3, seed=seed).float() for seed in (1, 2, 3))
    copy = torch.zeros(4, 3, dtype=torch.bfloat16) if with_copy else None
    arguments = (parameter, velocity, gradient, copy, RATES, 0.9)
    torch.library.opcheck(torch.ops.gantool.momentum_step.default, arguments)
