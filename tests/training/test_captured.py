"""Iterations from fixed memory, without a graph: the fused step's, to the last bit. (With one: test_cuda.py.)"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training.watching import weights

from gantool.config import RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.training.engines.choose import build_step
from gantool.training.engines.graph import ITERATIONS, CapturedGame, why_not_captured
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.state import build_states

CPU = torch.device("cpu")


def configured(order: str, seed: int) -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    k = 2 if order == "alternating" else 1
    return replace(config, training=replace(config.training, order=order, k=k, seed=seed))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_iterations_from_fixed_memory_are_the_fused_ones(order: str, count: int, digits: Dataset) -> None:
    """What a CUDA graph would hold, played without one: by tens, and by fewer where something is due."""
    configs = [configured(order, seed) for seed in range(count)]
    fused, staged = (build_states(configs, digits, CPU) for _ in range(2))
    step = build_step(fused, configs[0].training)
    rates = [rates_at(configs[0].optimizer, t, fused[0].epoch_at(t)) for t in range(37)]
    for t in range(37):
        step.play(t, [rates[t]])
    captured = CapturedGame(staged, ORDERS[order], torch.float32)
    played = 0
    for many in (3, ITERATIONS, ITERATIONS, 4, ITERATIONS):
        assert len(captured.play(played, rates[played : played + many])) == count
        played += many
    for one, other in zip(fused, staged, strict=True):
        assert torch.equal(weights(one), weights(other))
        assert torch.equal(one.game.rng.get_state(), other.game.rng.get_state())


def test_why_nothing_is_captured_here(digits: Dataset) -> None:
    states = build_states([configured("simultaneous", 0)], digits, CPU)
    assert why_not_captured(states) == "no CUDA graph: it trains on the CPU"
