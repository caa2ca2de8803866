"""A run directory of an earlier version loads, and goes on to the weights to which that version went on.

old/0001-digits was written by version 0.1.0 at step 20, with every field that config.json then had; beside it lie the
weights that the same version came to at step 30.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import gantool
from gantool.cli.app import app
from gantool.runs.checkpoint import find_checkpoint

OLD = Path(__file__).with_name("old")


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / "0001-digits", tmp_path / "runs" / "0001-digits"))


def test_it_loads_and_gives_samples(old_run: Path) -> None:
    run = gantool.load_run(old_run)
    assert run.sample(3).shape == (3, 64)
    assert [layer.kind for layer in run.config.discriminator.layers] == ["maxout", "maxout", "sigmoid"]


def test_it_is_resumed_to_the_same_weights_within_rounding(old_run: Path) -> None:
    result = CliRunner().invoke(app, ["train", "--resume", str(old_run), "--steps", "30"])
    assert result.exit_code == 0, result.stderr
    checkpoint = find_checkpoint(old_run / "checkpoints", 30)
    for network in ("generator", "discriminator"):
        then = load_file(OLD / f"{network}-at-step-30.safetensors")
        now = load_file(checkpoint / f"{network}.safetensors")
        assert list(now) == list(then)
        for name, weights in then.items():
            # Ten updates apart, in float32: sums round by the processor's vectors.
            torch.testing.assert_close(now[name], weights, rtol=1e-4, atol=1e-6)
