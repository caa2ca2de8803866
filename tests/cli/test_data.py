"""`gantool data`: what it prints where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gantool.cli.app import app
from gantool.data import DATASETS
from gantool.data.remote import MNIST_FILES


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def answer(*arguments: object) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_list_says_what_is_ready_and_what_must_be_fetched(tmp_path: Path) -> None:
    payload = answer("list", "--data-dir", tmp_path)
    assert payload["data_root"] == str(tmp_path)
    sets = {row["name"]: row for row in payload["datasets"]}
    assert list(sets) == list(DATASETS)
    assert sets["digits"]["state"] == sets["grid2d"]["state"] == "ready"
    assert sets["mnist"]["state"] == "missing"
    assert sets["mnist"]["missing"] == [file.name for file in MNIST_FILES.files]
    assert sets["mnist"]["remedy"] == "gantool data fetch mnist"
    assert sets["array"]["state"] == "needs a path"


def test_list_for_people_goes_to_stdout(tmp_path: Path) -> None:
    result = run("list", "--data-dir", tmp_path)
    assert result.exit_code == 0
    assert "gantool data fetch mnist" in result.stdout
    assert all(name in result.stdout for name in DATASETS)


def test_list_finds_real_mnist(mnist_root: Path) -> None:
    sets = {row["name"]: row for row in answer("list", "--data-dir", mnist_root)["datasets"]}
    assert (sets["mnist"]["state"], sets["mnist"]["missing"]) == ("ready", [])


def test_info_digits() -> None:
    payload = answer("info", "digits")
    assert (payload["shape"], payload["dimension"]) == ([1, 8, 8], 64)
    assert (payload["stored"], payload["divisor"]) == ("uint8", 16)
    assert {name: split["rows"] for name, split in payload["splits"].items()} == {
        "train": 1_197,
        "validation": 300,
        "test": 300,
    }
    for split in payload["splits"].values():
        assert (split["minimum"], split["maximum"]) == (0.0, 1.0)
        assert sum(split["labels"].values()) == split["rows"]
    assert payload["files"] == []


def test_info_mnist_counts_the_classes_and_verifies_the_files(mnist_root: Path) -> None:
    payload = answer("info", "mnist", "--data-dir", mnist_root)
    # The test set's class counts, as published with the data.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert payload["splits"]["test"]["labels"] == {str(digit): count for digit, count in enumerate(counts)}
    assert [file["checksum"] for file in payload["files"]] == ["verified"] * 4
    shown = run("info", "mnist", "--data-dir", mnist_root)
    assert "50,000" in shown.stdout
    assert "1×28×28: 784 values" in shown.stdout


def test_info_names_the_file_that_holds_other_values(mnist_root: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for file in MNIST_FILES.files:
        (tmp_path / "mnist" / file.name).symlink_to(mnist_root / "mnist" / file.name)
    spoilt = tmp_path / "mnist" / "t10k-labels-idx1-ubyte"
    spoilt.write_bytes(b"\0\0\x08\x01" + (10_000).to_bytes(4, "big") + bytes(10_000))
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    result = run("info", "mnist", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert f"{spoilt} holds other values than MNIST's file of that name" in result.stderr


def test_info_never_downloads(tmp_path: Path) -> None:
    result = run("info", "mnist", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert "run `gantool data fetch mnist`" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_info_of_the_users_own_array(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.linspace(-2, 3, 100 * 48, dtype=np.float32).reshape(100, 4, 4, 3))
    payload = answer("info", "array", "--path", tmp_path / "mine.npy")
    assert payload["shape"] == [3, 4, 4]
    assert payload["splits"]["train"]["rows"] == 80
    assert min(split["minimum"] for split in payload["splits"].values()) == -2
    assert max(split["maximum"] for split in payload["splits"].values()) == 3
    assert payload["splits"]["train"]["labels"] is None
    assert "no labels" in run("info", "array", "--path", tmp_path / "mine.npy").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "mnits"], "did you mean mnist?"),
        (["fetch", "mnits"], "did you mean mnist?"),
        (["info", "array"], "--path names your own file"),
        (["info", "digits", "--path", "x.npy"], "--path names your own file"),
        (["info", "array", "--path", "absent.npy"], "absent.npy does not exist"),
        (["fetch", "mnist", "--from", "absent"], "absent does not hold all files of mnist: train-images"),
        (["fetch", "mnist", "--from", "a", "--mirror", "https://b/"], "exclude each other"),
        (["fetch", "mnist", "--mirror", "gopher://b/"], "--mirror must be an https:// or http:// address"),
        (["fetch", "mnist", "--offline"], "--offline forbids downloading"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTOOL_DATA_DIR", str(tmp_path))
    result = run(*arguments, "--json")
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    payload = json.loads(result.stdout)
    assert said in payload["error"]
    assert payload["exit_code"] == 2


def test_fetch_from_a_folder_then_again(mnist_root: Path, tmp_path: Path) -> None:
    payload = answer("fetch", "mnist", "--from", mnist_root, "--data-dir", tmp_path)
    assert payload["fetched"] == [file.name for file in MNIST_FILES.files]
    assert payload["folder"] == str(tmp_path / "mnist")
    again = run("fetch", "mnist", "--offline", "--data-dir", tmp_path)
    assert again.exit_code == 0
    assert "everything was there, every checksum verified" in again.stdout


def test_fetch_fails_with_exit_code_1_when_no_mirror_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    result = run("fetch", "mnist", "--mirror", "http://127.0.0.1:9/", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "could not be downloaded (http://127.0.0.1:9/train-images-idx3" in result.stderr
    assert "Connection refused" in result.stderr
    assert list((tmp_path / "mnist").iterdir()) == []


def test_fetch_of_what_needs_no_files(tmp_path: Path) -> None:
    assert answer("fetch", "digits", "--data-dir", tmp_path) == {"name": "digits", "folder": None, "fetched": []}
    assert "nothing to fetch" in run("fetch", "digits").stdout


@pytest.mark.parametrize("command", ["list", "info", "fetch"])
def test_help_has_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: gantool data {command}" in result.output
    assert "--json" in result.output
