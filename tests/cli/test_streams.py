"""stdout and stderr in a shell: results in one, the rest in the other, and every way in which they can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GANTOOL = (sys.executable, "-m", "gantool")


def gantool(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*GANTOOL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in which $G is the tool."""
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    variables = inherited | {"G": " ".join(GANTOOL)} | environment
    command = ["bash", "-c", f"set -o pipefail; {line}"]
    return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run was trained, and its output."""
    folder = tmp_path_factory.mktemp("shell")
    done = shell("$G train --steps 5 --batch-size 20 > out.txt 2> err.txt", folder)
    assert done.returncode == 0
    return folder


def test_training_prints_its_folder_and_tells_the_rest(folder: Path) -> None:
    assert (folder / "out.txt").read_text() == "runs/0001-digits\n"
    assert "Done: 5 steps" in (folder / "err.txt").read_text()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("$G runs | grep -c digits", "1"),
        ("$G config list | grep -c '^ mnist-average .*average of its weights'", "1"),
        ("$G data list | grep -c ^.mnist", "1"),
        ("$G train --dry-run | grep -c '^algorithm'", "1"),
        ("$G doctor | grep -c torch", None),
        ("$G | grep -c 'gantool train'", None),
        ("$G sample --n 4 | grep -c sheet", "1"),
        ("$G eval parzen --num-samples 20 --no-references | grep -c 'these samples,'", "1"),
        ("$G runs 2>&1 >/dev/null | wc -l", "0"),
    ],
)
def test_what_was_asked_for_goes_to_stdout(line: str, found: str | None, folder: Path) -> None:
    done = shell(line, folder)
    assert done.returncode == 0, done.stderr
    assert found is None or done.stdout.strip() == found


@pytest.mark.parametrize("command", ["config list", "config list --json", "config show mnist", "--help", "runs --json"])
def test_a_full_disk_behind_stdout_is_one_sentence(command: str, folder: Path) -> None:
    done = shell(f"$G {command} > /dev/full", folder)
    assert done.returncode == 1
    assert done.stderr == "gantool: The output cannot be written to stdout: No space left on device.\n"


@pytest.mark.parametrize("command", ["config list", "config list --json", "config show mnist", "--help"])
def test_a_closed_stdout_is_one_sentence(command: str, folder: Path) -> None:
    done = shell(f"$G {command} >&-", folder)
    assert done.returncode == 1
    assert done.stderr == "gantool: The output cannot be written to stdout: Bad file descriptor.\n"


def test_a_closed_stderr_changes_nothing(folder: Path) -> None:
    done = shell("$G train --steps 5 --batch-size 20 --out elsewhere 2>&-", folder)
    assert (done.returncode, done.stdout) == (0, "elsewhere/0001-digits\n")


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    done = shell("for i in 1 2 3; do $G config show mnist | head -1; done", folder)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_a_log_that_nobody_reads_ends_no_training(folder: Path) -> None:
    done = shell("$G train --steps 300 --set training.log_every=1 --out pipe 2>&1 | head -1", folder)
    assert len(done.stdout.splitlines()) == 1
    answer = json.loads(shell("$G runs --json --out pipe", folder).stdout)
    assert [(run["state"], run["step"]) for run in answer["runs"]] == [("finished", 300)]


def test_a_full_disk_behind_the_log_ends_no_training(folder: Path) -> None:
    done = shell("$G train --steps 5 --batch-size 20 --out full 2> /dev/full", folder)
    assert (done.returncode, done.stdout) == (0, "full/0001-digits\n")


@pytest.mark.parametrize("arguments", ["config list --json", "--help", "eval parzen --help", "config list"])
def test_an_alphabet_without_our_letters(arguments: str, folder: Path) -> None:
    done = shell(f"$G {arguments}", folder, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    if "--json" in arguments:
        assert len(json.loads(done.stdout)["presets"]) > 3


def test_json_is_ascii(folder: Path) -> None:
    done = shell("$G eval parzen --num-samples 20 --no-references --json", folder)
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["num_samples"] == 20


def test_a_result_that_cannot_be_recorded_is_shown_all_the_same(folder: Path) -> None:
    records = folder / "runs" / "0001-digits" / "evaluations.jsonl"
    kept = records.read_bytes() if records.exists() else b""
    records.unlink(missing_ok=True)
    records.mkdir()
    try:
        done = shell("$G eval parzen --num-samples 20 --no-references --json", folder)
    finally:
        records.rmdir()
        records.write_bytes(kept)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_samples"] == 20
    assert "Warning: The result is not recorded: runs/0001-digits/evaluations.jsonl cannot be written" in done.stderr
