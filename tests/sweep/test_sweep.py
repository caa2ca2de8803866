"""A sweep end to end: the same runs as one by one, gone on with where it stopped, failures told and not hidden."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from training.watching import assert_same_weights, silent

from gantool.config.sources import preset_text, read_tree
from gantool.data import load_dataset
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.subject import Place, subject_of_run
from gantool.runs import list_runs, open_run
from gantool.sweep.plan import Sweep, grid
from gantool.sweep.session import run_sweep
from gantool.sweep.table import SweepTable
from gantool.sweep.workers import Done
from gantool.training.session import start_run

PLACE = Place(torch.device("cpu"), offline=True)
MEASURES = (("parzen", ParzenSettings(num_samples=200, references=False)),)


def plan(folder: Path) -> Sweep:
    tree = read_tree(preset_text("digits"), "digits")
    tree["training"] |= {"steps": 40, "log_every": 10, "watch_every": 0, "checkpoint_every": 20}
    # The third diverges at its first step.
    points = grid(tree, ["optimizer.learning_rate=0.05,0.2,1e38"])
    return Sweep(points, folder, seeds=2)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, SweepTable, list[Done]]:
    ends: list[Done] = []
    sweep = plan(tmp_path_factory.mktemp("sweep"))
    table, signal_number = run_sweep(sweep, MEASURES, PLACE, 2, lambda done, count, total: ends.append(done))
    assert signal_number is None
    return sweep, table, ends


def test_its_runs_are_those_that_are_trained_one_by_one(
    swept: tuple[Sweep, SweepTable, list[Done]], tmp_path: Path
) -> None:
    sweep, table, _ends = swept
    config = sweep.configs(sweep.points[1])[1]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = start_run(config, load_dataset(config.data), PLACE.device, tmp_path, silent).run
        score = measure("parzen", subject_of_run(alone, PLACE, "test"), MEASURES[0][1]).log_likelihood
    finally:
        torch.set_num_threads(threads)
    assert_same_weights(alone, open_run(Path(table.rows[1].runs[1])))
    assert table.rows[1].cells["Parzen, nats"].values[1] == score


def test_the_table_holds_mean_and_standard_error(swept: tuple[Sweep, SweepTable, list[Done]]) -> None:
    sweep, _table, _ = swept
    written = json.loads((sweep.folder / "sweep.json").read_text())
    first = written["rows"][0]["cells"]["Parzen, nats"]
    one, two = first["values"]
    assert first["mean"] == pytest.approx((one + two) / 2)
    assert first["standard_error"] == pytest.approx(abs(one - two) / math.sqrt(2) / math.sqrt(2))
    assert written["environment"]["processor"]
    with Image.open(sweep.folder / "sweep.png") as picture:
        assert picture.format == "PNG"


def test_a_run_that_diverges_is_told_and_the_others_go_on(swept: tuple[Sweep, SweepTable, list[Done]]) -> None:
    _, table, ends = swept
    assert table.rows[2].cells == {}
    assert len(table.rows[2].failures) == 2
    assert all("diverged" in reason for reason in table.rows[2].failures)
    assert sorted(done.state for done in ends) == ["diverged"] * 2 + ["finished"] * 4


def test_the_same_again_trains_nothing_and_gives_the_same(swept: tuple[Sweep, SweepTable, list[Done]]) -> None:
    sweep, table, _ = swept
    before = {path: path.stat().st_mtime_ns for run in list_runs(sweep.folder) for path in run.path.rglob("*")}
    again, _ = run_sweep(sweep, MEASURES, PLACE, 1, lambda done, count, total: None)
    after = {path: path.stat().st_mtime_ns for run in list_runs(sweep.folder) for path in run.path.rglob("*")}
    assert before == after
    assert [row.cells for row in again.rows] == [row.cells for row in table.rows]
    assert [row.failures for row in again.rows] == [row.failures for row in table.rows]
    assert len(list_runs(sweep.folder)) == 6


def test_interrupted_it_saves_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    """Ctrl-C on a terminal reaches every process of the group."""
    command = [
        sys.executable, "-m", "gantool", "sweep", "--preset", "digits", "--vary", "training.k=1,2", "--seeds", "1",
        "--steps", "3000", "--n", "50", "--set", "training.watch_every=0", "--out", str(tmp_path / "s"), "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _wait_for(lambda: len([run for run in list_runs(tmp_path / "s") if run.records()]) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "the same command goes on" in err.decode()
    assert [run.status().state for run in list_runs(tmp_path / "s")] == ["stopped", "stopped"]
    assert sum(row["missing"] for row in json.loads(out)["rows"]) == 2


def _wait_for(holds: object) -> None:
    deadline = time.monotonic() + 90
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_more_seeds_only_add_what_is_missing(swept: tuple[Sweep, SweepTable, list[Done]]) -> None:
    sweep, table, _ = swept
    trained = {run.path: run.metrics.stat().st_mtime_ns for run in list_runs(sweep.folder) if run.metrics.exists()}
    wider = replace(sweep, points=sweep.points[:1], seeds=3)
    again, _ = run_sweep(wider, MEASURES, PLACE, 1, lambda done, count, total: None, name="wider")
    assert again.rows[0].cells["Parzen, nats"].values[:2] == table.rows[0].cells["Parzen, nats"].values
    assert len(again.rows[0].cells["Parzen, nats"].values) == 3
    assert {path: path.joinpath("metrics.jsonl").stat().st_mtime_ns for path in trained} == trained
