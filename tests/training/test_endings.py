"""Every ending that can be caught saves first; nothing beside a run ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training.watching import SignalAt, assert_same_run, make_config, silent

from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.locks import Lock, acquire
from gantool.runs import Run, open_run
from gantool.training.record.metrics import Record
from gantool.training.session import resume_run, start_run, start_runs

CPU = torch.device("cpu")


def signal_later(number: int, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


@pytest.mark.parametrize("step", ["plain", "fused"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stop_inside_a_long_iteration_drops_it_and_saves_its_start(
    step: str, precision: str, digits: Dataset, tmp_path: Path
) -> None:
    config = make_config("digits", "alternating", 4, k=20, log_every=1, engine=step, precision=precision, average=0.9)
    straight = start_run(config, digits, CPU, tmp_path / "straight", silent).run
    half = replace(config, training=replace(config.training, steps=2))
    run = start_run(half, digits, CPU, tmp_path / "halves", silent).run
    endless = replace(run, config=replace(config, training=replace(config.training, k=10**9, steps=4)))
    endless.write_config()
    # Once the third iteration is under way: it would take days.
    timer = signal_later(signal.SIGTERM, 1.5)
    began = time.monotonic()
    stopped = resume_run(open_run(run.path), digits, CPU, silent)
    timer.join()
    assert time.monotonic() - began < 10
    assert (stopped.step, stopped.signal_number, stopped.run.status().state) == (2, signal.SIGTERM, "stopped")
    endless = replace(run, config=config)
    endless.write_config()
    assert_same_run(straight, resume_run(open_run(run.path), digits, CPU, silent).run)


def test_a_stop_in_the_very_first_iteration_saves_step_0(digits: Dataset, tmp_path: Path) -> None:
    timer = signal_later(signal.SIGHUP, 1.0)
    stopped = start_run(make_config("digits", "alternating", 4, k=10**9), digits, CPU, tmp_path, silent)
    timer.join()
    assert (stopped.step, stopped.signal_number) == (0, signal.SIGHUP)
    assert stopped.run.latest_step() == 0


class SaveAt(SignalAt):
    """Counts checkpoints besides."""

    def __init__(self, step: int) -> None:
        super().__init__(step, signal.SIGUSR1)
        self.saved: list[int] = []

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        self.saved.append(step)


def test_usr1_saves_and_the_run_goes_on(digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits", "alternating", 60, checkpoint_every=1000)
    straight = start_run(config, digits, CPU, tmp_path / "straight", silent)
    observer = SaveAt(30)
    outcome = start_run(config, digits, CPU, tmp_path / "saved", lambda run, total: observer)
    assert (observer.saved, outcome.step, outcome.signal_number) == ([30, 60], 60, None)
    assert_same_run(straight.run, outcome.run)


def test_usr1_inside_a_long_iteration_saves_its_start(digits: Dataset, tmp_path: Path) -> None:
    observer = SaveAt(-1)
    config = make_config("digits", "alternating", 4, k=10**9)
    timers = [signal_later(signal.SIGUSR1, 1.0), signal_later(signal.SIGTERM, 2.0)]
    stopped = start_run(config, digits, CPU, tmp_path, lambda run, total: observer)
    for timer in timers:
        timer.join()
    assert (stopped.step, observer.saved) == (0, [0])


class Broken:
    """A display whose terminal is gone."""

    def __init__(self, *_: Any) -> None:
        self.calls = 0

    def on_record(self, record: Record) -> None:
        self.calls += 1
        raise BrokenPipeError(32, "Broken pipe")

    on_samples = on_checkpoint = on_record


def test_a_display_that_fails_ends_no_run(digits: Dataset, tmp_path: Path) -> None:
    broken = Broken()
    outcome = start_run(make_config("digits", "alternating", 60), digits, CPU, tmp_path, lambda run, total: broken)
    assert (outcome.step, outcome.failure, broken.calls) == (60, None, 1)
    assert outcome.notes == ("The display failed and was left out ([Errno 32] Broken pipe).",)


class Spoiler(Broken):
    """Takes away the checkpoints' folder of its run, and puts a file in its place."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_record(self, record: Record) -> None:
        if self.run.checkpoints.is_dir():
            for name in ("checkpoints", "samples"):
                (self.run.path / name).rmdir() if not any((self.run.path / name).iterdir()) else None
            self.run.checkpoints.write_text("in the way")

    def on_samples(self, step: int, sheet: Path) -> None:
        pass

    on_checkpoint = on_samples


def test_a_replica_that_cannot_be_written_leaves_the_others_alone(digits: Dataset, tmp_path: Path) -> None:
    configs = [seeded(make_config("digits", "alternating", 60, checkpoint_every=1000), seed) for seed in (5, 6)]

    def observe(run: Run, total: int) -> Any:
        return Spoiler(run) if run.path.name.startswith("0001") else silent(run, total)

    first, second = start_runs(configs, digits, CPU, tmp_path, observe)
    assert first.state == "failed"
    assert "cannot be written at step" in str(first.failure)
    assert (second.state, second.step, second.run.status().state) == ("finished", 60, "finished")


def seeded(config: RunConfig, seed: int) -> RunConfig:
    return replace(config, name=f"digits-{seed}", training=replace(config.training, seed=seed))


def test_a_run_is_trained_once_at_a_time(digits: Dataset, tmp_path: Path) -> None:
    run = start_run(make_config("digits", "alternating", 20), digits, CPU, tmp_path, silent).run
    lock = acquire(run.path)
    assert isinstance(lock, Lock)
    with pytest.raises(
        UsageError, match=r"is being trained by process \d+ on .*; stop that one first, or give --take-"
    ):
        resume_run(run, digits, CPU, silent, steps=40)
    assert resume_run(run, digits, CPU, silent, steps=40, take_over=True).step == 40
    lock.release()
    assert open_run(run.path).status().state == "finished"


def test_an_odd_line_of_metrics_stops_no_resume(digits: Dataset, tmp_path: Path) -> None:
    run = start_run(make_config("digits", "alternating", 40), digits, CPU, tmp_path, silent).run
    lines = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join([lines[0], b"{torn\n", b'{"step": "x"}\n', *lines[1:], b'{"step": 4']))
    resumed = resume_run(run, digits, CPU, silent, steps=60).run
    straight = start_run(make_config("digits", "alternating", 60), digits, CPU, tmp_path / "straight", silent).run
    assert_same_run(straight, resumed)
