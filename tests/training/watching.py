"""Configurations, observers and comparisons that the training tests share."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gantool.config import RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.runs import Run
from gantool.runs.checkpoint import find_checkpoint
from gantool.training.record.member import Silent
from gantool.training.record.metrics import Record
from gantool.training.state import TrainingState

TIMINGS = ("images_per_second", "seconds")


def silent(run: Run, total_steps: int) -> Silent:
    """What opens such an observer for a run."""
    return Silent()


class SignalAt(Silent):
    """Sends this process a signal when a step is logged."""

    def __init__(self, step: int, number: signal.Signals) -> None:
        self.step, self.number = step, number

    def on_record(self, record: Record) -> None:
        if record.step == self.step:
            os.kill(os.getpid(), self.number)


def make_config(preset: str, order: str, steps: int, **training: Any) -> RunConfig:
    config = build_config(read_tree(preset_text(preset), preset))
    changes = {"order": order, "steps": steps, "log_every": 10, "sample_every": 10**6, "checkpoint_every": 40}
    return replace(config, training=replace(config.training, **changes | training))


def weights(state: TrainingState) -> Tensor:
    """Every parameter of both players, in one vector."""
    players = (state.game.generator, state.game.discriminator)
    return torch.cat([p.detach().flatten() for player in players for p in player.network.parameters()])


def assert_same_weights(first: Run, second: Run) -> None:
    """Every tensor of the last checkpoint, as bits."""
    paths = [find_checkpoint(run.checkpoints) for run in (first, second)]
    for name in ("generator", "discriminator", "optimizer", "rng"):
        one, other = ((path / f"{name}.safetensors").read_bytes() for path in paths)
        assert one == other, name


def assert_same_run(first: Run, second: Run) -> None:
    """Every tensor of the last checkpoint, and every metric but the timings, as bits."""
    assert_same_weights(first, second)
    lines = [[json.loads(line) for line in run.metrics.read_text().splitlines()] for run in (first, second)]
    for records in lines:
        for record in records:
            assert all(record.pop(timing) > 0 for timing in TIMINGS)
    assert lines[0] == lines[1]
    assert len(lines[0]) > 2
