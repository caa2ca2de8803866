"""What a Parzen evaluation returns: plain values in nats, each beside what it depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gantool.numerics.density import CurvePoint, SigmaSource

# Table 1 of the paper, for data sets of the same name; mean log-likelihood on the test set in nats.
PAPER_SCORES: dict[str, dict[str, Any]] = {
    "mnist": {
        "log_likelihood": 225.0,
        "standard_error": 2.0,
        "num_samples": 10_000,
        "source": "Goodfellow et al. 2014, Table 1, adversarial nets",
    }
}


@dataclass(frozen=True)
class Reference:
    """The score of samples that no model made, under the same protocol. `how` says what they are."""

    num_samples: int
    sigma: float
    log_likelihood: float
    standard_error: float | None
    how: str


@dataclass(frozen=True)
class References:
    """The two references; None where they were not wanted or there are no rows for them."""

    training_images: Reference | None = None
    kmeans_centroids: Reference | None = None


@dataclass(frozen=True)
class Refined:
    """The score at the continuous optimum of sigma, beside the grid's.

    `validation_log_likelihood` is the optimum's value on the rows that choose sigma.
    """

    sigma: float
    log_likelihood: float
    standard_error: float | None
    validation_log_likelihood: float


@dataclass(frozen=True)
class SamplePoint:
    """The score of the first `num_samples` of the samples, in a random order, at the same sigma."""

    num_samples: int
    log_likelihood: float
    standard_error: float | None


@dataclass(frozen=True)
class Uncertainty:
    """One source of uncertainty: `value` is a standard deviation of the score in nats, None where it is not covered.

    `what_varies` says what would differ in a repetition; `interval` holds 95 % where the method gives it.
    """

    name: str
    what_varies: str
    value: float | None
    method: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class TrainGap:
    """Training rows and test rows under the same samples and sigma.

    `gap` is train − test in nats; `standard_error` is across both sets of rows; `rows` training rows were drawn.
    """

    rows: int
    train_log_likelihood: float
    test_log_likelihood: float
    gap: float
    standard_error: float


@dataclass(frozen=True)
class ClassScore:
    """The mean over the scored rows of one class, under all samples."""

    label: int
    test_size: int
    log_likelihood: float
    standard_error: float | None


@dataclass(frozen=True)
class ConditionalClassScore:
    """The mean over the scored rows of one class under the `num_samples` samples of that class."""

    label: int
    test_size: int
    num_samples: int
    log_likelihood: float
    standard_error: float | None


@dataclass(frozen=True)
class ConditionalScore:
    """log p(x | y): each row scored by the samples of its own class alone, at the same sigma.

    The overall mean is None where a class of the rows has no samples: its rows have no density.
    """

    log_likelihood: float | None
    standard_error: float | None
    per_class: tuple[ConditionalClassScore, ...]


@dataclass(frozen=True)
class ParzenResult:
    """A score and everything that it depends on. Log-likelihoods in nats; sigma in the data's units.

    `standard_error` is std/√test_size across the rows scored, None for one row; `uncertainties` names what it leaves
    out.
    `sigma_source` is `validation`, `leave-one-out` or `given`; `validation_size` rows chose sigma (with
    `leave-one-out` these are samples). `impl` names what ran for the score, and `remainder` is the most, in nats, that
    a screen left out of one of its log-densities (0: nothing). What could not be had is None or empty.
    `data_fingerprint` is the SHA-256 of the rows scored.
    """

    dataset: str
    split: str
    test_size: int
    num_samples: int
    dimension: int
    sigma: float
    sigma_source: SigmaSource
    log_likelihood: float
    standard_error: float | None
    nats_per_dimension: float
    sigma_curve: tuple[CurvePoint, ...]
    validation_size: int
    refined: Refined | None
    sample_curve: tuple[SamplePoint, ...]
    uncertainties: tuple[Uncertainty, ...]
    train_gap: TrainGap | None
    per_class: tuple[ClassScore, ...]
    class_conditional: ConditionalScore | None
    references: References
    paper: dict[str, Any] | None
    pixel_scaling: str
    seed: int
    impl: str
    remainder: float
    device: str
    data_fingerprint: str | None = None
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers: the object that `gantool eval parzen --json` prints."""
        return {"measure": "parzen", **asdict(self)}
