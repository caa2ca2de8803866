"""How the players move: each play against its closed form on the bilinear game, and on real networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training.test_every_objective import configured
from training.watching import assert_same_weights, make_config, silent, weights

from gantool.config import NoiseConfig, PlayerOptimizer, RunConfig, StepsRule, TrainingConfig
from gantool.config.objective import OBJECTIVE_NAMES
from gantool.config.training import PLAY_NAMES
from gantool.data import Dataset, load_dataset
from gantool.data.batches import Batch
from gantool.errors import UsageError
from gantool.objectives import Wasserstein
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import DenseEngine
from gantool.training.game import Game, Player
from gantool.training.optimizers import build_optimizer
from gantool.training.orders import order_of
from gantool.training.schedules import Rate, Rates, rates_at
from gantool.training.session import resume_run, start_run
from gantool.training.state import build_state

CPU = torch.device("cpu")
JOINT = ("extragradient", "consensus")


class Point(nn.Module):
    """A player that is one number: as a generator it gives it for every z, as a discriminator it is D's slope."""

    def __init__(self, value: float, *, is_slope: bool) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value], dtype=torch.float64))
        self.is_slope = is_slope

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return (x * self.value).squeeze(1) if self.is_slope else self.value.expand(len(x), 1)


def bilinear(play: str, consensus: float = 0.0) -> tuple[Game, Callable[[], np.ndarray]]:
    """min over x, max over y of x·y, as a Wasserstein game on real rows of 0; and where the players are."""
    x, y = Point(1.0, is_slope=False), Point(0.0, is_slope=True)
    config = PlayerOptimizer(kind="momentum")
    players = [Player(point, build_optimizer(point, config, play == "optimistic")) for point in (x, y)]
    game = Game(
        *players,
        objective=Wasserstein(),
        noise=NoiseConfig(dimension=1),
        draw_batch=lambda position: Batch(torch.zeros(2, 1, dtype=torch.float64)),
        rng=torch.Generator(),
        batch_size=2,
        play=play,
        consensus=consensus,
    )
    return game, lambda: np.array([x.value.item(), y.value.item()])


def radii(order: str, play: str, steps: int, consensus: float = 0.0, eta: float = 0.1) -> tuple[list[float], float]:
    """The distance from the equilibrium after each step, and of the average of all points at the end."""
    game, where = bilinear(play, consensus)
    engine, playing = AutogradEngine(game), order_of(TrainingConfig(order=order, play=play, consensus=consensus))
    rates = Rates(Rate(eta, 0.0), Rate(eta, 0.0))
    points = [where()]
    for step in range(steps):
        playing(engine, step, rates)
        points.append(where())
    return [float(np.hypot(*point)) for point in points], float(np.hypot(*np.mean(points, axis=0)))


def test_simultaneous_steps_spiral_outwards() -> None:
    found, _ = radii("simultaneous", "gradient", 1000)
    assert found[-1] == pytest.approx(math.sqrt(1 + 0.1**2) ** 1000, rel=1e-9)
    assert found[-1] == pytest.approx(144.8, abs=0.05)


def test_alternating_steps_go_round_and_their_average_comes_in() -> None:
    averages = {}
    for steps in (100, 1000):
        found, averages[steps] = radii("alternating", "gradient", steps)
        assert max(found) < 1.11
        assert min(found) > 0.9
    assert averages[1000] < averages[100] / 10


def test_extragradient_steps_shrink_by_their_closed_form() -> None:
    found, _ = radii("simultaneous", "extragradient", 200)
    assert found[-1] == pytest.approx(math.sqrt(1 - 0.1**2 + 0.1**4) ** 200, rel=1e-9)


@pytest.mark.parametrize(("gamma", "eta"), [(1.0, 0.1), (3.0, 0.2)])
def test_consensus_steps_shrink_by_their_closed_form(gamma: float, eta: float) -> None:
    found, _ = radii("simultaneous", "consensus", 50, gamma, eta)
    assert found[-1] == pytest.approx(math.sqrt((1 - eta * gamma) ** 2 + eta**2) ** 50, rel=1e-9)


def test_optimistic_steps_shrink_by_the_root_of_their_recurrence() -> None:
    """z' = z − 2iη·z + iη·z₋ in the complex plane: its larger root, 0.99494 at η = 0.1."""
    found, _ = radii("simultaneous", "optimistic", 1000)
    root = max(abs(np.roots([1, -(1 - 0.2j), -0.1j])))
    assert root == pytest.approx(0.99494, abs=1e-5)
    assert (found[1000] / found[500]) ** (1 / 500) == pytest.approx(root, rel=1e-6)


def playing(play: str, preset: str = "digits", **training: object) -> RunConfig:
    order = "simultaneous" if play in JOINT else "alternating"
    config = make_config(preset, order, 6, **{"log_every": 2, "watch_every": 0} | training)
    slow = replace(config.optimizer, learning_rate=0.01)
    return replace(config, optimizer=slow, training=replace(config.training, play=play))


@pytest.mark.parametrize("play", [play for play in PLAY_NAMES if play != "consensus"])
def test_both_engines_play_alike(play: str, digits: Dataset) -> None:
    config = playing(play)
    by_autograd, dense = (build_state(config, digits, CPU, torch.float64) for _ in range(2))
    plain, fused = AutogradEngine(by_autograd.game), DenseEngine([dense.game], torch.float64)
    for step in range(3):
        rates = rates_at(config.optimizer, step, 1)
        order_of(config.training)(plain, step, rates)
        order_of(config.training)(fused, step, rates.tensor(CPU))
    torch.testing.assert_close(weights(by_autograd), weights(dense), rtol=1e-8, atol=1e-11)


