"""Table 1 end to end on the digits: interrupted and gone on with, scored, and set beside the paper's rows."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.subject import Place, subject_of_run
from gantool.locks import Lock, acquire
from gantool.reproduce.paper import TABLE_1
from gantool.reproduce.table1 import score_table
from gantool.reproduce.training import Plan, Trained, train_seeds
from gantool.runs import Run, list_runs
from gantool.runs.status import Ending, write_ending
from gantool.training.record.member import Observer
from gantool.training.record.metrics import Record
from gantool.training.session import start_run

CPU = torch.device("cpu")
PLACE = Place(CPU, offline=True)


class Player:
    """An observer that presses Ctrl-C when a step of a seed's run is logged, and remembers which runs were trained."""

    def __init__(self, seed: int | None = None, step: int = 50) -> None:
        self.seed, self.step = seed, step
        self.trained: list[tuple[int, int]] = []
        self.open = 0

    @contextmanager
    def _watching(self, run: Run) -> Iterator[Observer]:
        self.open += 1
        self.current = run.config.training.seed
        self.trained.append((self.current, run.latest_step() or 0))
        yield self
        self.open -= 1

    def __call__(self, run: Run, total_steps: int) -> AbstractContextManager[Observer]:
        return self._watching(run)

    def on_record(self, record: Record) -> None:
        if (self.current, record.step) == (self.seed, self.step):
            os.kill(os.getpid(), signal.SIGINT)

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


class SignalAt(Player):
    """Presses Ctrl-C when a step is logged, whatever the seed."""

    def __init__(self, step: int) -> None:
        super().__init__(0, step)
        self.current = 0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def straight(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Trained]:
    """Two seeds of 100 steps that nothing interrupted."""
    plan = Plan("digits", tmp_path_factory.mktemp("straight"), seeds=2, steps=100)
    return plan, train_seeds(plan, digits, CPU, Player())


def weights(run: Run) -> bytes:
    return (run.checkpoints / "step-0000100" / "generator.safetensors").read_bytes()


def test_each_seed_is_a_run_of_its_own(straight: tuple[Plan, Trained]) -> None:
    runs = straight[1].runs
    assert straight[1].stopped is None
    assert [(run.config.training.seed, run.latest_step()) for run in runs] == [(0, 100), (1, 100)]
    assert weights(runs[0]) != weights(runs[1])


def test_interrupted_it_saves_and_the_same_call_goes_on(
    straight: tuple[Plan, Trained], digits: Dataset, tmp_path: Path
) -> None:
    plan = replace(straight[0], folder=tmp_path / "runs")
    player = Player(seed=1)
    stopped = train_seeds(plan, digits, CPU, player)
    assert stopped.stopped is not None
    assert (stopped.stopped.step, stopped.stopped.signal_number) == (50, signal.SIGINT)
    assert (len(stopped.runs), player.open) == (1, 0)
    again = Player()
    finished = train_seeds(plan, digits, CPU, again)
    assert again.trained == [(1, 50)], "the finished seed is not trained again, and the other goes on where it stood"
    assert len(list_runs(plan.folder)) == 2
    for run, other in zip(finished.runs, straight[1].runs, strict=True):
        assert weights(run) == weights(other)
    untouched = Player()
    assert train_seeds(plan, digits, CPU, untouched).runs == finished.runs
    assert untouched.trained == []


def test_another_length_is_another_run(straight: tuple[Plan, Trained], digits: Dataset) -> None:
    player = Player()
    shorter = train_seeds(replace(straight[0], seeds=1, steps=10), digits, CPU, player)
    assert player.trained == [(0, 0)]
    assert shorter.runs[0].path not in {run.path for run in straight[1].runs}


def test_a_run_that_was_killed_before_it_said_finished_is_finished(
    straight: tuple[Plan, Trained], digits: Dataset
) -> None:
    run = straight[1].runs[0]
    write_ending(run.path, Ending("stopped", 90, None))
    player = Player()
    train_seeds(replace(straight[0], seeds=1), digits, CPU, player)
    assert player.trained == []


def test_another_description_is_the_same_run(straight: tuple[Plan, Trained], digits: Dataset, tmp_path: Path) -> None:
    plan = replace(straight[0], folder=tmp_path, seeds=1, steps=5)
    run = train_seeds(plan, digits, CPU, Player()).runs[0]
    replace(run, config=replace(run.config, about="in other words")).write_config()
    player = Player()
    train_seeds(plan, digits, CPU, player)
    assert player.trained == []


def test_the_run_that_came_farthest_goes_on(digits: Dataset, tmp_path: Path) -> None:
    plan = Plan("digits", tmp_path, seeds=1, steps=130)
    far = start_run(plan.config(0), digits, CPU, tmp_path, lambda run, total: SignalAt(100)).run
    near = start_run(plan.config(0), digits, CPU, tmp_path, lambda run, total: SignalAt(50)).run
    assert (far.latest_step(), near.latest_step()) == (100, 50)
    player = Player()
    assert train_seeds(plan, digits, CPU, player).runs[0].path == far.path
    assert player.trained == [(0, 100)]


