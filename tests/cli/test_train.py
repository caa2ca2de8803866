"""`gantool train`, `runs`, `config` and `doctor` as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("--set", "training.log_every=10", "--set", "training.checkpoint_every=10")


def gantool(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gantool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def json_of(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert finished.returncode == 0, finished.stderr
    payload: dict[str, Any] = json.loads(finished.stdout)
    return payload


def test_train_resume_and_list(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = json_of(gantool("train", "--steps", "20", "--out", runs, "--seed", "4", "--json", *QUICK))
    assert (first["state"], first["step"], first["total_steps"]) == ("finished", 20, 20)
    run = Path(first["run"])
    assert {path.name for path in run.iterdir()} == {
        "config.json", "dataset.json", "environment.json", "metrics.jsonl", "samples", "checkpoints",
    }  # fmt: skip
    assert (runs / "latest").resolve() == run.resolve()
    resumed = json_of(gantool("train", "--resume", "latest", "--steps", "40", "--out", runs, "--json"))
    assert (resumed["run"], resumed["step"]) == (str(run), 40)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [10, 20, 30, 40]
    listed = json_of(gantool("runs", "--out", runs, "--json"))["runs"]
    assert [(row["name"], row["state"], row["step"]) for row in listed] == [("0001-digits", "finished", 40)]
    assert (run / "samples" / "step-0000040.png").is_file()


def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path) -> None:
    shown = json_of(gantool("train", "--dataset", "ring2d", "--dry-run", "--out", tmp_path / "runs", "--json"))
    assert shown["networks"]["discriminator"]["layers"][0]["parameters"] == 64 * 4 * (2 + 1)
    assert shown["config"]["training"]["order"] == "alternating"
    assert not (tmp_path / "runs").exists()


def test_several_discriminator_steps_bring_the_alternating_order(tmp_path: Path) -> None:
    preset = ("train", "--dataset", "digits", "--set", "training.order=simultaneous", "--dry-run", "--json")
    assert json_of(gantool(*preset))["config"]["training"]["order"] == "simultaneous"
    config = json_of(gantool(*preset, "--k", "2"))["config"]
    assert (config["training"]["order"], config["training"]["k"]) == ("alternating", 2)
    config = json_of(gantool(*preset, "--k", "2", "--order", "simultaneous"))["config"]
    assert (config["training"]["order"], config["training"]["k"]) == ("simultaneous", 2), "the released code's"
    assert gantool(*preset, "--k", "2", "--order", "generator-first").returncode == 2


def test_the_users_own_array(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).integers(0, 256, (400, 6, 5), dtype=np.uint8))
    finished = json_of(
        gantool("train", "--array", tmp_path / "mine.npy", "--steps", "5", "--out", tmp_path / "runs", "--json")
    )
    data = json.loads(Path(finished["run"], "dataset.json").read_text())
    assert (data["dimension"], data["rows"]["train"]) == (30, 320)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_exits_with_its_code(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gantool", "train", "--steps", "1000000", "--out", str(tmp_path), *QUICK]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        metrics = tmp_path / "0001-digits" / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while not metrics.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "and saved. Go on with: gantool train --resume" in told
    assert json_of(gantool("runs", "--out", tmp_path, "--json"))["runs"][0]["state"] == "stopped"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--dataset", "minst"), "There is no preset 'minst'; did you mean 'mnist'?"),
        (("--k", "0"), "training.k must be a whole number, 1 or more, but is 0."),
        (("--device", "tpu"), "--device must be auto, cpu, cuda or cuda:N, but is 'tpu'."),
        (("--device", "cuda:99"), "--device cuda:99 is not on this machine"),
        (("--batch-size", "5000"), "training.batch_size must be from 1 to 1197"),
        (("--set", "training.foo=1"), "Unknown configuration key training.foo"),
        (("--resume", "latest"), "There is no run in"),
        (("--resume", "latest", "--k", "2"), "--k cannot be given with --resume"),
        (("--set", "generator.layers.2.units=65"), "generator.layers.2.units must be 64"),
        (("--dataset", "mnist", "--offline"), "gantool data fetch mnist"),
    ],
)
def test_bad_usage_is_one_sentence_exit_2_and_writes_nothing(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    finished = gantool("train", *arguments, "--out", tmp_path / "runs", GANTOOL_DATA_DIR=str(tmp_path / "none"))
    assert finished.returncode == 2, finished.stderr
    assert sentence in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_run_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, not a folder")
    finished = gantool("train", "--steps", "1", "--out", tmp_path / "runs")
    assert finished.returncode == 2
    assert "A run directory cannot be made in" in finished.stderr


def test_errors_are_json_too(tmp_path: Path) -> None:
    finished = gantool("train", "--k", "0", "--json")
    assert finished.returncode == 2
    assert json.loads(finished.stdout)["exit_code"] == 2


def test_config_show_is_what_config_takes(tmp_path: Path) -> None:
    shown = gantool("config", "show", "mixture1d")
    (tmp_path / "mine.toml").write_text(shown.stdout.replace("batch_size = 256", "batch_size = 64"))
    config = json_of(gantool("train", "--config", tmp_path / "mine.toml", "--dry-run", "--json"))["config"]
    assert (config["name"], config["training"]["batch_size"]) == ("mixture1d", 64)
    presets = json_of(gantool("config", "list", "--json"))["presets"]
    assert {"mnist", "digits"} <= {preset["name"] for preset in presets}
    assert all(set(preset) == {"name", "dataset", "about"} for preset in presets)


def test_doctor_has_a_remedy_for_each_lack() -> None:
    findings = json_of(gantool("doctor", "--json"))["findings"]
    assert {"torch", "maxout", "parzen_log_density", "digits", "cpu"} <= {finding["name"] for finding in findings}
    assert all(finding["remedy"] for finding in findings if finding["state"] != "good")


def test_gantool_alone_says_what_to_type_first() -> None:
    finished = gantool()
    assert finished.returncode == 0
    assert "gantool train" in finished.stdout


def test_a_typo_is_answered_with_the_nearest_option() -> None:
    finished = gantool("train", "--epoch", "3")
    assert finished.returncode == 2
    assert "--epochs" in finished.stderr


@pytest.mark.parametrize(
    "command",
    ["", "train", "sample", "eval", "eval parzen", "runs", "config", "config show", "data", "doctor", "build"],
)
def test_every_help_has_an_example_or_commands(command: str) -> None:
    shown = gantool(*command.split(), "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Example" in shown.stdout or "Commands" in shown.stdout or "Work" in shown.stdout
