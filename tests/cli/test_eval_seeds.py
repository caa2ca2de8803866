"""`gantool eval parzen RUN RUN` and `--seeds`: the spread over training seeds, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.models import build_generator
from gantool.runs import Run, create_run
from gantool.runs.checkpoint import save_checkpoint

QUICK = ("--num-samples", 200, "--no-references")
Seeded = Callable[..., Run]


def call(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", "parzen", "--out", str(folder), *map(str, (*QUICK, *arguments))])


def answer(folder: Path, *arguments: object) -> dict[str, Any]:
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    return payload


@pytest.fixture
def seeded(tmp_path: Path) -> Seeded:
    """seeded(seed, …) → a run on the digits in the test's folder, with fresh weights of that seed at step 7."""
    dataset = load_dataset(DataConfig("digits"))
    mean = dataset.values(dataset.train.stored).mean(dim=0)

    def make(seed: int, **training: Any) -> Run:
        config = build_config(read_tree(preset_text("digits"), "digits"))
        config = replace(config, training=replace(config.training, seed=seed, **training))
        run = create_run(tmp_path, config, dataset, {})
        weights = build_generator(config.generator, config.noise.dimension, mean, torch.Generator().manual_seed(seed))
        save_checkpoint(run.checkpoints, 7, {"generator": weights.state_dict()})
        return run

    return make


def test_several_runs_give_mean_and_spread(seeded: Seeded, tmp_path: Path) -> None:
    runs = [seeded(seed) for seed in (3, 1, 8)]
    payload = answer(tmp_path, 1, 2, 3)
    alone = [answer(tmp_path, number)["log_likelihood"] for number in (1, 2, 3)]
    assert [record["log_likelihood"] for record in payload["runs"]] == alone
    assert len(set(alone)) == 3
    assert payload["seeds"] == [3, 1, 8]
    assert payload["mean"] == pytest.approx(np.mean(alone))
    assert payload["standard_error_across_seeds"] == pytest.approx(np.std(alone, ddof=1) / math.sqrt(3))
    assert payload["num_runs"] == 3
    for run, record in zip(runs, payload["runs"], strict=True):
        assert run.scores()[0] == record
        assert len(record["data_fingerprint"]) == 64


def test_the_folders_seeds_are_found(seeded: Seeded, tmp_path: Path) -> None:
    seeded(3)
    seeded(1)
    seeded(2, batch_size=50)
    payload = answer(tmp_path, 1, "--seeds")
    assert [Path(record["run"]).name for record in payload["runs"]] == ["0002-digits", "0001-digits"]
    shown = call(tmp_path, 1, "--seeds").output
    for words in ("at 2 training seeds", "across rows", "across seeds", "± across seeds is std/√2"):
        assert words in shown


def test_one_seed_has_no_spread(seeded: Seeded, tmp_path: Path) -> None:
    seeded(3)
    payload = answer(tmp_path, "--seeds")
    assert (payload["num_runs"], payload["standard_error_across_seeds"]) == (1, None)
    assert payload["mean"] == payload["runs"][0]["log_likelihood"]
    assert "One seed has no spread" in call(tmp_path, "--seeds").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 3), "differ in training.batch_size (100 against 50)"),
        ((1, 1), "have the same seed, 0"),
        ((1, 2, "--seeds"), "--seeds finds the other runs by itself"),
        ((1, 9), "There is no run '9'"),
        ((1, 2, "--step", 8), "There is no checkpoint of step 8"),
        (("--seeds", "--samples", "x.npy"), "--seeds belongs to a run"),
    ],
)
def test_wrong_requests(arguments: tuple[object, ...], message: str, seeded: Seeded, tmp_path: Path) -> None:
    runs = [seeded(0), seeded(1), seeded(2, batch_size=50)]
    result = call(tmp_path, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not any(run.scores() for run in runs), "nothing is scored before everything is known to fit"
