"""Which modes of the data the samples reach: classes of labelled data, exact components of the toy mixtures.

Toy mixtures as in VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gantool.data.sets.toy import Mixture
from gantool.errors import UsageError

# A class counts as captured from this part of its share among the data on: a generator that shows it ten times too
# rarely has lost it, and a classifier that errs on one sample in a hundred has not found it.
CAPTURED_SHARE = 0.1
# A sample of a toy mixture belongs to a component within this many of its standard deviations.
HIGH_QUALITY_DEVIATIONS = 3.0


@dataclass(frozen=True)
class ModesResult:
    """Modes captured, and how far the samples' histogram over modes is from the data's. Divergences in nats.

    `counts` are the samples in each of `modes`, `expected_shares` the data's histogram. `kl` is KL(samples‖data),
    finite where the samples miss a mode, and None where they have one that the data lack; `js` is the Jensen-Shannon
    divergence, at most ln 2. `kl_by_chance` and `js_by_chance` are about what samples of the data themselves would
    get on average at this N. `high_quality` is the share of samples that lie in a mode at all (toy mixtures), and
    `expected_high_quality` that of true samples. `definition` says when a mode counts as captured.
    """

    num_samples: int
    modes: tuple[int, ...]
    counts: tuple[int, ...]
    expected_shares: tuple[float, ...]
    captured: int
    missing: tuple[int, ...]
    kl: float | None
    js: float
    kl_by_chance: float
    js_by_chance: float
    definition: str
    high_quality: float | None = None
    expected_high_quality: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers."""
        return asdict(self)


def class_histogram(labels: Tensor, classes: Sequence[int]) -> Tensor:
    """How often each of `classes` occurs among labels [N]: [K] int64. UsageError for a label that is not among them."""
    found = labels.unsqueeze(1) == torch.tensor(list(classes), device=labels.device)
    if bool((stray := ~found.any(dim=1)).any()):
        raise UsageError(f"The label {labels[stray][0].item()} is none of the classes {', '.join(map(str, classes))}.")
    return found.sum(dim=0).cpu()


def class_modes(sample_labels: Tensor, data_labels: Tensor, classes: Sequence[int]) -> ModesResult:
    """Compares the samples' labels [N] with the data's [M]; both from the same classifier, so that its errors cancel.

    Raises UsageError where either is empty or a label is not among `classes`.
    """
    counts, data_counts = class_histogram(sample_labels, classes), class_histogram(data_labels, classes)
    samples, rows = len(sample_labels), len(data_labels)
    if samples == 0 or rows == 0:
        raise UsageError("Class histograms need one sample and one row of data at least.")
    shares = data_counts.double() / rows
    captured = (counts > 0) & (counts.double() / samples >= CAPTURED_SHARE * shares)
    definition = f"a class is captured when its share is at least {CAPTURED_SHARE:.0%} of its share among the data"
    # 2·N·KL and 8·N·JS are about chi-squared with K - 1 degrees of freedom; the data's own histogram adds 1/M to 1/N.
    degrees = int((data_counts > 0).sum()) - 1
    return _result(counts, samples, classes, shares, captured, degrees * (1 / samples + 1 / rows), definition)


def mixture_modes(samples: Tensor, mixture: Mixture) -> ModesResult:
    """Assigns samples [N, D] to the components of a toy mixture, exactly.

    A sample belongs to the nearest centre, distances counted in that component's standard deviations, if it is within
    three of them. The histogram is that of the samples that belong to one; where none does, its divergences are the
    largest there are: `kl` None and `js` ln 2. Raises UsageError where D is another, or N is 0.
    """
    if samples.ndim != 2 or samples.shape[1] != mixture.dimension or len(samples) == 0:
        raise UsageError(
            f"The samples must be rows of {mixture.dimension} values, as the mixture's points are, but have the shape "
            f"{list(samples.shape)}."
        )
    points = samples.detach().cpu().double()
    # Differences, not torch.cdist: its matrix product loses the small distances that decide here.
    distances = torch.stack([(points - mean).norm(dim=1) for mean in mixture.means], dim=1) / mixture.std
    least, nearest = distances.min(dim=1)
    inside = least <= HIGH_QUALITY_DEVIATIONS
    counts = torch.bincount(nearest[inside], minlength=len(mixture.means))
    definition = f"a mode is captured when a sample lies within {HIGH_QUALITY_DEVIATIONS:g} standard deviations of it"
    chance = (len(mixture.means) - 1) / max(int(inside.sum()), 1)
    half = torch.tensor([mixture.dimension / 2, HIGH_QUALITY_DEVIATIONS**2 / 2], dtype=torch.float64, device="cpu")
    return _result(
        counts,
        len(samples),
        range(len(counts)),
        mixture.weights,
        counts > 0,
        chance,
        definition,
        high_quality=inside.double().mean().item(),
        # ‖x − mean‖²/std² is chi-squared with D degrees of freedom: its distribution function at nine.
        expected_high_quality=torch.special.gammainc(half[0], half[1]).item(),
    )


def _result(
    counts: Tensor,
    samples: int,
    modes: Sequence[int],
    shares: Tensor,
    captured: Tensor,
    chance: float,
    definition: str,
    **quality: float,
) -> ModesResult:
    total = int(counts.sum())
    found = counts.double() / total if total else torch.zeros_like(shares)
    middle = (found + shares) / 2
    kl = _kl(found, shares) if total else math.inf
    return ModesResult(
        num_samples=samples,
        modes=tuple(modes),
        counts=tuple(counts.tolist()),
        expected_shares=tuple(shares.tolist()),
        captured=int(captured.sum()),
        missing=tuple(mode for mode, there in zip(modes, captured.tolist(), strict=True) if not there),
        kl=kl if math.isfinite(kl) else None,
        js=(_kl(found, middle) + _kl(shares, middle)) / 2 if total else math.log(2),
        kl_by_chance=chance / 2,
        js_by_chance=chance / 8,
        definition=definition,
        **quality,
    )


def _kl(first: Tensor, second: Tensor) -> float:
    """KL(first‖second) in nats; infinite where `second` lacks what `first` has. Rounding must not make it negative."""
    return max(0.0, float((torch.xlogy(first, first) - torch.xlogy(first, second)).sum()))
