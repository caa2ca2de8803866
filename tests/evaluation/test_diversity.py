"""Collapse, memorisation, averaging, missing modes on constructed samples of real data; the figures by brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from gantool.config import DataConfig
from gantool.data import Dataset, Split, load_dataset
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows
from gantool.evaluation.diversity.bins import bin_count, compare_bins
from gantool.evaluation.diversity.copies import (
    birthday_batch,
    birthday_support,
    find_duplicates,
    find_memorisation,
    rank_z,
)
from gantool.evaluation.diversity.score import (
    DiversityResult,
    DiversitySettings,
    RealRows,
    measure_diversity,
    real_rows_of_arrays,
    real_rows_of_dataset,
)
from gantool.evaluation.references import kmeans_centroids
from gantool.numerics.rows import random_subset


def draw(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.rand(count, width, generator=torch.Generator().manual_seed(seed))


class Bench:
    """A data set, its settings with a cache of their own, and fresh rows that the measures never see otherwise."""

    def __init__(self, dataset: Dataset, cache: Path, samples: int, *, classes: bool = True) -> None:
        self.dataset = dataset
        self.settings = DiversitySettings(samples, classes=classes, cache=cache, classifiers=cache)
        self.real = real_rows_of_dataset(dataset, "test", self.settings)
        self.train = self.real.training
        self.fresh = dataset.values(dataset.validation.stored)[:samples]

    def of(self, samples: torch.Tensor) -> DiversityResult:
        return measure_diversity(samples, self.real, self.settings)

    def digit(self, label: int) -> torch.Tensor:
        labels = self.dataset.validation.labels
        assert labels is not None
        return self.dataset.values(self.dataset.validation.stored[labels == label])


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(load_dataset(DataConfig("digits")), tmp_path_factory.mktemp("cache"), 300)


@pytest.fixture(scope="module")
def mnist(mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Real MNIST with 5,000 of its training rows and no classifier, so that all takes seconds."""
    dataset = load_dataset(DataConfig("mnist"), root=mnist_root)
    labels = dataset.train.labels
    assert labels is not None
    fewer = replace(dataset.train, stored=dataset.train.stored[:5_000], labels=labels[:5_000])
    test = replace(dataset.test, stored=dataset.test.stored[:1_000])
    return Bench(replace(dataset, train=fewer, test=test), tmp_path_factory.mktemp("cache"), 1_000, classes=False)


@pytest.fixture(params=["digits", "mnist"])
def bench(request: pytest.FixtureRequest) -> Bench:
    found: Bench = request.getfixturevalue(request.param)
    return found


def kinds(result: DiversityResult) -> list[str]:
    return [alarm.kind for alarm in result.alarms]


def test_fresh_real_rows_raise_no_alarm(bench: Bench) -> None:
    result = bench.of(bench.fresh)
    assert kinds(result) == []
    assert result.verdict.endswith("By these measures the samples are like fresh rows of the data.")


def test_one_image_over_and_over_is_collapse(bench: Bench) -> None:
    noise = 0.02 * torch.randn(300, bench.train.shape[1], generator=torch.Generator().manual_seed(0))
    result = bench.of(bench.digit(3)[:1] + noise)
    assert kinds(result) == ["collapse"]
    assert "100% of 300 samples nearly repeat another one" in result.alarms[0].sentence
    assert result.verdict == "The generator has collapsed: it shows little of the data, over and over."


def test_one_digit_in_many_shapes_is_collapse(bench: Bench) -> None:
    result = bench.of(bench.digit(3))
    assert kinds(result) == ["collapse"]
    if result.modes is not None:
        assert "they show 1 of 10 modes" in result.alarms[0].sentence


