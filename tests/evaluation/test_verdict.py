"""Verdicts where chance is largest: few rows, rows that repeat themselves, and samples that do so in part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import binom

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.evaluation.arrays import Rows
from gantool.evaluation.diversity.bins import BinsResult, compare_bins
from gantool.evaluation.diversity.copies import find_memorisation
from gantool.evaluation.diversity.score import (
    DiversityResult,
    DiversitySettings,
    measure_diversity,
    real_rows_of_arrays,
)
from gantool.evaluation.diversity.verdict import close_by_chance, different_by_chance


def measured(
    cache: Path, samples: torch.Tensor, held_out: torch.Tensor, training: torch.Tensor | None
) -> DiversityResult:
    def given(values: torch.Tensor) -> Rows:
        return Rows(values, (values.shape[1],), "as given", "data", "--data data.npy")

    real = real_rows_of_arrays(given(held_out), None if training is None else given(training), seed=0)
    return measure_diversity(samples, real, DiversitySettings(1_000, cache=cache))


def kinds(result: DiversityResult) -> list[str]:
    return [alarm.kind for alarm in result.alarms]


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """All 1,797 rows, whatever their split."""
    dataset = load_dataset(DataConfig("digits"))
    return torch.cat([dataset.values(split.stored) for split in (dataset.train, dataset.validation, dataset.test)])


def shuffled(rows: torch.Tensor, seed: int) -> torch.Tensor:
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]


@pytest.mark.parametrize("count", [20, 30, 60, 100])
def test_few_fresh_rows_raise_no_alarm_and_few_replayed_ones_do(
    digits: torch.Tensor, count: int, tmp_path: Path
) -> None:
    for seed in range(12):
        rows = shuffled(digits, seed)
        assert kinds(measured(tmp_path, rows[:count], rows[count : 2 * count], rows[200:1_200])) == []
    noise = 0.05 * torch.randn(count, 64, generator=torch.Generator().manual_seed(0))
    for replayed in (rows[200 : 200 + count], rows[200 : 200 + count] + noise):
        result = measured(tmp_path, replayed, rows[count : 2 * count], rows[200:1_200])
        assert kinds(result) == ["memorisation"]


@pytest.mark.parametrize(("samples", "held_out"), [(20, 20), (60, 60), (150, 40), (40, 350)])
def test_close_by_chance_is_the_rate_of_fresh_rows(samples: int, held_out: int) -> None:
    """The distances' ranks are all that counts, so that those of uniform numbers to one training row at 0 will do."""
    draws = torch.rand(20_000, samples + held_out, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    least = draws[:, samples:].quantile(0.01, dim=1, keepdim=True)
    close = (draws[:, :samples] < least).double().mean(dim=1)
    found = find_memorisation(draws[0, :samples, None], torch.zeros(1, 1).double(), draws[0, samples:, None], seed=0)
    assert found.close_share == pytest.approx(close[0].item())
    for share in close.quantile(torch.tensor([0.9, 0.99, 0.999]).double()).mul(samples).ceil().div(samples).tolist():
        rate = (close >= share - 1e-9).double().mean().item()
        bound = close_by_chance(replace(found, close_share=share))
        # The quantile lies between two order statistics, of which the bound takes the larger one.
        assert rate - 4 * (rate / 20_000) ** 0.5 <= bound < 0.5
    assert close_by_chance(replace(found, close_share=0.0)) == pytest.approx(1)
    assert close_by_chance(replace(found, close_share=1.0)) < 1e-9


def test_different_bins_by_chance_are_binomial() -> None:
    for bins, different in ((3, 1), (6, 2), (30, 7), (100, 25)):
        found = BinsResult(100, 100, 100, bins, different, 0.05 * bins, 0, 0.0, 0.0, 1.0, 0.1, 0.0, 1.0)
        assert different_by_chance(found) == pytest.approx(binom.sf(different - 1, bins, 0.05), abs=1e-12)


@pytest.mark.parametrize(("count", "missing"), [(8, 0.5), (16, 0.0)])
def test_missing_mass_by_chance_is_that_of_coins(count: int, missing: float, tmp_path: Path) -> None:
    """Of two equal bins fresh rows leave one empty with probability 2^(1−N): more than 1/1000 at 8, less at 16."""
    training = torch.arange(2.0).repeat(5_000)[:, None]
    found, _ = compare_bins(training[:count], training, training[:20], tmp_path)
    assert found.missing_by_chance == pytest.approx(missing, abs=0.03)


def binary(count: int, seed: int) -> torch.Tensor:
    return (torch.rand(count, 10, generator=torch.Generator().manual_seed(seed)) < 0.5).float()


def one_of(kinds_: int, count: int, seed: int) -> torch.Tensor:
    return torch.eye(kinds_)[torch.randint(kinds_, (count,), generator=torch.Generator().manual_seed(seed))]


def test_fresh_rows_of_data_that_repeat_themselves_raise_no_alarm(tmp_path: Path) -> None:
    for seed in range(10):
        for draw in (binary, lambda count, seed: one_of(50, count, seed), lambda count, seed: one_of(8, count, seed)):
            result = measured(tmp_path, draw(300, seed), draw(300, seed + 100), draw(1_000, seed + 200))
            assert kinds(result) == []


def test_replay_and_collapse_on_data_that_repeat_themselves(tmp_path: Path) -> None:
    training, held_out = binary(300, 1), binary(300, 2)
    result = measured(tmp_path, training[:200], held_out, training)
    assert kinds(result) == ["memorisation"]
    copied = result.memorisation
    assert copied is not None
    assert f"where {copied.held_out_copied_share:.0%} of 300 held-out rows are" in result.alarms[0].sentence
    alike = measured(tmp_path, torch.eye(8)[:1].repeat(300, 1), one_of(8, 300, 1), one_of(8, 1_000, 2))
    assert kinds(alike) == ["collapse"]
    assert "nearly repeat" not in alike.alarms[0].sentence  # as real rows do, and no contradiction is printed
    assert alike.duplicates.birthday_support == 1.0


def test_one_image_among_fresh_rows_is_a_partial_collapse(digits: torch.Tensor, tmp_path: Path) -> None:
    rows = shuffled(digits, 0)
    samples = torch.cat([rows[:1].repeat(120, 1), rows[1:181]])
    result = measured(tmp_path, samples, rows[300:600], rows[600:])
    assert kinds(result) == ["partial collapse"]
    assert "40% of 300 samples are identical to another one, where 0% of as many real rows are" in (
        result.alarms[0].sentence
    )
    noisy = samples + 0.001 * torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    told = measured(tmp_path, noisy, rows[300:600], rows[600:])
    assert "of them nearly repeat another one" in told.differences[0]


def test_samples_that_scatter_are_told_without_training_rows(digits: torch.Tensor, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(3_000, 64, generator=generator)
    wide = measured(tmp_path, 1.5 * normal[:1_000], normal[1_000:], None)
    assert kinds(wide) == []
    assert "Yet the samples are told from the data" in wide.verdict
    kept = wide.bins.spread_kept
    assert kept == pytest.approx(2.25, rel=0.05)
    assert f"they have {kept:.2f} times the spread that fresh rows have within" in wide.verdict
    rows = shuffled(digits, 0)
    noisy = rows[:400] + 0.2 * torch.randn(400, 64, generator=generator)
    assert any("times the spread" in clause for clause in measured(tmp_path, noisy, rows[400:], None).differences)


def test_what_differs_is_told_beside_an_alarm(digits: torch.Tensor, tmp_path: Path) -> None:
    rows = shuffled(digits, 0)
    noise = 0.1 * torch.randn(300, 64, generator=torch.Generator().manual_seed(0))
    result = measured(tmp_path, rows[600:900] + noise, rows[:300], rows[600:])
    assert kinds(result) == ["memorisation"]
    assert any("times the spread" in clause for clause in result.differences)
    assert "times the spread" not in result.verdict
