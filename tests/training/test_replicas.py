"""Replicas side by side: each is the run that its seed alone would make."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training.watching import Silent, silent

from gantool.config import OptimizerConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.runs import Run, open_run
from gantool.runs.checkpoint import find_checkpoint
from gantool.runs.replicas import find_replicas, replica_configs
from gantool.training.engines.choose import build_step
from gantool.training.engines.dense import DenseEngine
from gantool.training.orders import ORDERS
from gantool.training.record.divergence import Diverged
from gantool.training.record.metrics import Record
from gantool.training.schedules import rates_at
from gantool.training.session import resume_run, resume_runs, start_run, start_runs
from gantool.training.state import TrainingState, build_state

CPU = torch.device("cpu")


class SignalAt(Silent):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_record(self, record: Record) -> None:
        if record.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def configured(order: str = "simultaneous", steps: int = 40, **changes: object) -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    k = 2 if order == "alternating" else 1
    own = {"order": order, "k": k, "steps": steps, "seed": 3, "log_every": 10, "sample_every": 10**6}
    return replace(config, training=replace(config.training, **own | {"checkpoint_every": 20} | changes))  # type: ignore[arg-type]


def weights(state: TrainingState) -> Tensor:
    players = (state.game.generator, state.game.discriminator)
    parameters = [p.detach() for player in players for p in player.network.parameters()]
    return torch.cat([t.flatten() for t in (*parameters, *(v for p in players for v in p.optimizer.state().values()))])


def states_of(configs: Sequence[RunConfig], dataset: Dataset, dtype: torch.dtype) -> list[TrainingState]:
    return [build_state(config, dataset, CPU, dtype) for config in configs]


def play(states: Sequence[TrainingState], config: RunConfig, steps: int) -> None:
    step = build_step(states, config.training)
    for t in range(steps):
        rates = rates_at(config.optimizer, t, states[0].epoch_at(t))
        for state, iteration in zip(states, step.play(t, [rates]), strict=True):
            assert iteration.discriminator_loss.shape == ()
            assert iteration.real_logits.shape == (config.training.batch_size,)
            state.advance()


OPTIMIZERS = [OptimizerConfig(), OptimizerConfig("adam", 1e-3), OptimizerConfig(max_column_norm=0.3)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_replica_is_the_run_of_its_seed(order: str, optimizer: OptimizerConfig, digits: Dataset) -> None:
    config = replace(configured(order), optimizer=optimizer)
    # In float64, where the order in which products are summed is all that differs.
    together, alone = (states_of(replica_configs(config, 3), digits, torch.float64) for _ in range(2))
    order_of = ORDERS[order]
    side_by_side = DenseEngine([state.game for state in together], torch.float64)
    singles = [DenseEngine([state.game], torch.float64) for state in alone]
    for t in range(5):
        rates = rates_at(config.optimizer, t, 1).tensor(CPU)
        seen = order_of(side_by_side, t, rates).of_each_game()
        for one, single in zip(seen, singles, strict=True):
            expected = order_of(single, t, rates)
            torch.testing.assert_close(one.discriminator_loss, expected.discriminator_loss, rtol=1e-10, atol=0)
            torch.testing.assert_close(one.fake_logits, expected.fake_logits, rtol=1e-8, atol=1e-10)
    tolerance = 1e-6 if optimizer.kind == "adam" else 1e-10  # Adam divides by gradients that may be near 0
    for state, expected_state in zip(together, alone, strict=True):
        torch.testing.assert_close(weights(state), weights(expected_state), rtol=tolerance, atol=tolerance)
    assert not torch.allclose(weights(together[0]), weights(together[1]), atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_training_precision_a_replica_stays_by_its_run(precision: str, digits: Dataset) -> None:
    configs = replica_configs(configured(precision=precision), 2)
    together, alone = (states_of(configs, digits, torch.float32) for _ in range(2))
    start = weights(together[0])
    play(together, configs[0], 5)
    for state, config in zip(alone, configs, strict=True):
        play([state], config, 5)
    for state, expected in zip(together, alone, strict=True):
        away = (weights(state) - weights(expected)).norm() / (weights(expected) - start).norm()
        assert float(away) < (1e-4 if precision == "float32" else 0.05)


def test_the_plain_step_plays_replicas_in_turn_and_bit_for_bit(digits: Dataset) -> None:
    configs = replica_configs(configured("alternating", engine="plain"), 2)
    together, alone = (states_of(configs, digits, torch.float32) for _ in range(2))
    assert build_step(together, configs[0].training).describe().endswith("; 2 replicas one after another)")
    play(together, configs[0], 3)
    for state, config in zip(alone, configs, strict=True):
        play([state], config, 3)
    for state, expected in zip(together, alone, strict=True):
        assert torch.equal(weights(state), weights(expected))


def same_tensors(first: Run, second: Run) -> bool:
    paths = [find_checkpoint(run.checkpoints) for run in (first, second)]
    files = [f"{group}.safetensors" for group in ("generator", "discriminator", "optimizer", "rng")]
    return all((paths[0] / file).read_bytes() == (paths[1] / file).read_bytes() for file in files)


def test_resumed_replicas_are_those_that_never_stopped(digits: Dataset, tmp_path: Path) -> None:
    configs = replica_configs(configured(average=0.9, precision="bfloat16"), 3)
    straight = start_runs(configs, digits, CPU, tmp_path / "straight", silent)

    def stop_once(run: Run, total: int) -> Silent:
        return SignalAt(10) if run.config.training.seed == 3 else Silent()

    stopped = start_runs(configs, digits, CPU, tmp_path / "two", stop_once)
    assert {(outcome.state, outcome.step) for outcome in stopped} == {("stopped", 10)}
    runs = find_replicas(stopped[1].run)
    assert [run.config.training.seed for run in runs] == [3, 4, 5]
    resumed = resume_runs(runs, digits, CPU, silent)
    for one, other in zip(straight, resumed, strict=True):
        assert one.state == other.state == "finished"
        assert same_tensors(one.run, other.run)
        lines = [[json.loads(line) for line in o.run.metrics.read_text().splitlines()] for o in (one, other)]
        for line in lines[0] + lines[1]:
            del line["seconds"], line["images_per_second"]
        assert lines[0] == lines[1]
        assert len(lines[0]) == 4


def test_killed_replicas_go_on_from_what_all_of_them_have(digits: Dataset, tmp_path: Path) -> None:
    configs = replica_configs(configured(checkpoint_every=10, keep_checkpoints=0), 2)
    outcomes = start_runs(configs, digits, CPU, tmp_path, silent)
    final = find_checkpoint(outcomes[1].run.checkpoints)
    expected = (final / "generator.safetensors").read_bytes()
    shutil.rmtree(final)
    runs = [open_run(outcome.run.path) for outcome in outcomes]
    assert [run.latest_step() for run in runs] == [40, 30]
    resume_runs(runs, digits, CPU, silent)
    assert (final / "generator.safetensors").read_bytes() == expected


def test_replicas_that_have_parted_are_not_joined_in_silence(digits: Dataset, tmp_path: Path) -> None:
    outcomes = start_runs(replica_configs(configured(keep_checkpoints=0), 2), digits, CPU, tmp_path, silent)
    resume_run(open_run(outcomes[0].run.path), digits, CPU, silent, steps=60)
    runs = [open_run(outcome.run.path) for outcome in outcomes]
    with pytest.raises(UsageError, match=r"no longer of one length in steps \(0001-digits-seed3 60, .* 40\)"):
        resume_runs(runs, digits, CPU, silent)
    resume_run(runs[0], digits, CPU, silent, steps=100)
    with pytest.raises(UsageError, match="seed3 is at step 100, and the newest checkpoint that all have is of step 40"):
        resume_runs([open_run(run.path) for run in runs], digits, CPU, silent, steps=120)
    assert [open_run(run.path).latest_step() for run in runs] == [100, 40], "nothing was thrown away"


def test_a_display_that_fails_leaves_the_runs_as_they_were(digits: Dataset, tmp_path: Path) -> None:
    outcomes = start_runs(replica_configs(configured(), 2), digits, CPU, tmp_path, silent)

    def broken(run: Run, total: int) -> Silent:
        raise UsageError("no such display")

    runs = [open_run(outcome.run.path) for outcome in outcomes]
    with pytest.raises(UsageError, match="no such display"):
        resume_runs(runs, digits, CPU, broken, steps=60)
    assert [run.status().state for run in runs] == ["finished", "finished"]


def test_a_directory_that_is_lost_costs_its_own_replica_alone(digits: Dataset, tmp_path: Path) -> None:
    class Vandal(Silent):
        def __init__(self, run: Run) -> None:
            self.run = run

        def on_record(self, record: Record) -> None:
            if record.step == 10:
                shutil.rmtree(self.run.path)

    def watch(run: Run, total: int) -> Silent:
        return Vandal(run) if run.config.training.seed == 4 else Silent()

    outcomes = start_runs(replica_configs(configured(), 3), digits, CPU, tmp_path, watch)
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    assert "0002-digits-seed4 cannot be written at step 20" in str(outcomes[1].failure)
    assert [open_run(outcomes[i].run.path).latest_step() for i in (0, 2)] == [40, 40]
    with pytest.raises(UsageError, match="0002-digits-seed4 is gone; name the others one by one"):
        find_replicas(outcomes[0].run)


def test_directories_are_made_for_all_or_for_none(digits: Dataset, tmp_path: Path) -> None:
    config = configured(seed=9)
    config = replace(config, name="n" * (255 - len("0001-" + "-seed9")))  # -seed10 is one character too long
    with pytest.raises(UsageError, match="cannot be made"):
        start_runs(replica_configs(config, 2), digits, CPU, tmp_path / "runs", silent)
    assert [path for path in (tmp_path / "runs").iterdir() if not path.is_symlink()] == []


@pytest.mark.parametrize("content", ['{"runs": []}', '{"runs": "abc"}', '{"runs": ["../0001-digits-seed3", "b"]}', "{"])
def test_a_damaged_list_of_replicas_is_refused(content: str, digits: Dataset, tmp_path: Path) -> None:
    run = start_runs(replica_configs(configured(steps=10), 2), digits, CPU, tmp_path, silent)[0].run
    (run.path / "replicas.json").write_text(content)
    with pytest.raises(UsageError, match="name the runs one by one instead"):
        find_replicas(run)


def test_a_replica_can_go_on_alone(digits: Dataset, tmp_path: Path) -> None:
    outcome = start_runs(replica_configs(configured(), 2), digits, CPU, tmp_path, silent)[1]
    alone = resume_run(open_run(outcome.run.path), digits, CPU, silent, steps=60)
    assert alone.step == 60
    assert alone.run.config.training.seed == 4
    assert open_run(outcome.run.path.parent / "0001-digits-seed3").latest_step() == 40


def test_one_that_diverges_leaves_the_others_be(digits: Dataset, tmp_path: Path) -> None:
    configs = replica_configs(configured(), 2)
    expected = start_runs(configs, digits, CPU, tmp_path / "sound", silent)
    half = start_runs(
        [replace(c, training=replace(c.training, steps=20)) for c in configs], digits, CPU, tmp_path / "half", silent
    )
    # One replica's velocities become so large that its next update leaves float32's range.
    states = [build_state(o.run.config, digits, CPU) for o in half]
    for outcome, state in zip(half, states, strict=True):
        state.restore(find_checkpoint(outcome.run.checkpoints))
    states[0].game.discriminator.optimizer.state()["velocity.0"].fill_(3e38)
    states[0].save(half[0].run.checkpoints)
    outcomes = resume_runs([o.run for o in half], digits, CPU, silent, steps=40)
    assert [outcome.state for outcome in outcomes] == ["failed", "finished"]
    assert isinstance(outcomes[0].failure, Diverged)
    assert open_run(half[0].run.path).status().state == "failed"
    assert same_tensors(outcomes[1].run, expected[1].run)


def test_all_diverging_is_an_error(digits: Dataset, tmp_path: Path) -> None:
    wild = replace(configured(), optimizer=OptimizerConfig(learning_rate=1e30))
    with pytest.raises(Diverged):
        start_runs(replica_configs(wild, 2), digits, CPU, tmp_path, silent)


def test_bad_numbers_and_strangers_are_refused(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--replicas must be 2 or more, but is 1"):
        replica_configs(configured(), 1)
    single = start_run(configured(steps=10), digits, CPU, tmp_path, silent)
    with pytest.raises(UsageError, match="was not trained with --replicas"):
        find_replicas(single.run)


def test_every_replica_has_a_directory_of_its_own(digits: Dataset, tmp_path: Path) -> None:
    outcomes = start_runs(replica_configs(configured(steps=10), 2), digits, CPU, tmp_path, silent)
    assert [outcome.run.path.name for outcome in outcomes] == ["0001-digits-seed3", "0002-digits-seed4"]
    assert all("; 2 replicas at once)" in outcome.step_impl for outcome in outcomes)
    for outcome in outcomes:
        assert {"config.json", "metrics.jsonl", "replicas.json", "checkpoints"} <= {
            p.name for p in outcome.run.path.iterdir()
        }
