"""Convolutional runs with batch norm and a weight average: resumed bit-identically, as replicas, sampled and scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training.watching import silent
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import Dataset
from gantool.runs.checkpoint import find_checkpoint
from gantool.training.session import resume_run, start_run

CPU = torch.device("cpu")
BATCH_NORM = {"norm": "batch", "bias": "none", "init_std": 0.02}


def configured(statistics: str, **training: Any) -> RunConfig:
    """DCGAN made small, on the 8×8 digits."""
    tree = read_tree(preset_text("dcgan"), "dcgan")
    norm = BATCH_NORM | {"norm_statistics": statistics}
    tree["data"] = {"name": "digits"}
    tree["generator"]["layers"] = [
        {"kind": "relu", "units": 64, **norm},
        {"kind": "reshape", "shape": [16, 2, 2]},
        {"kind": "deconv", "channels": 8, "kernel": 4, "stride": 2, "padding": 1, **norm},
        {"kind": "deconv", "channels": 0, "kernel": 4, "stride": 2, "padding": 1, "activation": "sigmoid"},
    ]
    tree["discriminator"]["layers"] = [
        {"kind": "conv", "channels": 8, "kernel": 3, "stride": 2, "padding": 1, "activation": "leaky-relu"},
        {"kind": "conv", "channels": 16, "kernel": 3, "stride": 2, "padding": 1, "activation": "leaky-relu", **norm},
        {"kind": "noise", "std": 0.1},
        {"kind": "linear", "units": 1, "norm": "spectral"},
    ]
    config = build_config(tree)
    own = {"steps": 24, "log_every": 6, "batch_size": 50, "average": 0.9, "sample_every": 10**6} | training
    return replace(config, name="small-dcgan", training=replace(config.training, **own))


@pytest.mark.parametrize("order", ["alternating", "simultaneous", "generator-first"])
@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_a_resumed_run_is_the_run_that_never_stopped(
    statistics: str, order: str, digits: Dataset, tmp_path: Path
) -> None:
    config = configured(statistics, order=order)
    straight = start_run(config, digits, CPU, tmp_path / "a", silent).run
    short = replace(config, training=replace(config.training, steps=13))
    half = start_run(short, digits, CPU, tmp_path / "b", silent).run
    resumed = resume_run(half, digits, CPU, silent, steps=24).run
    one, other = (find_checkpoint(run.checkpoints) for run in (straight, resumed))
    for file in sorted(one.glob("*.safetensors")):
        assert file.read_bytes() == (other / file.name).read_bytes(), file.name


def test_replicas_train_one_after_another_and_say_so(digits: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(_toml(configured("running")))
    arguments = ["train", "--config", str(file), "--replicas", "2", "--runs-dir", str(tmp_path / "runs"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    first = json.loads(result.stdout)["replicas"][0]
    assert "2 replicas one after another" in first["step_impl"]
    alone = start_run(configured("running"), digits, CPU, tmp_path / "alone", silent).run
    paths = find_checkpoint(Path(first["run"]) / "checkpoints"), find_checkpoint(alone.checkpoints)
    assert (paths[0] / "generator.safetensors").read_bytes() == (paths[1] / "generator.safetensors").read_bytes()


def test_it_is_sampled_scored_and_reported(digits: Dataset, tmp_path: Path) -> None:
    run = start_run(configured("running"), digits, CPU, tmp_path, silent).run
    for command in (
        f"sample {run.path} --n 4",
        f"eval parzen {run.path} --num-samples 100 --no-references",
        f"eval features {run.path} --num-samples 100",
        f"eval diversity {run.path} --num-samples 100",
        f"report {run.path} --out {tmp_path / 'page.html'}",
    ):
        result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 0, f"{command}: {result.stderr}"
    # In evaluation a row is itself, whatever stands beside it: the running averages are used.
    network, z = run.load_generator(), torch.randn(6, 100, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(z)[:2], network(z[:2]))


def test_the_best_checkpoint_is_kept(digits: Dataset, tmp_path: Path) -> None:
    config = configured("running", steps=120, watch_every=1, keep_checkpoints=1, keep_best="parzen", checkpoint_every=6)
    run = start_run(config, digits, CPU, tmp_path, silent).run
    looks = {line["step"]: line["validation_log_likelihood"] for line in run.records() if "validation_sigma" in line}
    best = max(looks, key=lambda step: looks[step])
    assert run.best_step() == best
    kept = {int(path.name[5:]) for path in run.checkpoints.glob("step-*")}
    assert kept == {120, best}
    resumed = resume_run(run, digits, CPU, silent, steps=126).run
    kept = {int(path.name[5:]) for path in resumed.checkpoints.glob("step-*")}
    assert kept == {126, resumed.best_step()}


def _toml(config: RunConfig) -> str:
    """Enough of TOML for a configuration of tables, lists of tables, numbers and words."""

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return (
                "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in item.items() if inner is not None) + " }"
            )
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(map(value, item)) + "]"
        return json.dumps(item)

    tree = config.to_dict()
    return "".join(f"{key} = {value(item)}\n" for key, item in tree.items())
