"""ParzenWindow: scikit-learn's own checks, and densities against float64 brute force, KernelDensity beside it."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gantool import ParzenWindow
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.numerics.density import PAPER_GRID

Rows = npt.NDArray[np.float64]


def brute_force(queries: Any, samples: Any, sigma: float) -> Rows:
    """log p of each query, in float64 from the differences themselves."""
    queries, samples = np.asarray(queries, np.float64), np.asarray(samples, np.float64)
    exponent = logsumexp(-cdist(queries, samples, "sqeuclidean") / (2 * sigma**2), axis=1)
    return np.asarray(exponent - math.log(len(samples)) - samples.shape[1] / 2 * math.log(2 * math.pi * sigma**2))


def gaussian_rows(count: int, dimension: int, seed: int) -> Rows:
    return np.random.default_rng(seed).normal(size=(count, dimension))


# The checks' rows are no pixels, so that the paper's grid often ends too early for them.
@pytest.mark.filterwarnings("ignore:The best bandwidth")
@parametrize_with_checks(
    [ParzenWindow(), ParzenWindow(0.5), ParzenWindow("scott"), ParzenWindow("silverman", impl="reference")]
)
def test_scikit_learns_own_checks(estimator: ParzenWindow, check: Any) -> None:
    check(estimator)


def test_right_on_mnist_where_kernel_density_is_not(mnist_root: Path) -> None:
    mnist = load_dataset(DataConfig("mnist"), root=mnist_root, offline=True)
    samples = mnist.values(mnist.train.stored[:10_000]).numpy()
    queries = mnist.values(mnist.test.stored[:200]).numpy()
    exact = brute_force(queries, samples, 0.2)
    narrow = ParzenWindow(0.2).fit(samples).score_samples(queries)
    wide = ParzenWindow(0.2).fit(samples.astype(np.float64)).score_samples(queries.astype(np.float64))
    trees = KernelDensity(bandwidth=0.2).fit(samples).score_samples(queries)
    assert exact.mean() == pytest.approx(241.8, abs=0.05)
    assert np.abs(narrow - exact).max() <= 2e-3
    assert np.abs(wide - exact).max() <= 1e-8
    # Where a later scikit-learn is right, this fails: then the documents must no longer say otherwise.
    assert trees.mean() > 380


@pytest.mark.parametrize("dimension", [1, 2, 784])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-9), (np.float32, 2e-3)])
def test_densities_agree_with_brute_force(dimension: int, dtype: type, bound: float) -> None:
    samples = gaussian_rows(90, dimension, 0).astype(dtype)
    queries = gaussian_rows(40, dimension, 1).astype(dtype)
    found = ParzenWindow(0.7).fit(samples).score_samples(queries)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, brute_force(queries, samples, 0.7), rtol=0, atol=bound)


def test_rows_of_two_types_are_computed_in_the_wider() -> None:
    samples, queries = gaussian_rows(50, 5, 2).astype(np.float32), gaussian_rows(30, 5, 3)
    exact = brute_force(queries, samples, 0.5)
    np.testing.assert_allclose(ParzenWindow(0.5).fit(samples).score_samples(queries), exact, rtol=0, atol=1e-10)
    tensors = ParzenWindow(0.5).fit(torch.from_numpy(samples)).score_samples(torch.from_numpy(queries))
    np.testing.assert_allclose(tensors.numpy(), exact, rtol=0, atol=1e-10)


def test_lists_and_whole_numbers_are_taken() -> None:
    window = ParzenWindow(1.5).fit([[0, 1], [2, 3], [4, 4]])
    queries = torch.tensor([[1, 1], [0, 5]], dtype=torch.uint8)
    exact = brute_force(queries, [[0, 1], [2, 3], [4, 4]], 1.5)
    np.testing.assert_allclose(window.score_samples(queries.tolist()), exact, rtol=1e-12)
    np.testing.assert_allclose(window.score_samples(queries).numpy(), exact, rtol=1e-12)


def test_score_is_the_total() -> None:
    samples, queries = gaussian_rows(50, 3, 4), gaussian_rows(30, 3, 5)
    assert ParzenWindow(0.5).fit(samples).score(queries) == pytest.approx(brute_force(queries, samples, 0.5).sum())


def test_many_bandwidths_at_once() -> None:
    samples, queries = gaussian_rows(50, 3, 6), gaussian_rows(30, 3, 7)
    found = ParzenWindow("scott").fit(samples).score_samples_at(queries, np.array([0.3, 0.5, 2.0]))
    exact = np.stack([brute_force(queries, samples, sigma) for sigma in (0.3, 0.5, 2.0)])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_rules_are_scikit_learns(rule: str) -> None:
    rows = 7 * gaussian_rows(123, 4, 8)
    assert ParzenWindow(rule).fit(rows).bandwidth_ == pytest.approx(KernelDensity(bandwidth=rule).fit(rows).bandwidth_)


def test_grid_takes_the_best_on_the_validation_rows() -> None:
    samples, validation = gaussian_rows(300, 2, 9), gaussian_rows(100, 2, 10)
    window = ParzenWindow("grid").fit(samples, validation=validation)
    means = [brute_force(validation, samples, sigma).mean() for sigma in PAPER_GRID]
    assert window.bandwidth_ == PAPER_GRID[int(np.argmax(means))]
    np.testing.assert_allclose([point.log_likelihood for point in window.sigma_curve_], means, rtol=0, atol=1e-10)
    assert [point.sigma for point in window.sigma_curve_] == list(PAPER_GRID)


def test_grid_without_validation_rows_scores_rows_left_out() -> None:
    # One of two rows is held out, whichever: the other's Gaussian is seen from 3 away, and the best bandwidth is 3.
    window = ParzenWindow("grid", grid=(5.0, 1.0, 3.0)).fit([[0.0], [3.0]])
    assert [point.sigma for point in window.sigma_curve_] == [1.0, 3.0, 5.0]
    exact = norm.logpdf(3.0, scale=[1.0, 3.0, 5.0])
    np.testing.assert_allclose([point.log_likelihood for point in window.sigma_curve_], exact, rtol=1e-12)
    assert window.bandwidth_ == 3.0
    assert len(window.samples_) == 2


def test_the_split_follows_its_seed_and_its_fraction() -> None:
    rows = gaussian_rows(100, 2, 11)

    def curve(**arguments: Any) -> tuple[Any, ...]:
        return tuple(ParzenWindow("grid", **arguments).fit(rows).sigma_curve_)

    assert curve() == curve(random_state=0)
    assert curve() != curve(random_state=1)
    assert curve() != curve(validation_fraction=0.3)


def test_a_best_bandwidth_at_the_end_of_the_grid_is_said() -> None:
    rows = gaussian_rows(200, 1, 12)
    with pytest.warns(UserWarning, match=r"The best bandwidth, 0\.001, is the smallest of the grid"):
        ParzenWindow("grid", grid=(0.001, 900.0)).fit(rows, validation=rows)
    with pytest.warns(UserWarning, match=r"The best bandwidth, 0\.002, is the largest of the grid"):
        ParzenWindow("grid", grid=(0.001, 0.002)).fit(rows)


def test_fitting_again_forgets_the_curve() -> None:
    window = ParzenWindow("grid").fit(gaussian_rows(300, 2, 13))
    assert window.sigma_curve_
    assert window.set_params(bandwidth=0.5).fit(gaussian_rows(30, 3, 14)).sigma_curve_ == ()
    assert (window.bandwidth_, window.n_features_in_) == (0.5, 3)


def test_tensors_give_tensors() -> None:
    samples, queries = torch.from_numpy(gaussian_rows(60, 4, 15)).float(), torch.from_numpy(gaussian_rows(20, 4, 16))
    window = ParzenWindow(0.6).fit(samples)
    found, pair = window.score_samples(queries.float()), window.score_samples_at(queries.float(), [0.6, 1.0])
    exact = brute_force(queries.float(), samples, 0.6)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    assert pair.shape == (2, 20)
    np.testing.assert_allclose(found.numpy(), exact, rtol=0, atol=1e-4)
    np.testing.assert_allclose(window.score_samples(queries.half()).numpy(), exact, rtol=0, atol=0.05)
    drawn = window.sample(5, random_state=0)
    assert isinstance(drawn, torch.Tensor)
    assert (drawn.dtype, drawn.shape) == (torch.float32, (5, 4))


def test_tensors_carry_gradients() -> None:
    # Under one row s the density is one Gaussian, whose gradient is (s − q) / σ².
    row, queries = torch.ones(1, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    window = ParzenWindow(0.5).fit(row)
    found = window.score_samples(queries)
    assert isinstance(found, torch.Tensor)
    found.sum().backward()
    torch.testing.assert_close(queries.grad, torch.full((2, 3), 4.0, dtype=torch.float64))
    assert window.score(queries) == pytest.approx(found.sum().item())


def test_what_happens_to_the_rows_later_changes_nothing() -> None:
    array = gaussian_rows(30, 2, 17)
    tensor, queries = torch.from_numpy(array.copy()), gaussian_rows(10, 2, 18)
    of_array, of_tensor = ParzenWindow(0.5).fit(array), ParzenWindow(0.5).fit(tensor)
    before = of_array.score_samples(queries)
    array += 5
    tensor += 5
    np.testing.assert_array_equal(of_array.score_samples(queries), before)
    np.testing.assert_array_equal(of_tensor.score_samples(queries), before)


def test_draws_are_fitted_rows_with_gaussian_noise() -> None:
    corners = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [100.0, 100.0]])
    window = ParzenWindow(2.0).fit(corners)
    drawn = window.sample(8_000, random_state=0)
    nearest = cdist(drawn, corners).argmin(axis=1)
    # Five standard deviations of a binomial, of a mean and of a variance.
    assert np.abs(np.bincount(nearest, minlength=4) - 2_000).max() <= 5 * math.sqrt(8_000 * 3 / 16)
    noise = drawn - corners[nearest]
    assert np.abs(noise.mean(axis=0)).max() <= 5 * 2.0 / math.sqrt(8_000)
    np.testing.assert_allclose(np.cov(noise.T), 4.0 * np.eye(2), rtol=0, atol=5 * 4.0 * math.sqrt(2 / 8_000))
    np.testing.assert_array_equal(window.sample(8_000, random_state=0), drawn)
    assert not np.array_equal(window.sample(8_000, random_state=1), drawn)


def test_cross_validation_finds_the_bandwidth_that_brute_force_does() -> None:
    rows, sigmas = gaussian_rows(60, 3, 19), [0.1, 0.3, 0.5, 1.0, 2.0]
    search = GridSearchCV(ParzenWindow(0.5), {"bandwidth": sigmas}, cv=5).fit(rows)
    folds = list(KFold(5).split(rows))
    exact = [np.mean([brute_force(rows[b], rows[a], sigma).sum() for a, b in folds]) for sigma in sigmas]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], exact, rtol=1e-10)
    assert search.best_params_ == {"bandwidth": sigmas[int(np.argmax(exact))]}


def test_a_pipeline_ends_in_it_and_a_clone_is_unfitted() -> None:
    rows = 40 * gaussian_rows(60, 3, 20) + 7
    pipeline = make_pipeline(StandardScaler(), ParzenWindow("scott")).fit(rows)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert pipeline.score(rows) == pytest.approx(brute_force(scaled, scaled, 60 ** (-1 / 7)).sum())
    window = ParzenWindow("grid", grid=(0.2, 0.4), validation_fraction=0.2, random_state=3, impl="reference")
    assert clone(window).get_params() == window.get_params()


def test_what_ran_is_named() -> None:
    assert ParzenWindow(0.5, impl="reference").fit([[0.0], [1.0]]).impl_ == "reference (torch)"


@pytest.mark.native
def test_the_kernels_run_where_they_are_built() -> None:
    rows = gaussian_rows(20, 3, 21).astype(np.float32)
    assert ParzenWindow(0.5).fit(rows).impl_ == ParzenWindow(0.5, impl="native").fit(rows).impl_
    assert ParzenWindow(0.5).fit(rows).impl_.startswith("native (")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bandwidth": -1.0}, "bandwidth must be a positive number, 'grid', 'scott' or 'silverman', and is -1.0"),
        ({"bandwidth": math.nan}, "and is nan"),
        ({"bandwidth": True}, "and is True"),
        ({"bandwidth": "best"}, "and is 'best'"),
        ({"grid": []}, "grid is empty"),
        ({"grid": [0.1, 0.0]}, "grid must be positive and finite, and one is 0"),
        ({"validation_fraction": 1.0}, "validation_fraction must be a number between 0 and 1, and is 1.0"),
        ({"validation_fraction": "a"}, "validation_fraction must be a number between 0 and 1, and is 'a'"),
        ({"grid": 0.5}, "grid must be a sequence of positive numbers, and is 0.5"),
        ({"grid": ("a",)}, r"grid must be a sequence of positive numbers, and is \('a',\)"),
        ({"impl": "fast"}, "impl must be auto, native or reference, and is 'fast'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
    ],
)
def test_a_wrong_parameter_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ParzenWindow(**arguments).fit(gaussian_rows(20, 2, 22))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (torch.zeros(3), r"rows must be \[N, D\] with at least one row and one column, and are \[3\]"),
        (torch.zeros(0, 2), r"and are \[0, 2\]"),
        (torch.zeros(3, 2, dtype=torch.complex64), "rows must be real numbers, and are torch.complex64"),
        (torch.full((3, 2), math.nan), "rows must be finite"),
        (torch.zeros(3, 5), "X has 5 features, but ParzenWindow is expecting 2 features"),
    ],
)
def test_tensors_are_checked_as_arrays_are(rows: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ParzenWindow(0.5).fit(torch.zeros(4, 2)).score_samples(rows)


def test_requests_that_make_no_sense_are_refused() -> None:
    rows = gaussian_rows(20, 2, 23)
    with pytest.raises(UsageError, match=r"validation rows choose the bandwidth, and bandwidth is given as 0\.5"):
        ParzenWindow(0.5).fit(rows, validation=rows)
    with pytest.raises(UsageError, match="holds out a part of the rows, and there are too few, n_samples=1"):
        ParzenWindow("grid").fit(rows[:1])
    window = ParzenWindow(0.5).fit(rows)
    with pytest.raises(UsageError, match="bandwidths must be positive and finite, and one is -2"):
        window.score_samples_at(rows, [0.5, -2.0])
    with pytest.raises(UsageError, match="n_samples must be a whole number, 1 or more, and is 0"):
        window.sample(0)
    with pytest.raises(UsageError, match="n_samples must be a whole number, 1 or more, and is True"):
        window.sample(True)
    with pytest.raises(UsageError, match=r"bandwidths must be a sequence of positive numbers, and is 0\.5"):
        window.score_samples_at(np.zeros((3, 2)), 0.5)  # type: ignore[arg-type]


def test_importing_the_package_stays_light() -> None:
    code = "import sys, gantool; sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
