"""The training cases: what an iteration is worth, and that the plain loop is the same game."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gantool.bench.plain_loop import PlainLoop
from gantool.bench.train import _operations
from gantool.config import DataConfig, RunConfig
from gantool.data import load_dataset
from gantool.models import build_discriminator, build_generator
from gantool.presets import build_config, preset_text, read_tree
from gantool.training.fused import FUSED_ORDERS, FusedGame
from gantool.training.schedules import rates_at
from gantool.training.state import build_state

CPU = torch.device("cpu")


def digits_config(order: str, k: int = 1) -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    return replace(config, training=replace(config.training, order=order, k=k))  # type: ignore[arg-type]


@pytest.mark.parametrize(("order", "k"), [("alternating", 1), ("alternating", 3), ("simultaneous", 1)])
def test_the_stated_work_is_what_torch_counts(order: str, k: int) -> None:
    """In float64, where maxout too runs in torch's own products, none of them twice."""
    config, dataset = digits_config(order, k), load_dataset(DataConfig("digits"))
    fused = FusedGame(build_state(config, dataset, CPU, torch.float64).game, torch.float64)
    with FlopCounterMode(display=False) as counter:
        FUSED_ORDERS[order](fused, 0, rates_at(config.optimizer, 0, 1))
    assert counter.get_total_flops() == _operations(config, dataset.dimension)


def test_the_plain_loop_has_the_runs_networks() -> None:
    config, mean = digits_config("simultaneous"), torch.rand(64, generator=torch.Generator().manual_seed(1))
    loop = PlainLoop(config, mean)
    rng = torch.Generator().manual_seed(2)
    generator = build_generator(config.generator, config.noise.dimension, mean, rng)
    discriminator = build_discriminator(config.discriminator, 64, rng).eval()
    for own, plain in ((generator, loop.generator), (discriminator, loop.discriminator)):
        for mine, theirs in zip(own.parameters(), plain.parameters(), strict=True):
            theirs.data.copy_(mine.data.view_as(theirs))
    z = loop.noise(5)
    torch.testing.assert_close(loop.generator(z), generator(z))
    judged = loop.discriminator.eval()
    for module in judged.modules():
        if hasattr(module, "keep"):
            module.keep, module.scale = 2.0, 1.0  # keeps everything, as the tool does in evaluation
    torch.testing.assert_close(judged(generator(z))[:, 0], discriminator(generator(z)))


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
def test_the_plain_loop_moves_both_players(order: str) -> None:
    loop = PlainLoop(digits_config(order), torch.full((64,), 0.5))
    before = [p.detach().clone() for network in (loop.generator, loop.discriminator) for p in network.parameters()]
    loop.step(torch.rand(100, 64), 0, 1)
    after = [p for network in (loop.generator, loop.discriminator) for p in network.parameters()]
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