def test_one_image_among_fresh_rows_is_partial_collapse(bench: Bench) -> None:
    count = len(bench.fresh)
    result = bench.of(torch.cat([bench.fresh[:1].repeat(count // 10, 1), bench.fresh[count // 10 :]]))
    assert kinds(result) == ["partial collapse"]
    assert result.verdict == "The generator has collapsed in part: some of its samples come again and again."


def test_one_training_row_over_and_over_is_both_collapse_and_memorisation(digits: Bench) -> None:
    result = digits.of(digits.train[7:8].repeat(100, 1))
    assert kinds(result) == ["collapse", "memorisation"]


def test_replayed_training_rows_are_memorisation(bench: Bench) -> None:
    result = bench.of(random_subset(bench.train, len(bench.fresh), 1))
    assert kinds(result) == ["memorisation"]
    assert f"100% of {len(bench.fresh):,} samples are exact copies of training rows" in result.alarms[0].sentence
    assert result.verdict == "The generator replays its training rows."


def test_replaying_a_tenth_or_under_noise_is_memorisation_too(bench: Bench) -> None:
    count = len(bench.fresh)
    tenth = torch.cat([random_subset(bench.train, count // 10, 1), bench.fresh[count // 10 :]])
    assert kinds(bench.of(tenth)) == ["memorisation"]
    rows = random_subset(bench.train, count, 1)
    noisy = rows + 0.1 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    result = bench.of(noisy)
    assert kinds(result) == ["memorisation"]
    assert "exact copies" not in result.alarms[0].sentence


@pytest.mark.parametrize("rows_per_centroid", [5, 25])
def test_kmeans_centroids_are_averages(bench: Bench, rows_per_centroid: int) -> None:
    centroids, _ = kmeans_centroids(bench.train, len(bench.train) // rows_per_centroid, bench.settings.cache)
    result = bench.of(centroids)
    assert kinds(result) == ["averaging"]
    assert result.verdict == "The samples are too smooth: averages of training rows rather than rows of their own."


def test_classes_that_are_left_out_are_missing_modes(digits: Bench) -> None:
    labels = digits.dataset.validation.labels
    assert labels is not None
    result = digits.of(digits.fresh[(labels != 3) & (labels != 7)])
    assert kinds(result) == ["missing modes"]
    assert "2 of 10 modes are hardly there (3, 7)" in result.alarms[0].sentence


@pytest.mark.parametrize("name", ["ring2d", "mixture1d"])
def test_toy_mixtures_have_exact_modes(name: str, tmp_path: Path) -> None:
    bench = Bench(load_dataset(DataConfig(name)), tmp_path, 600)
    result = bench.of(bench.fresh)
    assert kinds(result) == []
    assert result.modes is not None
    assert result.modes.captured == len(result.modes.modes)
    assert result.modes_by == f"exact: the components of {name}"
    assert kinds(bench.of(bench.digit(0))) == ["collapse"]


def test_samples_off_the_modes_are_told_from_the_data(tmp_path: Path) -> None:
    bench = Bench(load_dataset(DataConfig("ring2d")), tmp_path, 600)
    noise = torch.randn(bench.fresh.shape, generator=torch.Generator().manual_seed(0))
    near = bench.of(bench.fresh + 0.03 * noise)
    assert kinds(near) == []
    assert "Yet the samples are told from the data" in near.verdict
    assert "lie in a mode, where 99% of true samples do" in near.verdict
    assert "collapse" not in kinds(bench.of(bench.fresh + 0.5 * noise))


def test_duplicates_are_those_of_brute_force() -> None:
    samples = torch.cat([draw(150, 4, 0), draw(20, 4, 1).repeat(2, 1)])
    training = draw(500, 4, 2)
    found = find_duplicates(samples, training, seed=5)
    real = cdist(*[random_subset(training, 190, 5).double().numpy()] * 2)
    own = cdist(*[samples.double().numpy()] * 2)
    pairs = own[np.triu_indices(190, 1)]
    for table in (real, own):
        np.fill_diagonal(table, np.inf)
    radius = np.quantile(real.min(axis=1), 0.01)
    assert found.near_radius == pytest.approx(radius, rel=1e-12)
    assert found.exact_share == pytest.approx(40 / 190)
    assert found.data_exact_share == 0
    assert found.near_share == pytest.approx((own.min(axis=1) <= radius).mean())
    assert found.near_pairs == (pairs <= radius).sum()
    assert found.distance_ratio == pytest.approx(
        torch.from_numpy(own.min(axis=1)).median().item() / torch.from_numpy(real.min(axis=1)).median().item()
    )


@pytest.mark.parametrize("support", [50, 1_000])
def test_the_birthday_batch_of_uniform_samples(support: int) -> None:
    """Of `support` equally likely samples a pair is equal with p = 1/support: s(s−1)/2 = ln 2 / −ln(1 − p)."""
    count, exact = 4_000, math.log(2) / -math.log1p(-1 / support)
    pairs = round(count * (count - 1) / 2 / support)
    batch = birthday_batch(pairs, count)
    assert batch is not None
    assert batch * (batch - 1) / 2 == pytest.approx(exact, rel=1e-3)
    assert birthday_support(pairs, count) == pytest.approx(support, rel=1e-3)
    assert birthday_batch(0, count) is birthday_support(0, count) is None
    assert birthday_support(count * (count - 1) // 2, count) == 1.0
    assert birthday_batch(count * (count - 1) // 2, count) == 2.0


def test_memorisation_is_that_of_brute_force() -> None:
    training, held_out = draw(300, 3, 0), draw(120, 3, 1)
    samples = torch.cat([draw(90, 3, 2), training[:10]])
    found = find_memorisation(samples, training, held_out, seed=0)
    near = cdist(samples.double().numpy(), training.double().numpy()).min(axis=1)
    held = cdist(held_out.double().numpy(), training.double().numpy()).min(axis=1)
    assert found.copied_share == pytest.approx(0.1)
    assert found.held_out_copied_share == 0
    assert found.close_share == pytest.approx((near < np.quantile(held, 0.01)).mean())
    assert found.median_distance == pytest.approx(torch.from_numpy(near).median().item())
    subset = random_subset(training, 120, 0).double().numpy()
    to_training = cdist(samples.double().numpy(), subset).min(axis=1)
    to_held_out = cdist(samples.double().numpy(), held_out.double().numpy()).min(axis=1)
    assert found.nearer_to_training == pytest.approx((to_training < to_held_out).mean())


def test_the_rank_statistic_is_that_of_mann_and_whitney() -> None:
    first, second = draw(40, 1, 0)[:, 0].double() * 0.8, draw(70, 1, 1)[:, 0].double()
    below = mannwhitneyu(second.numpy(), first.numpy()).statistic / (40 * 70)
    assert rank_z(first, second) == pytest.approx((below - 0.5) / math.sqrt(111 / (12 * 40 * 70)))
    assert rank_z(second, second) == 0


def test_bins_differ_as_the_two_proportion_test_says(tmp_path: Path) -> None:
    """Two far clusters, half of the training rows in each: samples 60 to 40 of 200 differ (z = 2.66), 55 to 45 not."""
    cluster = torch.cat([torch.zeros(500, 1), torch.ones(500, 1)]) + 0.01 * draw(1_000, 1, 0)

    def samples(low: int) -> torch.Tensor:
        return torch.cat([cluster[:low], cluster[500 : 500 + 200 - low]])

    held_out = torch.cat([cluster[10:20], cluster[510:520]])
    found = [compare_bins(samples(low), cluster, held_out, tmp_path)[0] for low in (120, 110, 200)]
    assert [result.bins for result in found] == [2, 2, 2]
    assert [result.different for result in found] == [2, 0, 2]
    assert [result.missing_mass for result in found] == [0, 0, 0.5]
    assert found[0].different_held_out == 0


def test_the_spread_kept_is_that_of_the_definition(tmp_path: Path) -> None:
    training, held_out = draw(400, 2, 0), draw(300, 2, 1)
    samples = draw(100, 2, 2)
    found, _ = compare_bins(samples, training, held_out, tmp_path)
    centres, _ = kmeans_centroids(training, bin_count(100, 400), tmp_path)
    squares = [cdist(x.double().numpy(), centres.double().numpy()).min(axis=1) ** 2 for x in (samples, held_out)]
    assert found.spread_kept == pytest.approx(squares[0].mean() / squares[1].mean())
    rng = np.random.default_rng(0)
    resampled = [rng.choice(squares[0], 100).mean() / rng.choice(squares[1], 300).mean() for _ in range(4_000)]
    assert found.spread_error == pytest.approx(np.std(resampled), rel=0.1)
    assert found.variance_kept == pytest.approx((samples.numpy().var(0).sum() / held_out.numpy().var(0).sum()).item())


def rows(values: torch.Tensor, name: str) -> Rows:
    return Rows(values, (values.shape[1],), "as given", name, f"--{name} {name}.npy")


def test_without_training_rows_memorisation_is_not_told(tmp_path: Path) -> None:
    data = draw(400, 3, 0)
    real = real_rows_of_arrays(rows(data, "data"), None, seed=0)
    assert len(real.training) == len(real.held_out) == 200
    both = torch.cat([real.training, real.held_out])
    assert torch.equal(both.sort(dim=0).values, data.sort(dim=0).values)
    result = measure_diversity(draw(300, 3, 1), real, DiversitySettings(300, cache=tmp_path))
    assert result.memorisation is None
    assert "memorisation is not measured" in result.notes[0]
    assert "copying" not in result.verdict


def test_a_part_of_the_samples_is_said(tmp_path: Path) -> None:
    real = real_rows_of_arrays(rows(draw(400, 3, 0), "data"), rows(draw(500, 3, 1), "train-data"), seed=0)
    result = measure_diversity(draw(400, 3, 2), real, DiversitySettings(200, cache=tmp_path))
    assert (result.num_samples, result.bins.num_samples) == (200, 200)
    assert "200 of the 400 samples are looked at, a random subset." in result.notes
    assert any("200 samples are few" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(30, 4), r"shape \[30, 4\], but data has rows of 3 values"),
        (torch.zeros(19, 3), "Diversity needs 20 samples at least, but there are 19"),
        (torch.full((30, 3), torch.nan), "NaN or infinity"),
    ],
)
def test_what_cannot_be_measured_is_refused(samples: torch.Tensor, message: str) -> None:
    real = RealRows("data", "data", draw(50, 3, 0), draw(50, 3, 1), "as given")
    with pytest.raises(UsageError, match=message):
        measure_diversity(samples, real, DiversitySettings(100))


@pytest.mark.parametrize(("count", "seed", "flag"), [(19, 0, "--num-samples"), (100, -1, "--seed")])
def test_settings_name_their_option(count: int, seed: int, flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        DiversitySettings(count, seed)


def test_few_rows_are_not_split_in_two(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Without --train-data half of .* and 40 are needed, but there are 39"):
        real_rows_of_arrays(rows(draw(39, 3, 0), "data"), None, seed=0)


@pytest.mark.parametrize("lacking", ["classes", "validation rows"])
def test_labels_that_make_no_classifier_are_a_note(digits: Bench, tmp_path: Path, lacking: str) -> None:
    dataset, labels = digits.dataset, digits.dataset.train.labels
    assert labels is not None
    if lacking == "classes":
        dataset = replace(dataset, train=Split(dataset.train.stored[labels == 3], labels[labels == 3]))
    else:
        dataset = replace(dataset, validation=Split(dataset.validation.stored[:0], None))
    real = real_rows_of_dataset(dataset, "test", digits.settings)
    result = measure_diversity(digits.digit(3), real, digits.settings)
    assert result.modes is result.modes_by is None
    assert any(lacking in note and note.endswith("modes are not counted.") for note in result.notes)


def test_a_damaged_classifier_in_the_cache_is_a_note(digits: Bench) -> None:
    assert digits.of(digits.fresh).classifier is not None
    (kept,) = digits.settings.classifiers.glob("digits-*.safetensors")
    kept.write_bytes(b"")
    assert any("classifier" in note and "damaged" in note for note in digits.of(digits.fresh).notes)


def test_another_split_is_refused(digits: Bench) -> None:
    with pytest.raises(UsageError, match="--split must be test or validation"):
        real_rows_of_dataset(digits.dataset, "train", digits.settings)
