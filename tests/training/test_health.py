"""The looks at the samples during training: what they measure, when they are taken, and when an alarm begins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from torch import Tensor

from gantool.config import DataConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import Dataset, Split, load_dataset
from gantool.runs import Run, find_run
from gantool.runs.checkpoint import find_checkpoint
from gantool.sampling import generate
from gantool.training.record.divergence import Diverged
from gantool.training.record.health import SIGMAS, Health, distinct_rows, has_collapsed
from gantool.training.record.metrics import Record
from gantool.training.session import resume_run, start_run
from gantool.training.state import build_state

CPU = torch.device("cpu")


class Collector:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def on_record(self, record: Record) -> None:
        self.records.append(record)

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


def make_config(**training: Any) -> RunConfig:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    changes = {"steps": 100, "log_every": 10, "sample_every": 10**6, "checkpoint_every": 40, "watch_every": 2}
    return replace(config, training=replace(config.training, **changes | training))


def play(config: RunConfig, dataset: Dataset, folder: Path) -> Run:
    return start_run(config, dataset, CPU, folder, lambda run, total: Collector()).run


def lines_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


def record_at(step: int) -> Record:
    return Record(step, 1, *[0.0] * 10)


def test_a_look_is_the_figures_of_its_samples_in_float64(digits: Dataset) -> None:
    config = make_config()
    state = build_state(config, digits, CPU)
    with torch.no_grad():  # spread the samples, so that some are near and some are not
        state.game.generator.network.layers[-1].affine.weight.mul_(60)
    health = Health(config, digits, state, [])
    look = health.look(11)
    network = state.game.generator.network.eval()
    samples = generate(network, config.noise, 1_000, seed=health.seed, device="cpu").double().numpy()
    near = (cdist(samples, samples) <= health.radius).sum()
    assert 1 < look.distinct_samples == pytest.approx(1_000**2 / near, rel=1e-3)
    expected = 1 - np.log(look.distinct_samples) / np.log(health.distinct_real)
    assert look.collapse_score == pytest.approx(max(0, expected))
    rows = digits.values(digits.validation.stored).double().numpy()
    squared = cdist(rows, samples) ** 2

    def density(sigma: float) -> np.ndarray:
        mean: np.ndarray = logsumexp(-squared / (2 * sigma**2), axis=1) - np.log(1_000)
        return mean - 32 * np.log(2 * np.pi * sigma**2)

    best = max(SIGMAS, key=lambda sigma: density(sigma)[:150].mean())
    assert look.validation_sigma == pytest.approx(best)
    assert look.validation_log_likelihood == pytest.approx(density(best)[150:].mean(), abs=1e-2)


def test_real_rows_score_about_zero_and_one_row_scores_one(digits: Dataset) -> None:
    health = Health(make_config(), digits, build_state(make_config(), digits, CPU), [])
    rows = digits.values(digits.train.stored)
    assert distinct_rows(rows[:1].repeat(500, 1), health.radius) == 1
    assert distinct_rows(torch.cat([rows[:4]] * 100), health.radius) == pytest.approx(4)
    assert distinct_rows(rows[-500:], health.radius) > 480


@pytest.mark.parametrize("name", ["mixture1d", "ring2d", "grid2d"])
def test_points_of_a_toy_mixture_differ_as_brute_force_says(name: str) -> None:
    rows = load_dataset(DataConfig(name)).train.stored[:1_000]
    table = cdist(rows.double().numpy(), rows.double().numpy())
    np.fill_diagonal(table, np.inf)
    radius = np.quantile(table.min(axis=1), 0.01)
    assert distinct_rows(rows, radius) == pytest.approx(1e6 / (1_000 + (table <= radius).sum()))


def test_looks_come_with_the_line_after_every_second_epoch(digits: Dataset, tmp_path: Path) -> None:
    run = play(make_config(), digits, tmp_path)
    with_look = [line["step"] for line in lines_of(run) if "collapse_score" in line]
    assert with_look == [30, 50, 70, 90]  # epochs of 11 steps end at 22, 44, 66, 88
    assert {"distinct_samples", "validation_log_likelihood", "validation_sigma"} <= lines_of(run)[2].keys()


def test_zero_never_looks_and_training_is_the_same_to_the_last_bit(digits: Dataset, tmp_path: Path) -> None:
    watched = play(make_config(), digits, tmp_path / "watched")
    alone = play(make_config(watch_every=0), digits, tmp_path / "alone")
    assert not any("collapse_score" in line for line in lines_of(alone))
    for name in ("generator", "discriminator", "optimizer", "rng"):
        files = [(find_checkpoint(run.checkpoints) / f"{name}.safetensors").read_bytes() for run in (watched, alone)]
        assert files[0] == files[1]


def test_looks_and_alarms_are_the_same_after_a_resume(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The samples are still alike here: an alarm is due.
    monkeypatch.setattr("gantool.training.record.health.PATIENCE", 1)
    straight = play(make_config(), digits, tmp_path / "straight")
    play(make_config(steps=57), digits, tmp_path / "halves")
    halves = find_run("latest", tmp_path / "halves")
    resumed = resume_run(halves, digits, CPU, lambda run, total: Collector(), steps=100).run
    first, second = ([{k: line.get(k) for k in ("step", "distinct_samples", "alarms")} for line in lines_of(run)]
                     for run in (straight, resumed))  # fmt: skip
    assert first == second
    assert len(straight.alarms()) == 1
    assert resumed.alarms() == straight.alarms()
    raised = [{"step": straight.alarms()[0]["step"], "kind": "collapse"}]
    assert [{"step": alarm["step"], "kind": alarm["kind"]} for alarm in resumed.alarms()] == raised


@pytest.mark.parametrize(
    ("history", "collapsed"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 3.3, 10.9, 33.0, 51.0], False),  # MNIST, simultaneous, seed 1
        ([1.0, 2.0, 9.0, 18.9, 54.9, 50.5, 38.2], False),  # seed 0, slow to start
        ([1.0, 5.5, 5.4, 4.0, 18.2, 34.8], False),  # the digits
        ([1.0, 8.6, 20.8, 10.4], False),
        ([1.0, 8.6, 20.8, 10.4, 7.0], True),  # MNIST, alternating
        ([1.0, 2.3, 1.0, 1.1, 1.0], True),  # the same, another seed
        ([1.0, 1.5, 2.0, 2.5, 3.0], False),  # opening up, slowly
        ([1.0, 40.0, 300.0, 20.0], True),
        ([1.0, 40.0, 300.0, 40.0], False),
        ([300.0, 310.0, 290.0, 305.0, 300.0], False),  # no longer growing, and not few
    ],
)
def test_a_collapse_by_its_history(history: list[float], collapsed: bool) -> None:
    assert has_collapsed(history, few=99.0) is collapsed


def test_an_alarm_is_raised_once_an_onset(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(make_config(), digits, build_state(make_config(), digits, CPU), [])
    seen = iter([400.0, 300.0, 5.0, 3.0, 4.0, 350.0, 2.0])
    look = health.look(30)
    monkeypatch.setattr(health, "look", lambda step: replace(look, distinct_samples=next(seen)))
    monkeypatch.setattr(health, "is_due", lambda step: True)
    records = [health.see(record_at(step)) for step in range(7)]
    assert [record.step for record in records if record.alarms] == [2, 6]
    assert records[2].alarms[0].kind == "collapse"
    assert "1,000 samples come to about 5.0 different ones, after 400.0" in records[2].alarms[0].sentence
    assert records[2].to_dict()["alarms"] == [vars(records[2].alarms[0])]


def test_a_sample_that_is_not_finite_is_divergence(digits: Dataset) -> None:
    state = build_state(make_config(), digits, CPU)
    with torch.no_grad():
        state.game.generator.network.layers[-1].affine.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="at step 11 the value of a sample is not finite"):
        Health(make_config(), digits, state, []).look(11)


def test_without_validation_rows_there_is_no_likelihood(digits: Dataset) -> None:
    dataset = replace(digits, validation=Split(digits.validation.stored[:0]))
    look = Health(make_config(), dataset, build_state(make_config(), dataset, CPU), []).look(11)
    assert (look.validation_log_likelihood, look.validation_sigma) == (None, None)
    assert "validation_sigma" not in replace(record_at(11), look=look).to_dict()


@pytest.mark.parametrize(("knows", "alarmed"), [(True, True), (False, False)])
def test_a_discriminator_that_knows_the_training_rows_by_heart_is_told_once(
    knows: bool, alarmed: bool, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that answers 4 on training rows, or on all real rows, and −4 on whatever else."""
    state = build_state(make_config(), digits, CPU)
    known = (
        [digits.values(digits.train.stored)]
        if knows
        else [digits.values(split.stored) for split in (digits.train, digits.validation)]
    )

    def judge(rows: Tensor, rng: object = None) -> Tensor:
        near = torch.cdist(rows.double(), torch.cat(known).double()).min(dim=1).values < 1e-6
        return torch.where(near, 4.0, -4.0)

    monkeypatch.setattr(state.game.discriminator.network, "forward", judge)
    health = Health(make_config(), digits, state, [])
    step = 600  # a look is due
    while not health.is_due(step):
        step += 1
    first, second = health.see(record_at(step)), health.see(record_at(step))
    look = first.look
    assert look is not None
    assert look.discriminator_on_training == pytest.approx(torch.sigmoid(torch.tensor(4.0)).item())
    assert [alarm.kind for alarm in first.alarms] == (["overfit"] if alarmed else [])
    assert second.alarms == ()
    if knows:
        assert look.discriminator_overfit == pytest.approx(1.0)
        assert "by heart" in first.alarms[0].sentence
    else:
        assert look.discriminator_overfit == 0.0