def test_a_seed_that_another_process_trains_is_not_trained_twice(digits: Dataset, tmp_path: Path) -> None:
    plan = Plan("digits", tmp_path, seeds=1, steps=20)
    run = train_seeds(plan, digits, CPU, Player()).runs[0]
    lock = acquire(run.path)
    assert isinstance(lock, Lock)
    with pytest.raises(UsageError, match=f"is being trained by process {os.getpid()}"):
        train_seeds(plan, digits, CPU, Player())
    lock.release()


def test_another_length_than_the_presets_is_said(straight: tuple[Plan, Trained], digits: Dataset) -> None:
    notes = score_table(straight[0], digits, straight[1].runs, PLACE).to_dict()["notes"]
    assert any("the preset digits, shortened or lengthened: " in note for note in notes)


def test_the_table_holds_every_score_and_names_every_uncertainty(
    straight: tuple[Plan, Trained], digits: Dataset
) -> None:
    plan, trained = straight
    payload = score_table(plan, digits, trained.runs, PLACE).to_dict()
    assert json.loads((plan.folder / "table1.json").read_text()) == json.loads(json.dumps(payload))
    single = [
        measure("parzen", subject_of_run(run, PLACE, "test"), ParzenSettings(references=False)) for run in trained.runs
    ]
    scores = [result.log_likelihood for result in single]
    mean, *seeds, images, centroids = payload["rows"]
    assert mean["log_likelihood"] == pytest.approx(np.mean(scores))
    assert mean["standard_error"] == pytest.approx(np.std(scores, ddof=1) / math.sqrt(2))
    assert mean["uncertainty"] == "across 2 training seeds"
    assert [row["log_likelihood"] for row in seeds] == scores
    assert [row["standard_error"] for row in seeds] == [result.standard_error for result in single]
    assert {row["uncertainty"] for row in seeds} == {"across 300 test rows"}
    assert [(row["origin"], row["model"]) for row in (images, centroids)] == [
        ("reference", "Real training images"), ("reference", "k-means centroids"),
    ]  # fmt: skip
    assert (payload["uncertainties"][0]["name"], payload["uncertainties"][0]["value"]) == (
        "training seed", mean["standard_error"],
    )  # fmt: skip
    assert any("The paper has no column for digits" in note for note in payload["notes"])
    for run in trained.runs:
        record = run.scores("parzen")[0]
        assert (record["split"], record["sigma_source"], record["num_samples"]) == ("test", "validation", 10_000)


def test_the_curve_is_that_of_the_checkpoints_on_validation_rows(
    straight: tuple[Plan, Trained], digits: Dataset
) -> None:
    plan, trained = straight
    payload = score_table(plan, digits, trained.runs, PLACE).to_dict()
    kept = [int(path.name[5:]) for path in sorted(trained.runs[0].checkpoints.iterdir())]
    assert [(point["seed"], point["step"]) for point in payload["curve"]] == [
        (s, step) for s in (0, 1) for step in kept
    ]
    assert payload["curve"][-1]["epochs"] == pytest.approx(100 / (len(digits.train) // 100))
    point = payload["curve"][len(kept) - 1]
    settings = ParzenSettings(references=False)
    found = measure("parzen", subject_of_run(trained.runs[0], PLACE, "validation", point["step"]), settings)
    assert found.refined is not None
    assert (point["log_likelihood"], point["sigma"]) == (found.log_likelihood, found.sigma)
    assert (point["refined_log_likelihood"], point["test_size"]) == (found.refined.log_likelihood, found.test_size)
    assert payload["configuration"] == trained.runs[0].config.to_dict()
    assert [told["seed"] for told in payload["training"]] == [0, 1]
    assert all(told["seconds"] > 0 and told["environment"]["device"] == "cpu" for told in payload["training"])


def test_the_papers_rows_come_first(straight: tuple[Plan, Trained], digits: Dataset) -> None:
    """The digits' scores under MNIST's name: what is looked at is the paper's part of the table."""
    plan = replace(straight[0], dataset="mnist")
    assert (plan.column, replace(plan, dataset="mnist-long").column) == ("mnist", "mnist")
    rows = score_table(plan, digits, straight[1].runs, PLACE).rows
    assert [(row.model, row.log_likelihood, row.standard_error) for row in rows[:4]] == [
        ("DBN, the paper", 138.0, 2.0),
        ("Stacked CAE, the paper", 121.0, 1.6),
        ("Deep GSN, the paper", 214.0, 1.1),
        ("Adversarial nets, the paper", 225.0, 2.0),
    ]
    assert {row.uncertainty for row in rows[:4]} == {"across test examples"}
    assert rows[4].origin == "gantool"
    assert [row.model for row in TABLE_1["tfd"]] == [row.model for row in TABLE_1["mnist"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seeds": 0}, "--seeds must be"), ({"epochs": 1, "steps": 1}, "--epochs and --steps exclude each other")],
)
def test_plans_are_checked_on_construction(change: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Plan("digits", tmp_path, **change)
