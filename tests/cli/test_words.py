"""What is typed and what is printed: empty values, ~, short configuration files, names and records of others."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import Command

from gantool import load_run
from gantool.cli.terminal import harmless

QUICK = ("--steps", "5", "--batch-size", "20")


call = Command()


def trained(*arguments: object) -> dict[str, Any]:
    result = call("train", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    run = Path(json.loads(result.stdout)["run"])
    config: dict[str, Any] = json.loads((run / "config.json").read_text())
    return config


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("eval", "parzen", "--samples", "", "--dataset", "digits"), "--samples"),
        (("eval", "parzen", "--samples=", "--dataset", "digits"), "--samples"),
        (("train", "--array", ""), "--array"),
        (("train", "--config="), "--config"),
        (("runs", "--out", ""), "--out"),
        (("report", "1", ""), "An argument"),
        (("",), "An argument"),
    ],
)
def test_an_empty_value_is_refused(arguments: tuple[str, ...], name: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stderr == f"gantool: {name} is empty: give it a value, or leave it out.\n"


@pytest.mark.parametrize("option", [("--out=~/runs",), ("--out", "~/runs")])
def test_a_path_of_the_users_own(option: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert call("train", *QUICK, *option).exit_code == 0
    assert (tmp_path / "home" / "runs" / "0001-digits").is_dir()
    assert not (tmp_path / "~").exists()


def test_a_run_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call("train", *QUICK, "--out", tmp_path / "runs").exit_code == 0
    assert call("train", "--resume=~/runs/0001-digits", "--steps", 6).exit_code == 0
    assert load_run("~/runs/0001-digits").latest_step() == 6
    assert load_run(1, runs_dir="~/runs").path == load_run("latest", "~/runs").path == tmp_path / "runs" / "0001-digits"


def test_a_tilde_of_no_user_is_a_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("~old.npy", np.random.default_rng(0).random((60, 4), dtype=np.float32))
    assert trained("--array", "~old.npy", *QUICK)["data"]["path"] == str(tmp_path / "~old.npy")
    missing = call("train", "--array", "~nobody.npy", *QUICK)
    assert missing.exit_code == 2
    assert "~nobody.npy does not exist" in missing.stderr


def test_a_file_may_name_only_what_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf[training]\nsteps = 7\nbatch_size = 20\n")  # with a byte-order mark
    assert trained("--config", file, "--out", tmp_path / "runs")["training"]["steps"] == 7
    over = trained("--dataset", "ring2d", "--config", file, "--out", tmp_path / "runs")
    assert (over["data"]["name"], over["training"]["steps"]) == ("ring2d", 7)
    file.write_text('[data]\nname = "ring2d"\n[training]\nsteps = 7\nbatch_size = 20\n')
    config = trained("--config", file, "--out", tmp_path / "runs")
    assert (config["data"]["name"], config["name"]) == ("ring2d", "ring2d")


def test_a_whole_file_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "whole.toml"
    text = call("config", "show", "ring2d").stdout
    file.write_text(text.replace("watch_every", "# watch_every"))
    config = trained("--config", file, *QUICK, "--out", tmp_path / "runs")
    assert (config["name"], config["data"]["name"]) == ("ring2d", "ring2d")


def test_the_data_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seed in (("first", 0), ("second", 1)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.random.default_rng(seed).random((60, 4), dtype=np.float32))
    monkeypatch.chdir(tmp_path / "first")
    options = (*QUICK, "--set", "training.batch_size=20", "--out", tmp_path / "runs")
    assert Path(trained("--array", "a.npy", *options)["data"]["path"]) == tmp_path / "first" / "a.npy"
    monkeypatch.chdir(tmp_path / "second")  # where a file of the same name lies
    score = ("eval", "parzen", "--runs-dir", tmp_path / "runs", "--no-references", "--num-samples", 20, "--json")
    first = json.loads(call(*score).stdout)
    (tmp_path / "first").rename(tmp_path / "moved")
    gone = call(*score)
    assert gone.exit_code == 2
    assert "does not exist. Give --array FILE if the file has another place now." in gone.stderr
    wrong = call(*score, "--array", "a.npy")
    assert wrong.exit_code == 2
    assert "was trained on other rows than those of" in wrong.stderr
    again = json.loads(call(*score, "--array", tmp_path / "moved" / "a.npy").stdout)
    assert again["log_likelihood"] == first["log_likelihood"]
    resumed = call(
        "train", "--resume", 1, "--steps", 9, "--out", tmp_path / "runs", "--array", tmp_path / "moved/a.npy"
    )
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(call(*score).stdout)["step"] == 9  # the new place is kept


def test_names_and_records_of_others_steer_no_terminal(tmp_path: Path) -> None:
    assert call("train", *QUICK, "--out", tmp_path).exit_code == 0
    (tmp_path / "0001-digits").rename(tmp_path / "0001-[red]x\x1b[2J")
    (tmp_path / "latest").unlink()
    shown = call("runs", "--out", tmp_path).stdout
    assert "0001-[red]x\\x1b[2J" in shown
    assert "\x1b" not in shown
    assert "\x1b" not in call("eval", "parzen", "no\x1b]0;such", "--runs-dir", tmp_path).stderr


def test_harmless_keeps_what_people_write() -> None:
    text = "σ = 0,2 · 10⁻³\tnächste Zeile\n"
    assert harmless(text) == text
    assert harmless("a\r\x1b\x9b\u202eb") == "a\\r\\x1b\\x9b\\u202eb"


def test_the_resume_command_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    command = [sys.executable, "-m", "gantool", "train", "--steps", "1000000", "--out", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("step "):
            pass
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert f"gantool train --resume '{folder}/0001-digits'" in said


def test_too_little_memory_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 7.45 GiB")

    monkeypatch.setattr("gantool.data.load_dataset", load_dataset)
    result = call("train", *QUICK, "--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "gantool: The memory of this machine does not suffice (Unable to allocate 7.45 GiB); give fewer rows."
    )
