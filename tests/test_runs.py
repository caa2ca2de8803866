"""Making, finding and reading run directories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gantool
from gantool.checkpoint import save_checkpoint
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.models import build_generator
from gantool.presets import build_config, preset_text, read_tree
from gantool.runs import Run, create_run, find_run, list_runs


def make_run(runs_dir: Path) -> Run:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    return create_run(runs_dir, config, load_dataset(DataConfig("digits")), {"torch": "any"})


def test_runs_are_numbered_and_latest_is_the_newest(tmp_path: Path) -> None:
    first, second = make_run(tmp_path), make_run(tmp_path)
    assert [run.path.name for run in (first, second)] == ["0001-digits", "0002-digits"]
    for reference in (None, "latest", "2", "0002", "0002-digits", str(second.path)):
        assert find_run(reference, tmp_path).path.resolve() == second.path.resolve()
    assert find_run("1", tmp_path).path == first.path
    assert [run.path.name for run in list_runs(tmp_path)] == ["0001-digits", "0002-digits"]


def test_the_ten_thousandth_run_is_found(tmp_path: Path) -> None:
    make_run(tmp_path).path.rename(tmp_path / "9999-digits")
    assert make_run(tmp_path).path.name == "10000-digits"
    assert find_run("10000", tmp_path).path.name == "10000-digits"
    assert make_run(tmp_path).path.name == "10001-digits"


def test_a_missing_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no run in .* yet; make one with `gantool train`"):
        find_run(None, tmp_path / "none")
    run = make_run(tmp_path)
    with pytest.raises(UsageError, match=r"There is no run '7'; the newest in .*: 0001-digits"):
        find_run("7", tmp_path)
    with pytest.raises(UsageError, match=r"There is no checkpoint in .*"):
        run.load_generator()
    (run.path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        find_run("1", tmp_path)


def test_samples_from_python_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mean = torch.full((64,), 0.25)
    network = build_generator(run.config.generator, 32, mean, torch.Generator().manual_seed(5))
    save_checkpoint(run.checkpoints, 12, {"generator": network.state_dict()})
    opened = gantool.load_run(run.path)
    samples = opened.sample(5, seed=1)
    assert (samples.shape, samples.dtype, opened.latest_step()) == ((5, 64), torch.float32, 12)
    assert torch.equal(samples, opened.sample(5, seed=1))
    assert not torch.equal(samples, opened.sample(5, seed=2))
    for name, value in opened.load_generator().state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.write_status("running", 3, 10)
    status = json.loads((run.path / "status.json").read_text())
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    (run.path / "status.json").write_text(json.dumps(status | {"process": child.pid}))
    assert run.status()["state"] == "interrupted"
    (run.path / "status.json").write_text(json.dumps(status | {"process": os.getppid()}))
    assert run.status()["state"] == "running"


def test_scores_are_kept_in_order_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert run.scores() == []
    run.append_score({"log_likelihood": 1.0})
    run.append_score({"log_likelihood": 2.0})
    with (run.path / "evaluations.jsonl").open("a") as stream:
        stream.write('{"log_like')
    assert [score["log_likelihood"] for score in run.scores()] == [1.0, 2.0]
