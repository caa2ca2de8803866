"""A run that stopped and went on is the run that never stopped, to the last bit."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training.watching import SignalAt, assert_same_run, make_config, silent

from gantool.config import DataConfig, OptimizerConfig, RunConfig
from gantool.data import load_dataset
from gantool.data.dataset import Dataset
from gantool.errors import GantoolError, UsageError
from gantool.runs import Run, find_run, open_run
from gantool.runs.checkpoint import find_checkpoint
from gantool.training.orders import ORDERS
from gantool.training.session import Outcome, resume_run, start_run

CPU = torch.device("cpu")


def run_in_two(config: RunConfig, dataset: Dataset, tmp_path: Path, first: int) -> tuple[Run, Run]:
    total = config.training.steps
    straight = start_run(config, dataset, CPU, tmp_path / "straight", silent)
    short = replace(config, training=replace(config.training, steps=first))
    start_run(short, dataset, CPU, tmp_path / "halves", silent)
    resumed = resume_run(find_run("latest", tmp_path / "halves"), dataset, CPU, silent, steps=total)
    assert resumed.step == straight.step == total
    return straight.run, resumed.run


@pytest.mark.parametrize(("step", "precision"), [("plain", "float32"), ("fused", "float32"), ("fused", "bfloat16")])
@pytest.mark.parametrize("order", ORDERS)
def test_digits_stopped_off_every_interval(
    order: str, step: str, precision: str, digits: Dataset, tmp_path: Path
) -> None:
    config = make_config("digits", order, 100, engine=step, precision=precision)
    assert_same_run(*run_in_two(config, digits, tmp_path, 57))


@pytest.mark.parametrize("order", ORDERS)
def test_real_mnist(order: str, mnist_root: Path, tmp_path: Path) -> None:
    dataset = load_dataset(DataConfig("mnist"), root=mnist_root)
    assert_same_run(*run_in_two(make_config("mnist", order, 40), dataset, tmp_path, 20))


def test_adam_with_bounded_columns_and_several_discriminator_steps(digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits", "alternating", 60, k=3)
    config = replace(config, optimizer=OptimizerConfig("adam", 0.001, max_column_norm=1.0))
    assert_same_run(*run_in_two(config, digits, tmp_path, 31))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_the_run_goes_on(number: signal.Signals, digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits", "alternating", 60)
    straight = start_run(config, digits, CPU, tmp_path / "straight", silent)
    stopped = start_run(config, digits, CPU, tmp_path / "halves", lambda run, total: SignalAt(30, number))
    assert (stopped.step, stopped.signal_number, stopped.run.status().state) == (30, number, "stopped")
    resumed = resume_run(stopped.run, digits, CPU, silent)
    assert_same_run(straight.run, resumed.run)
    assert resumed.run.status().state == "finished"


def finished_run(digits: Dataset, tmp_path: Path, **training: Any) -> Outcome:
    return start_run(make_config("digits", "alternating", 80, **training), digits, CPU, tmp_path, silent)


def test_the_newest_checkpoints_are_kept(digits: Dataset, tmp_path: Path) -> None:
    run = finished_run(digits, tmp_path, checkpoint_every=10, keep_checkpoints=2).run
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-0000070", "step-0000080"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "state"])
def test_a_damaged_checkpoint_is_refused(damage: str, digits: Dataset, tmp_path: Path) -> None:
    run = finished_run(digits, tmp_path).run
    folder = find_checkpoint(run.checkpoints)
    file = folder / ("state.json" if damage == "state" else "optimizer.safetensors")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 3] if damage in ("truncate", "state") else content)
    before = run.metrics.read_bytes()
    with pytest.raises(GantoolError, match=r"checkpoint .*step-0000080 is damaged: .*; move that folder") as caught:
        resume_run(open_run(run.path), digits, CPU, silent, steps=120)
    assert caught.value.exit_code == 1
    assert run.metrics.read_bytes() == before
    assert open_run(run.path).config.training.steps == 80, "a refused resume leaves the configuration as it was"


def test_other_rows_are_refused(digits: Dataset, tmp_path: Path) -> None:
    run = finished_run(digits, tmp_path).run
    other = replace(digits, train=digits.test)
    with pytest.raises(UsageError, match="was trained on other rows"):
        resume_run(run, other, CPU, silent, steps=120)


def test_a_total_that_is_reached_already_is_refused(digits: Dataset, tmp_path: Path) -> None:
    run = finished_run(digits, tmp_path).run
    with pytest.raises(UsageError, match="is at step 80 of 60 already"):
        resume_run(run, digits, CPU, silent, steps=60)


def test_divergence_stops_at_once_and_names_step_and_quantity(digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits", "alternating", 200, checkpoint_every=5)
    config = replace(config, optimizer=replace(config.optimizer, learning_rate=3.0, decay=1.0))
    good = start_run(replace(config, training=replace(config.training, steps=5)), digits, CPU, tmp_path / "a", silent)
    wild = replace(config, optimizer=replace(config.optimizer, learning_rate=1e30))
    good.run.path.joinpath("config.json").write_text(json.dumps(wild.to_dict()))
    run = open_run(good.run.path)
    with pytest.raises(GantoolError, match=r"at step \d+ the (discriminator's|generator's) loss is not finite"):
        resume_run(run, digits, CPU, silent, steps=200)
    assert run.status().state == "failed"
    assert run.latest_step() == 5
    assert all(bool(p.isfinite().all()) for p in run.load_generator().parameters())
