"""`gantool reproduce table1` as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from calling import Command

from gantool.runs import list_runs

call = Command("reproduce", "table1")


def test_people_see_the_table_and_json_is_one_object(tmp_path: Path) -> None:
    arguments = ("--dataset", "digits", "--steps", 10, "--seeds", 2, "--out", tmp_path)
    shown = call(*arguments)
    assert shown.exit_code == 0, shown.stderr
    for words in (
        "Seed 1 (2 of 2): training",
        "Table 1, digits: mean log-likelihood of the test set in nats",
        "across 2 training seeds",
        "across 300 test rows",
        "Real training images",
        "Over epochs, on 150 validation rows, mean of 2 seeds in nats: ",
        "Uncertainty, training seed: ±",
        "The paper has no column for digits",
        f"Written to {tmp_path / 'table1.json'}.",
    ):
        assert words in shown.output
    again = call(*arguments, "--json")
    assert again.exit_code == 0
    assert "Seed" not in again.stderr
    assert json.loads(again.stdout) == json.loads((tmp_path / "table1.json").read_text())
    assert len(list_runs(tmp_path)) == 2


def test_ctrl_c_saves_exits_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ["--dataset", "digits", "--steps", "300", "--seeds", "1", "--out", str(tmp_path), "--json"]
    command = [sys.executable, "-m", "gantool", "reproduce", "table1", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/metrics.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    stopped = json.loads(stdout)
    assert stopped["state"] == "stopped"
    assert 50 <= stopped["step"] < 300
    assert b"the same command goes on from there" in stderr
    assert not (tmp_path / "table1.json").exists()
    finished = call(*arguments)
    assert finished.exit_code == 0, finished.stderr
    assert f"300 steps from {stopped['step']}" in finished.stderr
    assert json.loads(finished.stdout)["ours"]["runs"][0]["step"] == 300
    assert len(list_runs(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digts"], "There is no preset 'digts'; did you mean 'digits'?"),
        (["--dataset", "digits", "--seeds", 0], "--seeds must be a whole number, 1 or more"),
        (["--dataset", "digits", "--steps", 5, "--epochs", 5], "--epochs and --steps exclude each other"),
        (["--dataset", "digits", "--steps", 0], "training.steps must be"),
    ],
)
def test_wrong_requests(arguments: list[object], message: str, tmp_path: Path) -> None:
    result = call(*arguments, "--out", tmp_path / "runs")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()
