"""Scores by class, and by the samples of the own class, against float64."""

from __future__ import annotations

import math

import pytest
import torch
from oracle import brute_force

from gantool.evaluation.parzen.classes import class_scores, conditional_score
from gantool.numerics.density import Window


def rows_of(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


ROWS, ROW_LABELS = rows_of(30, 0), torch.arange(30) % 3
SAMPLES, SAMPLE_LABELS = rows_of(50, 1), torch.arange(50) % 3


def test_each_class_is_the_mean_of_its_rows() -> None:
    values = torch.arange(30.0, dtype=torch.float64)
    scores = class_scores(values, ROW_LABELS)
    assert [score.label for score in scores] == [0, 1, 2]
    assert [score.log_likelihood for score in scores] == [13.5, 14.5, 15.5]
    assert [score.test_size for score in scores] == [10, 10, 10]
    # 0, 3 … 27 have the variance 9·(10² − 1)/12.
    assert scores[0].standard_error == pytest.approx(math.sqrt(9 * 99 / 12 / 10))
    assert class_scores(values, None) == ()


def test_each_row_is_scored_by_the_samples_of_its_class() -> None:
    found = conditional_score(Window(SAMPLES), ROWS, ROW_LABELS, SAMPLE_LABELS, 0.6)
    assert found is not None

    expected = []
    for label, score in enumerate(found.per_class):
        values = brute_force(ROWS[label::3], SAMPLES[label::3], 0.6)
        assert (score.label, score.test_size, score.num_samples) == (label, 10, (17, 17, 16)[label])
        assert score.log_likelihood == pytest.approx(values.mean(), abs=1e-5)
        expected += values.tolist()
    assert found.log_likelihood == pytest.approx(sum(expected) / 30, abs=1e-5)


def test_a_class_without_samples_leaves_no_mean() -> None:
    found = conditional_score(Window(SAMPLES), ROWS, ROW_LABELS, SAMPLE_LABELS.clamp(max=1), 0.6)
    assert found is not None
    assert (found.log_likelihood, found.standard_error) == (None, None)
    assert [score.label for score in found.per_class] == [0, 1]


@pytest.mark.parametrize(("labels", "sample_labels"), [(None, SAMPLE_LABELS), (ROW_LABELS, None)])
def test_without_labels_there_is_none(labels: torch.Tensor | None, sample_labels: torch.Tensor | None) -> None:
    assert conditional_score(Window(SAMPLES), ROWS, labels, sample_labels, 0.6) is None
