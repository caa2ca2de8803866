"""Table 1 of the paper: Parzen-window log-likelihood estimates in nats (Goodfellow et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """One model's score on the test set; `standard_error` as the paper defines it for the data set."""

    model: str
    log_likelihood: float
    standard_error: float


TABLE_1: dict[str, tuple[PaperRow, ...]] = {
    "mnist": (
        PaperRow("DBN", 138.0, 2.0),
        PaperRow("Stacked CAE", 121.0, 1.6),
        PaperRow("Deep GSN", 214.0, 1.1),
        PaperRow("Adversarial nets", 225.0, 2.0),
    ),
    "tfd": (
        PaperRow("DBN", 1909.0, 66.0),
        PaperRow("Stacked CAE", 2110.0, 50.0),
        PaperRow("Deep GSN", 1890.0, 29.0),
        PaperRow("Adversarial nets", 2057.0, 26.0),
    ),
}

# What the paper's ± is: the caption of Table 1.
PAPER_UNCERTAINTY = {"mnist": "across test examples", "tfd": "across folds"}
