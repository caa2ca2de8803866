"""`gantool runs`: which score is shown as a run's best, and what is said where the scores are unlike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.runs import Run, create_run

Scored = Callable[..., Run]


def score(nats: float, **change: Any) -> dict[str, Any]:
    record = {
        "dataset": "digits", "split": "test", "test_size": 300, "num_samples": 10_000, "dimension": 64, "sigma": 0.2,
        "sigma_source": "validation", "validation_size": 300, "pixel_scaling": "bytes / 16",
        "log_likelihood": nats, "standard_error": 1.0, "step": 7, "measure": "parzen",
    }  # fmt: skip
    return record | change


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """scored(line, …) → a run in the test's folder with these lines in evaluations.jsonl."""

    def make(*lines: dict[str, Any]) -> Run:
        config = build_config(read_tree(preset_text("digits"), "digits"))
        run = create_run(tmp_path, config, load_dataset(DataConfig("digits")), {})
        for line in lines:
            run.append_score(line)
        return run

    return make


def listed(folder: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["runs", "--out", str(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    return payload


def best(folder: Path) -> list[float | None]:
    return [row["best"] and row["best"]["log_likelihood"] for row in listed(folder)["runs"]]


def test_the_best_parzen_score_of_the_test_split(scored: Scored, tmp_path: Path) -> None:
    old = score(11.0)
    del old["measure"]
    scored(score(10.0), old, {"measure": "features", "log_likelihood": 99.0}, score(50.0, split="validation"))
    scored({"measure": "diversity", "alarms": []})
    assert best(tmp_path) == [11.0, None]


def test_a_given_sigma_and_fewer_samples_are_other_terms(scored: Scored, tmp_path: Path) -> None:
    scored(score(10.0), score(30.0, sigma_source="given"), score(20.0, num_samples=100))
    scored(score(30.0, sigma_source="given"), score(20.0, num_samples=100))
    scored(score(5.0, split="validation"))
    assert best(tmp_path) == [10.0, 20.0, 5.0]


def test_unlike_scores_in_one_table_are_said(scored: Scored, tmp_path: Path) -> None:
    scored(score(10.0))
    scored(score(9.0))
    assert listed(tmp_path)["notes"] == []
    scored(score(5.0, num_samples=400))
    scored(score(200.0, dataset="mnist", num_samples=400, dimension=784))
    said = ["The best scores on digits cannot be compared with one another: they differ in number of samples."]
    assert listed(tmp_path)["notes"] == said
    assert said[0] in " ".join(CliRunner().invoke(app, ["runs", "--out", str(tmp_path)]).stderr.split())


def test_scores_by_measure(scored: Scored) -> None:
    plain = {"log_likelihood": 1.0, "num_samples": 10, "sigma": 0.2, "split": "test", "dataset": "digits"}
    lines = [plain, {"measure": "features"}, {**plain, "measure": "parzen"}]
    run = scored(*lines)
    assert run.scores() == lines
    assert run.scores("parzen") == [lines[0], lines[2]]
    assert run.scores("features") == [lines[1]]
