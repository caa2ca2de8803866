"""Every objective and penalty in training: both engines alike, resumed bit by bit, refused where they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training.watching import make_config, silent, weights

from gantool.config import ObjectiveConfig, PenaltyConfig, RunConfig
from gantool.config.objective import OBJECTIVE_NAMES
from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.runs.checkpoint import find_checkpoint
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import DenseEngine
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.session import resume_run, start_run
from gantool.training.state import build_state

CPU = torch.device("cpu")
PENALTIES = [PenaltyConfig("gradient"), PenaltyConfig("r1+r2", weight=0.5), PenaltyConfig("clip", limit=0.02)]


def configured(name: str, order: str = "alternating", penalty: PenaltyConfig | None = None) -> RunConfig:
    config = make_config("digits", order, 6, log_every=2, watch_every=0, checkpoint_every=10**6)
    # The digits' rate of 0.2 is for logits: with a penalty of weight 10 a run would run away.
    slow = replace(config.optimizer, learning_rate=0.01)
    return replace(config, optimizer=slow, objective=ObjectiveConfig(name, penalty=penalty or PenaltyConfig()))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", [name for name in OBJECTIVE_NAMES if name not in ("relativistic", "k-plus-one")])
def test_both_engines_make_the_same_iterations(name: str, order: str, digits: Dataset) -> None:
    config = configured(name, order)
    by_autograd, dense = (build_state(config, digits, CPU, torch.float64) for _ in range(2))
    plain, fused = AutogradEngine(by_autograd.game), DenseEngine([dense.game], torch.float64)
    start = weights(dense).clone()
    for step in range(2):
        rates = rates_at(config.optimizer, step, 1)
        one = ORDERS[order](plain, step, rates)
        other = ORDERS[order](fused, step, rates.tensor(CPU))
        torch.testing.assert_close(one.discriminator_loss, other.discriminator_loss, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(weights(by_autograd), weights(dense), rtol=1e-8, atol=1e-11)
    assert not torch.equal(start, weights(dense))


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: penalty.kind)
@pytest.mark.parametrize("name", ["wasserstein", "relativistic", "non-saturating"])
def test_a_resumed_run_is_the_run_that_never_stopped(
    name: str, penalty: PenaltyConfig, digits: Dataset, tmp_path: Path
) -> None:
    config = configured(name, penalty=penalty)
    straight = start_run(config, digits, CPU, tmp_path / "a", silent).run
    short = replace(config, training=replace(config.training, steps=3))
    resumed = resume_run(start_run(short, digits, CPU, tmp_path / "b", silent).run, digits, CPU, silent, steps=6).run
    one, other = (find_checkpoint(run.checkpoints) for run in (straight, resumed))
    for file in sorted(one.glob("*.safetensors")):
        assert file.read_bytes() == (other / file.name).read_bytes(), file.name
    if penalty.kind == "clip":
        largest = max(float(p.detach().abs().max()) for p in straight.load_discriminator().parameters())
        assert largest <= 0.02 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("name", "penalty", "sentence"),
    [
        ("relativistic", PenaltyConfig(), "the generator's loss compares with real rows"),
        ("wasserstein", PenaltyConfig("gradient"), "the penalty differentiates the discriminator twice"),
    ],
)
def test_the_fused_step_declines_in_a_sentence(
    name: str, penalty: PenaltyConfig, sentence: str, digits: Dataset
) -> None:
    config = configured(name, penalty=penalty)
    state = build_state(config, digits, CPU)
    assert sentence in build_step([state], config.training).describe()
    with pytest.raises(UsageError, match=sentence):
        build_step([state], replace(config.training, engine="fused"))


def test_a_penalty_through_maxout_is_that_of_finite_differences(digits: Dataset) -> None:
    """The gradient of ‖∇ₓD‖² by the weights, through maxout's double backward, in float64 without dropout."""
    config = configured("wasserstein", penalty=PenaltyConfig("r1", weight=2.0))
    layers = tuple(replace(layer, keep=1.0, keep_scale=1.0) for layer in config.discriminator.layers)  # type: ignore[type-var]
    config = replace(config, discriminator=replace(config.discriminator, layers=layers))
    state = build_state(config, digits, CPU, torch.float64)
    engine, real = AutogradEngine(state.game), state.batches.draw(0)
    fake = engine.generate(engine.draw_noise(100), real)
    loss, _, _ = engine.discriminator_gradients(real, fake)
    weight = state.game.discriminator.network.layers[1].affine.weight
    taken = engine.of_discriminator[2]
    for place in ((0, 0, 0), (5, 2, 7), (30, 1, 60)):
        with torch.no_grad():
            weight[place] += 1e-6
        moved, _, _ = engine.discriminator_gradients(real, fake)
        with torch.no_grad():
            weight[place] -= 1e-6
        assert float(taken[place]) == pytest.approx(float(moved - loss) / 1e-6, rel=1e-3, abs=1e-7)
