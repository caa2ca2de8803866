"""The training cases: what an iteration is worth, and that the plain loop is the same game."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gantool.bench.plain_loop import PlainLoop, unknown
from gantool.bench.train import _operations, _repeated, _replicas_problem
from gantool.config import DataConfig, DiscriminatorConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.models import build_discriminator, build_generator, draw_noise
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import DenseEngine
from gantool.training.orders import ORDERS
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
    fused = DenseEngine([build_state(config, dataset, CPU, torch.float64).game], torch.float64)
    with FlopCounterMode(display=False) as counter:
        ORDERS[order](fused, 0, rates_at(config.optimizer, 0, 1).tensor(CPU))
    assert counter.get_total_flops() == _operations(config, dataset.shape)


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


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
def test_the_plain_loop_plays_the_tools_game(order: str, autocast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations from equal weights, without dropout, on the noise that the tool draws."""
    config, dataset = without_dropout(digits_config(order)), load_dataset(DataConfig("digits"))
    precision = "bfloat16" if autocast else "float32"
    config = replace(config, training=replace(config.training, engine="plain", precision=precision))  # type: ignore[arg-type]
    state = build_state(config, dataset, CPU)
    loop = PlainLoop(config, dataset.train.stored.double().mean(0).float() / 16, autocast=autocast)
    pairs = [
        (mine, theirs)
        for own, plain in (
            (state.game.generator.network, loop.generator),
            (state.game.discriminator.network, loop.discriminator),
        )
        for mine, theirs in zip(own.parameters(), plain.parameters(), strict=True)
    ]
    for mine, theirs in pairs:
        theirs.data.copy_(mine.data.view_as(theirs))
    start = [mine.detach().clone() for mine, _ in pairs]
    noise = torch.Generator()
    noise.set_state(state.game.rng.get_state())
    monkeypatch.setattr(loop, "noise", lambda count: draw_noise(config.noise, count, noise))
    step = build_step([state], config.training)
    for t in range(2):
        step.play(t, [rates_at(config.optimizer, t, 1)])
        loop.step(state.game.draw_batch(t).rows, t, 1)
    for (mine, theirs), old in zip(pairs, start, strict=True):
        moved = (mine - old).norm()
        assert moved > 0
        # Maxout's products are rounded at other places in 16 bits.
        assert (theirs.view_as(mine) - mine).norm() < (0.1 if autocast else 1e-3) * moved


def test_replicas_are_timed_beside_as_many_single_iterations() -> None:
    dataset = load_dataset(DataConfig("digits"))
    problem = _replicas_problem(digits_config("simultaneous"), dataset, CPU, None, iterations=2, replicas=3)
    assert set(problem.contenders) == {"native", "one-by-one"}
    assert "3 replicas at once" in problem.details["native"]
    assert "replicas" not in problem.details["one-by-one"]
    played: list[str] = []
    six = _repeated(lambda: played.append("iteration"), 6)
    six()
    assert len(played) == 6
    for call in problem.contenders.values():
        call()


def test_what_the_plain_loop_does_not_know_is_said() -> None:
    known = digits_config("simultaneous")
    assert unknown(known) == ""
    assert "k = 1" in unknown(digits_config("alternating", k=3))
    assert "bound on column norms" in unknown(replace(known, optimizer=replace(known.optimizer, max_column_norm=1.0)))
    assert "Gaussian noise only" in unknown(replace(known, noise=replace(known.noise, distribution="spherical")))


def without_dropout(config: RunConfig) -> RunConfig:
    layers = tuple(replace(layer, keep=1.0, keep_scale=1.0) for layer in config.discriminator.layers)
    return replace(config, discriminator=DiscriminatorConfig(layers))