def test_the_extragradient_is_that_of_the_point_ahead_on_the_same_batch_noise_and_masks(digits: Dataset) -> None:
    """Two states by hand: one goes ahead, the other takes its gradients there, with the first one's random numbers."""
    config = playing("extragradient", precision="float32")
    by_play, by_hand = (build_state(config, digits, CPU, torch.float64) for _ in range(2))
    rates = rates_at(config.optimizer, 0, 1)
    order_of(config.training)(AutogradEngine(by_play.game), 0, rates)

    ahead = build_state(config, digits, CPU, torch.float64)
    engine, real = AutogradEngine(ahead.game), ahead.batches.draw(0)
    engine.joint_gradients(real)
    engine.move_discriminator(rates)
    engine.move_generator(rates)
    ahead.game.rng.set_state(by_hand.game.rng.get_state())
    engine.joint_gradients(real)
    by_hand.game.discriminator.optimizer.step(engine.of_discriminator, rates.discriminator)
    by_hand.game.generator.optimizer.step(engine.of_generator, rates.generator)
    torch.testing.assert_close(weights(by_play), weights(by_hand), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["momentum", "adam"])
@pytest.mark.parametrize("play", [play for play in PLAY_NAMES if play != "gradient"])
def test_a_resumed_run_is_the_run_that_never_stopped(play: str, kind: str, digits: Dataset, tmp_path: Path) -> None:
    config = playing(play)
    config = replace(config, optimizer=replace(config.optimizer, kind=kind))
    straight = start_run(config, digits, CPU, tmp_path / "a", silent).run
    short = replace(config, training=replace(config.training, steps=3))
    resumed = resume_run(start_run(short, digits, CPU, tmp_path / "b", silent).run, digits, CPU, silent, steps=6).run
    assert_same_weights(straight, resumed)


@pytest.mark.parametrize("play", PLAY_NAMES)
def test_every_objective_is_played_in_every_way(play: str) -> None:
    dataset = load_dataset(playing(play, "ring2d").data)
    for name in OBJECTIVE_NAMES:
        if name == "k-plus-one":  # it needs labels: test_two_inputs.py
            continue
        config = playing(play, "ring2d", batch_size=16)
        config = replace(config, objective=replace(configured(name).objective, name=name))
        state = build_state(config, dataset, CPU)
        before = weights(state)
        play_step = build_step([state], config.training).play
        play_step(0, [rates_at(config.optimizer, 0, 1)])
        assert bool(weights(state).isfinite().all())
        assert not torch.equal(before, weights(state)), name


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ({"play": "extragradient"}, "training.order must be simultaneous when training.play = extragradient"),
        ({"play": "consensus", "order": "simultaneous", "k": 2}, "training.k must be 1 when training.play = consensus"),
        (
            {"play": "consensus", "order": "simultaneous", "input_noise": 0.1},
            "training.input_noise must be unset when training.play = consensus",
        ),
        ({"play": "dice"}, "training.play must be one of gradient, extragradient, optimistic, consensus"),
        ({"play": "optimistic", "consensus": -1.0}, "training.consensus must be a number, 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(training: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        TrainingConfig(**training)  # type: ignore[arg-type]


def test_the_fused_step_declines_consensus(digits: Dataset) -> None:
    config = playing("consensus", engine="fused")
    with pytest.raises(UsageError, match="consensus differentiates both gradients"):
        build_step([build_state(config, digits, CPU)], config.training)


@pytest.mark.parametrize("play", [play for play in PLAY_NAMES if play != "gradient"])
def test_replicas_play_as_single_runs_do(play: str, digits: Dataset) -> None:
    """In float64, up to the rounding of batched products."""
    config = playing(play)
    configs = [replace(config, training=replace(config.training, seed=seed)) for seed in (0, 1)]
    together = [build_state(each, digits, CPU, torch.float64) for each in configs]
    alone = [build_state(each, digits, CPU, torch.float64) for each in configs]
    training = replace(config.training, precision="float32")
    if play == "consensus":
        step = build_step(together, training).play
        rates = [rates_at(config.optimizer, now, 1) for now in range(3)]
        step(0, rates)
    else:
        engine = DenseEngine([state.game for state in together], torch.float64)
        for now in range(3):
            order_of(training)(engine, now, rates_at(config.optimizer, now, 1).tensor(CPU))
    for state in alone:
        engine_of_one = AutogradEngine(state.game)
        for now in range(3):
            order_of(training)(engine_of_one, now, rates_at(config.optimizer, now, 1))
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-8, atol=1e-11)


@pytest.mark.cuda
@pytest.mark.parametrize("play", PLAY_NAMES)
def test_on_a_gpu_a_resumed_run_is_the_run_that_never_stopped(play: str, digits: Dataset, tmp_path: Path) -> None:
    config = playing(play, watch_every=1, batch_size=400)  # looks, too, at every third batch
    device = torch.device("cuda")
    straight = start_run(config, digits, device, tmp_path / "a", silent).run
    short = replace(config, training=replace(config.training, steps=3))
    begun = start_run(short, digits, device, tmp_path / "b", silent).run
    assert_same_weights(straight, resume_run(begun, digits, device, silent, steps=6).run)


@pytest.mark.cuda
def test_on_a_gpu_a_changing_k_is_played_without_a_graph(digits: Dataset) -> None:
    config = make_config("digits", "alternating", 6, k=2, k_schedule=(StepsRule(4, until=2),))
    state = build_state(config, digits, torch.device("cuda"))
    step = build_step([state], config.training)
    assert "k changes on a schedule" in step.describe()
    step.play(0, [rates_at(config.optimizer, 0, 1)])
    assert bool(weights(state).isfinite().all())
