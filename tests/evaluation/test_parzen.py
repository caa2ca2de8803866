"""The protocol as a whole: its result, its references, its warnings and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.evaluation.parzen.score import ParzenResult, ParzenSettings, evaluate
from gantool.evaluation.parzen.target import Target, target_of_dataset
from gantool.numerics.density import PAPER_GRID, Window, score
from gantool.numerics.rows import random_subset

# What the design promises of `gantool eval parzen --json`.
CONTRACT = {
    "dataset", "split", "test_size", "num_samples", "dimension", "sigma", "log_likelihood", "standard_error",
    "nats_per_dimension", "sigma_curve", "references", "impl", "device", "warnings", "seconds", "measure", "refined",
    "sample_curve", "uncertainties", "train_gap", "per_class", "class_conditional", "remainder",
}  # fmt: skip


@pytest.fixture(scope="module")
def target(digits: Dataset) -> Target:
    return target_of_dataset(digits, "test", 1_000, references=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kmeans")


def blurred(target: Target, count: int, width: float = 0.1) -> torch.Tensor:
    """Samples of a middling model: test-like images with noise on every pixel."""
    assert target.reference is not None
    rng = torch.Generator().manual_seed(5)
    chosen = torch.randint(len(target.reference), (count,), generator=rng)
    return target.reference[chosen] + width * torch.randn(count, target.dimension, generator=rng)


@pytest.fixture(scope="module")
def result(target: Target, cache: Path) -> ParzenResult:
    return evaluate(blurred(target, 500), target, ParzenSettings(num_samples=500, cache=cache))


def test_result_holds_the_contract_and_is_json(result: ParzenResult) -> None:
    payload = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert payload.keys() >= CONTRACT
    assert payload["sigma_curve"][0].keys() == {"sigma", "log_likelihood"}
    assert payload["references"].keys() == {"training_images", "kmeans_centroids"}
    for reference in payload["references"].values():
        assert reference.keys() == {"num_samples", "sigma", "log_likelihood", "standard_error", "how"}
    assert (payload["dataset"], payload["split"], payload["test_size"]) == ("digits", "test", 300)
    assert (payload["num_samples"], payload["dimension"], payload["validation_size"]) == (500, 64, 300)
    assert (payload["run"], payload["step"], payload["paper"]) == (None, None, None)
    assert payload["sigma_source"] == "validation"
    assert payload["pixel_scaling"] == "bytes / 16"
    assert payload["nats_per_dimension"] == pytest.approx(payload["log_likelihood"] / 64)
    assert payload["impl"].startswith(("native", "reference"))
    assert payload["seconds"] > 0


def test_result_is_that_of_the_density_alone(result: ParzenResult, target: Target) -> None:
    found = score(Window(blurred(target, 500)), target.scored, target.selection)
    assert result.sigma == found.sigma
    # The result adds up groups of samples in a random order; float32 products round differently there.
    assert result.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-4)
    assert result.standard_error == pytest.approx(found.standard_error, abs=1e-4)
    assert result.sigma_curve == found.curve


def test_references_stand_at_the_same_number_each_with_its_own_sigma(result: ParzenResult, target: Target) -> None:
    images, kmeans = result.references.training_images, result.references.kmeans_centroids
    assert images is not None
    assert kmeans is not None
    assert images.num_samples == kmeans.num_samples == 500
    assert target.reference is not None
    expected = score(Window(random_subset(target.reference, 500, seed=0)), target.scored, target.selection)
    assert (images.sigma, images.log_likelihood) == (expected.sigma, expected.log_likelihood)
    assert images.log_likelihood > result.log_likelihood
    assert result.notes == ("Real training images and k-means centroids score above the samples.",)


def test_the_parts_agree_with_the_headline(result: ParzenResult, target: Target) -> None:
    assert result.sample_curve[-1].log_likelihood == pytest.approx(result.log_likelihood, abs=1e-9)
    assert result.sample_curve[-1].num_samples == 500
    assert result.train_gap is not None
    assert result.train_gap.test_log_likelihood == result.log_likelihood
    weighted = sum(score.log_likelihood * score.test_size for score in result.per_class)
    assert weighted / 300 == pytest.approx(result.log_likelihood, abs=1e-9)
    assert [score.label for score in result.per_class] == list(range(10))
    assert result.uncertainties[0].value == result.standard_error


def test_the_refined_score_is_that_of_its_sigma(result: ParzenResult, target: Target) -> None:
    refined = result.refined
    assert refined is not None
    at = score(Window(blurred(target, 500)), target.scored, target.selection, sigma=refined.sigma)
    assert refined.log_likelihood == pytest.approx(at.log_likelihood, abs=1e-4)
    on_validation = {point.sigma: point.log_likelihood for point in at.curve}
    assert refined.validation_log_likelihood == pytest.approx(on_validation[refined.sigma], abs=1e-4)
    assert refined.validation_log_likelihood == max(refined.validation_log_likelihood, *on_validation.values())


def test_samples_with_classes_score_each_class_by_its_own(target: Target, digits: Dataset) -> None:
    assert digits.train.labels is not None
    settings = ParzenSettings(num_samples=600, references=False, refine=False, seed=2)
    found = evaluate(digits.train.stored / 16, target, settings, sample_labels=digits.train.labels)
    conditional = found.class_conditional
    assert conditional is not None
    assert conditional.log_likelihood is not None
    # The nearest samples have the row's own class, and a tenth of the samples share the density: log 10 = 2.3 more.
    assert conditional.log_likelihood == pytest.approx(found.log_likelihood + 2.3, abs=0.5)
    assert sum(score.num_samples for score in conditional.per_class) == 600


def test_labels_must_be_one_a_sample(target: Target) -> None:
    with pytest.raises(UsageError, match="There are 50 samples and labels of shape"):
        evaluate(blurred(target, 50), target, ParzenSettings(), sample_labels=torch.zeros(49, dtype=torch.int64))


def test_samples_choose_sigma_where_there_are_no_validation_rows(target: Target) -> None:
    bare = Target("rows", "data", target.scored, None, target.reference, "as given")
    samples = blurred(target, 200)
    samples[1] = samples[0]
    found = evaluate(samples, bare, ParzenSettings(references=False))
    assert (found.sigma_source, found.validation_size) == ("leave-one-out", 199)
    assert found.refined is not None
    assert "leave-one-out: the 199 different samples" in found.notes[0]
    assert "Exact copies (1) were left out" in found.notes[1]


def test_samples_near_training_images_look_memorised_and_few(result: ParzenResult) -> None:
    memorised, few = result.warnings
    assert "the samples look memorised" in memorised
    assert "fewer than the protocol's 10,000" in few


def test_references_at_another_number_are_warned_of(target: Target, cache: Path) -> None:
    found = evaluate(blurred(target, 1_500), target, ParzenSettings(num_samples=1_500, cache=cache))
    assert found.references.training_images is not None
    assert found.references.training_images.num_samples == 1_197
    assert any("1,197 training images and 598 k-means centroids only" in said for said in found.warnings)


def test_more_rows_than_the_protocol_are_a_random_subset(target: Target) -> None:
    settings = ParzenSettings(num_samples=100, references=False, seed=3)
    samples = blurred(target, 400)
    found = evaluate(samples, target, settings)
    expected = score(Window(random_subset(samples, 100, seed=3)), target.scored, target.selection)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-4)
    assert found.notes == ("100 of the 400 samples are used, a random subset.",)


def test_no_references_where_none_are_wanted(target: Target) -> None:
    found = evaluate(blurred(target, 50), target, ParzenSettings(references=False))
    assert found.to_dict()["references"] == {"training_images": None, "kmeans_centroids": None}


def test_a_given_sigma_is_said_and_an_absurd_one_cannot_be_missed(target: Target, cache: Path) -> None:
    samples = blurred(target, 500)
    found = evaluate(samples, target, ParzenSettings(num_samples=500, sigma=0.01, cache=cache))
    assert (found.sigma, found.sigma_source) == (0.01, "given")
    assert found.warnings[0].startswith("SIGMA LOOKS WRONG: the given sigma = 0.01")
    assert "below the" in found.warnings[1]
    assert found.references.training_images is not None
    assert found.references.training_images.sigma in PAPER_GRID  # a reference searches, whatever was given
    good = evaluate(samples, target, ParzenSettings(num_samples=500, sigma=0.18, references=False))
    assert not any("sigma" in said.lower() for said in good.warnings)
    assert good.refined is None


def test_a_given_sigma_without_validation_rows(target: Target) -> None:
    bare = Target("rows", "data", target.scored, None, target.reference, "as given")
    settings = ParzenSettings(num_samples=100, sigma=0.2, references=False)
    found = evaluate(blurred(target, 100), bare, settings)
    assert "could not be checked" in found.warnings[0]
    assert found.sigma_curve == ()
    assert found.train_gap is None
    sources = {source.name: source.value for source in found.uncertainties}
    assert sources["choice of sigma"] is None


def test_sigma_at_an_end_duplicates_and_scale_are_warned_of(target: Target) -> None:
    samples = blurred(target, 100)
    samples[1] = samples[0]
    narrow = evaluate(samples * 16, target, ParzenSettings(grid=(0.3, 0.6), references=False))
    said = " ".join(narrow.warnings)
    assert "is the largest of the grid" in said
    assert "1 of the 100 samples repeat" in said
    assert "scaled differently" in said


def test_the_papers_row_stands_beside_mnist_only(target: Target) -> None:
    samples, settings = blurred(target, 50), ParzenSettings(references=False)
    as_mnist = Target("mnist", "test", target.scored, target.selection, None, "bytes / 255")
    paper = evaluate(samples, as_mnist, settings).paper
    assert paper is not None
    assert (paper["log_likelihood"], paper["standard_error"], paper["num_samples"]) == (225.0, 2.0, 10_000)
    assert evaluate(samples, target, settings).paper is None


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(5, 63), r"samples have shape \[5, 63\], but digits has rows of 64 values"),
        (torch.zeros(5), r"samples have shape \[5\]"),
        (torch.zeros(0, 64), r"samples have shape \[0, 64\]"),
        (torch.full((3, 64), torch.nan), "3 of the 3 samples hold NaN or infinity.*--step"),
    ],
)
def test_samples_that_cannot_be_scored_are_refused(target: Target, samples: torch.Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(samples, target, ParzenSettings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": 0}, "--num-samples must be"),
        ({"validation_rows": 0}, "--validation-rows must be"),
        ({"sigma": 0.0}, "--sigma must be a number above 0"),
        ({"sigma": float("nan")}, "--sigma must be a number above 0"),
        ({"sigma": float("inf")}, "--sigma must be a number above 0"),
        ({"seed": -1}, "--seed must be"),
        ({"impl": "fast"}, "--impl must be one of auto, native, reference, but is 'fast'"),
    ],
)
def test_settings_are_checked_on_construction(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ParzenSettings(**change)  # type: ignore[arg-type]
