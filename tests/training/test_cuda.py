"""Training on a GPU: graphs play what the fused step plays, and runs go on as if they had never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training.watching import silent, weights

from gantool.config import OptimizerConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.runs.checkpoint import find_checkpoint
from gantool.runs.replicas import replica_configs
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import DenseEngine
from gantool.training.engines.graph import ITERATIONS, CapturedGame
from gantool.training.engines.step import DTYPES
from gantool.training.game import Iteration
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.session import resume_run, start_run
from gantool.training.state import build_state

pytestmark = pytest.mark.cuda
CUDA = torch.device("cuda")


def configured(order: str, precision: str = "float32") -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    own = {"order": order, "precision": precision, "steps": 60, "log_every": 20, "checkpoint_every": 30}
    return replace(config, training=replace(config.training, **own))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("order", ["alternating", "simultaneous", "generator-first"])
def test_graphs_play_what_the_fused_step_plays(order: str, precision: str, count: int, digits: Dataset) -> None:
    config = configured(order, precision)
    configs = [config] if count == 1 else replica_configs(config, count)
    graphs, one_by_one = ([build_state(c, digits, CUDA) for c in configs] for _ in range(2))
    captured, plain = (CapturedGame(states, ORDERS[order], DTYPES[precision]) for states in (graphs, one_by_one))
    plain.refused = "this one plays iteration by iteration"
    for first in range(0, 5 * ITERATIONS, ITERATIONS):
        rates = [rates_at(config.optimizer, t, graphs[0].epoch_at(t)) for t in range(first, first + ITERATIONS)]
        seen, expected = captured.play(first, rates), plain.play(first, rates)
        for mine, theirs in zip(seen, expected, strict=True):
            torch.testing.assert_close(mine.discriminator_loss, theirs.discriminator_loss, rtol=1e-3, atol=1e-4)
    assert captured.captured is not None, captured.refused
    for mine, theirs in zip(graphs, one_by_one, strict=True):
        assert torch.equal(mine.game.rng.get_state(), theirs.game.rng.get_state())
        assert torch.equal(weights(mine), weights(theirs))


def test_a_capture_that_is_refused_leaves_training_whole(digits: Dataset) -> None:
    config = configured("simultaneous")
    order = ORDERS["simultaneous"]

    def waits_for_the_host(fused: DenseEngine, step: int, rates: Tensor) -> Iteration:
        seen = order(fused, step, rates)
        seen.discriminator_loss.item()
        return seen

    refused, plain = (build_state(config, digits, CUDA) for _ in range(2))
    games = CapturedGame([refused], waits_for_the_host, torch.float32), CapturedGame([plain], order, torch.float32)
    games[1].refused = "this one plays iteration by iteration"
    for first in range(0, 3 * ITERATIONS, ITERATIONS):
        rates = [rates_at(config.optimizer, t, 1) for t in range(first, first + ITERATIONS)]
        for game in games:
            game.play(first, rates)
    assert games[0].captured is None
    assert games[0].describe().startswith("no CUDA graph: ")
    assert torch.equal(refused.game.rng.get_state(), plain.game.rng.get_state())
    assert torch.equal(weights(refused), weights(plain))


def test_one_step_on_the_gpu_is_that_of_the_cpu_given_the_same_draws(digits: Dataset) -> None:
    """In float64, without dropout and with the same noise; the two devices' generators draw differently."""
    config = configured("simultaneous")
    layers = tuple(replace(layer, keep=1.0, keep_scale=1.0) for layer in config.discriminator.layers)
    config = replace(config, discriminator=replace(config.discriminator, layers=layers))
    states = [build_state(config, digits, device, torch.float64) for device in (torch.device("cpu"), CUDA)]
    z = torch.randn(config.training.batch_size, config.noise.dimension, dtype=torch.float64)
    ends = []
    for state in states:
        device = state.game.rng.device
        fused = CapturedGame([state], ORDERS["simultaneous"], torch.float64).engine
        fused.draw_noise = lambda count, device=device: z.to(device)  # type: ignore[misc]
        ORDERS["simultaneous"](fused, 0, rates_at(config.optimizer, 0, 1).tensor(device))
        ends.append(weights(state).cpu())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_resumed_run_is_the_run_that_never_stopped(average: float, digits: Dataset, tmp_path: Path) -> None:
    config = configured("simultaneous", "bfloat16")
    config = replace(config, training=replace(config.training, average=average))
    straight = start_run(config, digits, CUDA, tmp_path / "straight", silent)
    assert "CUDA graphs of" in straight.step_impl
    half = replace(config, training=replace(config.training, steps=30))
    stopped = start_run(half, digits, CUDA, tmp_path / "two", silent)
    resumed = resume_run(stopped.run, digits, CUDA, silent, steps=60)
    paths = [find_checkpoint(outcome.run.checkpoints) for outcome in (straight, resumed)]
    for file in sorted(paths[0].glob("*.safetensors")):
        assert file.read_bytes() == (paths[1] / file.name).read_bytes(), file.name


def test_what_cannot_be_captured_says_why(digits: Dataset) -> None:
    config = replace(configured("simultaneous"), optimizer=OptimizerConfig("adam", 1e-3))
    states = [build_state(config, digits, CUDA)]
    step = build_step(states, config.training)
    step.play(0, [rates_at(config.optimizer, 0, 1)])
    assert "no CUDA graph: Adam takes its rate from the host" in step.describe()
