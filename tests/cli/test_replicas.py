"""`gantool train --replicas` and `gantool eval parzen --replicas` as a user types them."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
from calling import Command
from rich.console import Console

from gantool.cli.progress import Display
from gantool.cli.replicas import ReplicaDisplay
from gantool.runs import open_run
from gantool.runs.status import Ending, write_ending
from gantool.training.record.metrics import Alarm, Look, Record

TRAIN = ("train", "--steps", "20", "--set", "training.log_every=10", "--seed", "5", "--out")


call = Command()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three replicas at seeds 5, 6 and 7, 20 steps each."""
    path = tmp_path_factory.mktemp("replicas")
    result = call(*TRAIN, path, "--replicas", 3, "--json")
    assert result.exit_code == 0, result.stderr
    answers = json.loads(result.stdout)["replicas"]
    assert [(answer["state"], answer["step"]) for answer in answers] == [("finished", 20)] * 3
    assert "mean of 3 replicas" in result.stderr
    return path


def test_each_replica_is_a_run_that_the_other_commands_know(folder: Path) -> None:
    names = ["0001-digits-seed5", "0002-digits-seed6", "0003-digits-seed7"]
    listed = json.loads(call("runs", "--out", folder, "--json").stdout)["runs"]
    assert [row["name"] for row in listed] == names
    assert (folder / "latest").resolve().name == names[-1]
    assert [open_run(folder / name).config.training.seed for name in names] == [5, 6, 7]
    assert call("sample", "2", "--runs-dir", folder, "--grid", folder / "sheet.png").exit_code == 0


def test_their_score_is_the_mean_and_its_standard_error(folder: Path) -> None:
    options = ("--out", folder, "--num-samples", 200, "--no-references", "--json")
    found = json.loads(call("eval", "parzen", "--replicas", *options).stdout)
    values = [json.loads(call("eval", "parzen", n, *options).stdout)["log_likelihood"] for n in (1, 2, 3)]
    assert found["seeds"] == [5, 6, 7]
    assert found["mean"] == pytest.approx(mean(values), rel=1e-12)
    assert found["standard_error_across_seeds"] == pytest.approx(stdev(values) / math.sqrt(3), rel=1e-12)


def test_they_go_on_together(tmp_path: Path) -> None:
    assert call(*TRAIN, tmp_path, "--replicas", 2).exit_code == 0
    wrong = call("train", "--resume", "latest", "--steps", 40, "--out", tmp_path, "--replicas", 3)
    assert wrong.exit_code == 2
    assert "has 2 replicas: resume them with --replicas 2." in wrong.stderr.replace("\n", " ")
    result = call("train", "--resume", "latest", "--steps", 40, "--out", tmp_path, "--replicas", 2, "--json")
    assert [answer["step"] for answer in json.loads(result.stdout)["replicas"]] == [40, 40]
    assert "2 replicas at once" in json.loads(result.stdout)["replicas"][0]["step_impl"]


def test_what_is_left_of_them_goes_on_and_says_how(tmp_path: Path) -> None:
    assert call(*TRAIN, tmp_path, "--replicas", 3, "--tensorboard").exit_code == 0
    runs = [open_run(tmp_path / name) for name in ("0001-digits-seed5", "0002-digits-seed6", "0003-digits-seed7")]
    assert all(any((run.path / "tensorboard").iterdir()) for run in runs)
    for run in runs:
        replace(run, config=replace(run.config, training=replace(run.config.training, steps=40))).write_config()
    for run in runs[:2]:
        write_ending(run.path, Ending("failed", 23, "Training diverged."))
    options = ("train", "--resume", 2, "--steps", 40, "--out", tmp_path, "--replicas", 3)
    shown = call(*options, "--dry-run")
    assert "0002-digits-seed6 has failed and is left out." in shown.stderr
    result = call(*options, "--json")
    assert [answer["run"] for answer in json.loads(result.stdout)["replicas"]] == [str(runs[2].path)]
    assert f"Next: gantool eval parzen {runs[2].path} --replicas." in result.stderr
    assert runs[2].status().state == "finished"
    assert call(*options).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--replicas", "1"), "--replicas must be 2 or more, but is 1; leave it out to train one run."),
        (("train", "--replicas", "-3"), "--replicas must be 2 or more, but is -3; leave it out to train one run."),
        (("eval", "parzen", "--replicas", "--seeds"), "--seeds and --replicas exclude each other"),
        (("eval", "parzen", "1", "2", "--replicas"), "--replicas finds the other runs by itself"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], sentence: str, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    result = call(*arguments, "--out", folder)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_dry_run_names_the_seeds(tmp_path: Path) -> None:
    result = call(*TRAIN, tmp_path / "runs", "--replicas", 4, "--dry-run")
    assert "replicas       4, seeds 5, 6, 7, 8" in result.stdout
    assert not (tmp_path / "runs").exists()


def test_the_display_shows_means_and_names_who_raised_an_alarm() -> None:
    out = io.StringIO()
    with (
        Display(Console(file=out, width=200), total_steps=20, subject="mean of 2 replicas") as display,
        ReplicaDisplay(display) as replicas,
    ):
        one, other = replicas.observer("0001-a"), replicas.observer("0002-b")
        one.on_record(Record(10, 1, 0.2, *[0.5] * 9, look=Look(0.0, 10.0, 5.0, 0.2)))
        alarms = (Alarm("collapse", "X."),)
        other.on_record(Record(10, 1, 0.4, *[0.5] * 9, look=Look(0.5, 20.0, 6.0, 0.2), alarms=alarms))
        one.on_record(Record(20, 2, 0.7, *[0.5] * 9))  # the other has failed
    lines = out.getvalue().splitlines()
    assert lines[0] == "ALARM at step 10: 0002-b: X."
    assert lines[1].startswith("step 10/20  epoch 1  D loss 0.300")
    assert lines[1].endswith("(mean of 2 replicas)")
    assert lines[2].startswith("  samples at step 10: about 15 differ (collapse score 0.25), validation 5.5 nats")
    assert lines[3].startswith("step 20/20  epoch 2  D loss 0.700")
