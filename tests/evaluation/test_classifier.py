"""The tool's own classifier: it learns, it is kept, and it refuses what has no labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.data.dataset import Split
from gantool.errors import UsageError
from gantool.evaluation.classifier import FEATURES, Classifier, train_classifier


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def classifier(digits: Dataset, cache: Path) -> Classifier:
    return train_classifier(digits, cache=cache)


def test_digits_are_recognised(classifier: Classifier, digits: Dataset) -> None:
    assert classifier.classes == tuple(range(10))
    labels = digits.test.labels
    assert labels is not None
    right = (classifier.predict(digits.values(digits.test.stored)) == labels).double().mean()
    assert classifier.accuracy >= 0.95
    assert right >= 0.95
    assert f"{classifier.accuracy:.1%} of 300" in classifier.about


def test_the_accuracy_is_that_of_the_validation_rows(classifier: Classifier, digits: Dataset) -> None:
    rows = digits.values(digits.validation.stored)
    assert classifier.accuracy == (classifier.predict(rows) == digits.validation.labels).double().mean().item()


def test_outputs_fit_one_another(classifier: Classifier, digits: Dataset) -> None:
    rows = digits.values(digits.test.stored)
    probabilities = classifier.probabilities(rows)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(300))
    assert torch.equal(probabilities.argmax(dim=1), classifier.predict(rows))
    assert classifier.features(rows).shape == (300, FEATURES)
    assert classifier.predict(rows).dtype == torch.int64
    assert classifier.predict(rows[:0]).shape == (0,)
    training = classifier.features(digits.values(digits.train.stored))
    assert training.square().mean() == pytest.approx(1.0, rel=1e-4)


def test_kept_weights_are_used_and_are_the_same(classifier: Classifier, digits: Dataset, cache: Path) -> None:
    stages: list[str] = []
    again = train_classifier(digits, cache=cache, progress=lambda stage, done, total: stages.append(stage))
    rows = digits.values(digits.test.stored)
    assert stages == []
    assert torch.equal(again.features(rows), classifier.features(rows))


def test_training_is_a_function_of_the_seed_and_leaves_the_random_state_alone(
    classifier: Classifier, digits: Dataset
) -> None:
    before = torch.random.get_rng_state()
    fresh = train_classifier(digits)
    assert torch.equal(torch.random.get_rng_state(), before)
    rows = digits.values(digits.test.stored)
    assert torch.equal(fresh.features(rows), classifier.features(rows))
    assert not torch.equal(train_classifier(digits, seed=1).features(rows), fresh.features(rows))


def test_the_number_of_threads_does_not_matter(classifier: Classifier, digits: Dataset) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 3)
    try:
        again = train_classifier(digits)
        assert torch.get_num_threads() == before + 3
        rows = digits.values(digits.test.stored)
        assert torch.equal(again.features(rows), classifier.features(rows))
    finally:
        torch.set_num_threads(before)
    assert again.fingerprint == classifier.fingerprint


def test_the_fingerprint_is_of_the_weights(classifier: Classifier, digits: Dataset, cache: Path) -> None:
    assert train_classifier(digits, cache=cache).fingerprint == classifier.fingerprint
    few = replace(digits, train=Split(digits.train.stored[:64], digits.train.labels[:64]))  # type: ignore[index]
    assert train_classifier(few).fingerprint != classifier.fingerprint


@pytest.mark.parametrize("damage", ["empty", "nonsense", "a weight"])
def test_a_damaged_file_is_replaced_and_that_is_said(
    classifier: Classifier, digits: Dataset, cache: Path, damage: str
) -> None:
    (kept,) = cache.glob("digits-*.safetensors")
    whole = kept.read_bytes()
    last = bytes([whole[-1] ^ 1])
    kept.write_bytes({"empty": b"", "nonsense": b"nonsense" * 20, "a weight": whole[:-1] + last}[damage])
    again = train_classifier(digits, cache=cache)
    assert "damaged" in again.notes[0]
    assert again.fingerprint == classifier.fingerprint
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_a_note(digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    few = replace(digits, train=Split(digits.train.stored[:64], digits.train.labels[:64]))  # type: ignore[index]
    assert "could not be kept" in train_classifier(few, cache=tmp_path / "file").notes[0]


def test_labels_need_not_count_from_zero() -> None:
    toy = load_dataset(DataConfig("mixture1d"))
    splits = {}
    for name in ("train", "validation", "test"):
        split = toy.split(name)
        assert split.labels is not None
        splits[name] = Split(split.stored, 5 * split.labels - 3)
    classifier = train_classifier(replace(toy, **splits))
    assert classifier.classes == (-3, 2, 7)
    assert classifier.predict(torch.tensor([[-2.0], [0.0], [1.5]])).tolist() == [-3, 2, 7]


def test_refusals(digits: Dataset, classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="train rows of digits have no labels"):
        train_classifier(replace(digits, train=Split(digits.train.stored)))
    with pytest.raises(UsageError, match="validation rows of digits have no labels"):
        train_classifier(replace(digits, validation=Split(digits.validation.stored)))
    one = replace(digits, train=Split(digits.train.stored, torch.zeros(1_197, dtype=torch.int64)))
    with pytest.raises(UsageError, match="all of one class"):
        train_classifier(one)
    with pytest.raises(UsageError, match="takes rows of 64 values"):
        classifier.predict(torch.zeros(3, 63))


def test_mnist_digits_are_recognised(mnist_root: Path) -> None:
    mnist = load_dataset(DataConfig("mnist"), root=mnist_root, offline=True)
    classifier = train_classifier(mnist)
    assert classifier.accuracy >= 0.98
    right = (classifier.predict(mnist.values(mnist.test.stored)) == mnist.test.labels).double().mean()
    assert right >= 0.98
