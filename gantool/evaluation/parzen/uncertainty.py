"""How far the score would move in a repetition, one source of uncertainty at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, pstdev, stdev, variance

import torch
from scipy.special import ndtr, stdtrit

from gantool.evaluation.parzen.growth import Grouped
from gantool.evaluation.parzen.result import Uncertainty
from gantool.numerics.density import Choice, mean_and_error

RESAMPLES = 1_000

# Of fewer rows a resample hardly ever leaves what the rows span, and 95 % of the means lie wider.
BOOTSTRAP_ROWS = 8

# Ways to deal the groups to four quarters: they add 3 % to the 8 % to which 80 groups know a standard deviation.
_DEALS = 100

# Two curves differ by more than chance where a difference exceeds so many standard errors. Up to there the choice of
# sigma counts on both: a smaller number makes its ± too large (1.2 times at 2), as two curves often differ by 2.
_UNLIKE = 3.0

# Resamples at a time: their counts are then a few megabytes.
_CHUNK = 50


def student_interval(mean: float, error: float, freedom: int) -> tuple[float, float]:
    """95 % about a mean whose standard error, from so many degrees of freedom, is `error` (Student 1908)."""
    reach = error * float(stdtrit(freedom, 0.975))
    return mean - reach, mean + reach


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % about the mean of two or more values by Student's t; None for one, which shows no spread."""
    if len(values) < 2:
        return None
    return student_interval(fmean(values), stdev(values) / math.sqrt(len(values)), len(values) - 1)


def resampled_sigmas(choice: Choice, seed: int) -> Counter[float]:
    """How often each sigma of the grid is the best on a resample of the rows that chose; none where sigma was given."""
    if choice.values is None or choice.source == "given":
        return Counter()
    return _choices([point.sigma for point in choice.curve], choice.values, torch.zeros((), device="cpu"), seed)


def uncertainties(
    grouped: Grouped, choice: Choice, chosen: Counter[float], at_sigma: Mapping[float, torch.Tensor], seed: int
) -> tuple[Uncertainty, ...]:
    """Every source by name, those that one evaluation cannot see included.

    `chosen` is of `resampled_sigmas`; `at_sigma` has the log-density of each row scored, [N], at each of those sigmas.
    """
    values = grouped.total[0]
    return (
        _rows(values),
        _rows_bootstrap(values, seed),
        _samples(grouped, seed),
        _sigma(choice, chosen, at_sigma, seed),
        Uncertainty(
            "training seed",
            "which initial weights and batches the training draws",
            None,
            "not covered: this is one training; score runs of several seeds",
        ),
    )


def _rows(values: torch.Tensor) -> Uncertainty:
    """std/√N, and an interval by Student's t: 1.96 such errors cover 57 % at 2 rows and 82 % at 5."""
    name, what = "rows scored", "which test rows are scored"
    mean, error = mean_and_error(values)
    if error is None:
        return Uncertainty(name, what, None, "not covered: one row is scored, and one row shows no spread")
    method = f"std/√{len(values):,} across the rows, 95 % by Student's t"
    # The protocol's std divides by N, Student's by N − 1.
    unbiased = error * math.sqrt(len(values) / (len(values) - 1))
    return Uncertainty(name, what, error, method, student_interval(mean, unbiased, len(values) - 1))


def _rows_bootstrap(values: torch.Tensor, seed: int) -> Uncertainty:
    """Means of resamples of the rows (Efron 1979).

    Their 2.5 and 97.5 % lie too close together by √((N − 1)/N) and by what Student's t exceeds the normal: expanded
    percentiles mend both (Hesterberg 2015, "What teachers should know about the bootstrap").
    """
    name, what, count = "rows scored (bootstrap)", "which test rows are scored", len(values)
    if count < BOOTSTRAP_ROWS:
        few = "one row shows no spread" if count == 1 else f"{count} rows are too few to resample"
        return Uncertainty(name, what, None, f"not covered: {few}")
    means = torch.cat([counts @ values / count for counts in _counts(count, RESAMPLES, seed)])
    tail = float(ndtr(-math.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.975)))
    low, high = means.quantile(means.new_tensor([tail, 1 - tail])).tolist()
    method = f"bootstrap, {RESAMPLES:,} resamples of the rows, seed {seed}, expanded percentiles"
    return Uncertainty(name, what, pstdev(means.tolist()), method, (low, high))


def _samples(grouped: Grouped, seed: int) -> Uncertainty:
    """How far fresh draws of as many samples would move the score, from disjoint parts of these.

    A resample with repetition is useless here: the score grows with the number of different samples, which then varies
    (on MNIST 6.8 nats where fresh draws of 10,000 samples differ by 0.6). Two disjoint halves are fresh draws of M/2
    samples, so that half of their squared difference has the variance V(M/2) as its mean, whatever the score does;
    four quarters give V(M/4). Of V(m) = A/m + B, A is of what rows share and B of the rows apart: where many samples
    carry each row's density B is nearly 0, and V(M/2)/2 would do; where one sample does, as in high dimension, that is
    too small (0.8 of the standard deviation on MNIST). A and B come from the two variances, and V(M) is kept between
    V(M/2)/2 and V(M/2), beyond which only chance takes it. (Subsampling with an estimated rate: Bertail, Politis
    and Romano 1999.) In simulations against fresh draws the ± is 0.95 to 1.25 of the truth, the more the fewer rows in
    thin tails decide; from draw to draw it varies by 10 to 17 %, there by 25 %.
    """
    name, what = "samples drawn", "which samples the model draws"
    count = len(grouped.sizes)
    if count < 4:
        return Uncertainty(name, what, None, "not covered: fewer than four samples cannot be split into quarters")
    quarter = count // 4
    rng = torch.Generator().manual_seed(seed)
    sized = grouped.groups + grouped.sizes.double().log()[:, None]
    of_quarters, of_halves = [], []
    for _ in range(_DEALS):
        dealt = torch.randperm(count, generator=rng, device=rng.device)[: 4 * quarter].view(4, quarter)
        sums = torch.logsumexp(sized[dealt], dim=1)
        sizes = grouped.sizes[dealt].sum(dim=1)
        of_quarters.append(variance(_scores(sums, sizes)))
        for one, other in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))):
            halves = torch.stack([torch.logsumexp(sums[list(pair)], dim=0) for pair in (one, other)])
            of_halves.append(variance(_scores(halves, torch.stack([sizes[list(pair)].sum() for pair in (one, other)]))))
    half, dealt_share = fmean(of_halves), 2 * quarter / count
    extrapolated = half * (2 - dealt_share) - fmean(of_quarters) * (1 - dealt_share)
    value = math.sqrt(min(half, max(dealt_share * half, extrapolated)))
    method = f"disjoint halves and quarters of {count} groups of samples, dealt {_DEALS} times, seed {seed}"
    return Uncertainty(name, what, value, method, student_interval(grouped.total[0].mean().item(), value, count - 1))


def _scores(sums: torch.Tensor, sizes: torch.Tensor) -> list[float]:
    """The score of each part from its rows' log-sums [P, N] and its number of samples [P]."""
    found: list[float] = (sums.mean(dim=1) - sizes.double().log()).tolist()
    return found


def _sigma(choice: Choice, chosen: Counter[float], at_sigma: Mapping[float, torch.Tensor], seed: int) -> Uncertainty:
    """How far the score would move if other rows chose sigma.

    Resamples scatter about the curve of the rows that chose, which itself is off the truth by as much. Near the top of
    the score's own curve that makes the ± 1.4 to 2 times too large: other rows choose about the true best, these
    resamples about one that is off. The rows scored know the true curve too. Of validation rows and scored ones that
    differ by chance alone, the resamples are moved to w·(the one curve) + (1 − w)·(the other), w² = V/(V + N): its
    squared distance from the curve of the N rows is on average that of the truth, 1/N against w²·(1/V + 1/N). Nothing
    is chosen on rows scored: the headline's sigma stays. In simulations the ± is 0.9 to 1.1 of the truth. Where the
    samples choose (leave-one-out), nothing else knows their curve, and plain resamples are taken.
    """
    name, what = "choice of sigma", "which rows choose sigma from the grid"
    if choice.values is None or not chosen:
        return Uncertainty(name, what, None, "not covered: sigma was given, not chosen")
    # A sigma that no resample chose stays out: it would need its own scores.
    sigmas = sorted(chosen)
    grid = [point.sigma for point in choice.curve]
    rows = choice.values[[grid.index(sigma) for sigma in sigmas]]
    scored = torch.stack([at_sigma[sigma] for sigma in sigmas])
    shift = torch.zeros((), device="cpu")
    if choice.source == "validation" and _differ_by_chance(rows, scored):
        weight = math.sqrt(rows.shape[1] / (rows.shape[1] + scored.shape[1]))
        shift = (1 - weight) * (scored.mean(dim=1) - rows.mean(dim=1))
    winners = _choices(sigmas, rows, shift, seed)
    scores = {sigma: float(row.mean()) for sigma, row in zip(sigmas, scored, strict=True)}
    share = winners[choice.sigma] / winners.total()
    named = "samples" if choice.source == "leave-one-out" else "validation rows"
    method = f"bootstrap, {RESAMPLES:,} resamples of the {choice.rows:,} {named}: {share:.0%} choose {choice.sigma:.4g}"
    return Uncertainty(name, what, pstdev([scores[sigma] for sigma in winners.elements()]), method)


def _differ_by_chance(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two curves over the same sigmas, from rows [S, V] and [S, N], are alike but for a constant and chance."""
    if min(first.shape[1], second.shape[1]) < 2:
        return True  # one row cannot tell the curves apart
    best = first.mean(dim=1).argmax()
    one, other = first - first[best], second - second[best]
    error = one.var(dim=1) / one.shape[1] + other.var(dim=1) / other.shape[1]
    return not bool(((one.mean(dim=1) - other.mean(dim=1)).abs() > _UNLIKE * error.sqrt()).any())


def _choices(sigmas: Sequence[float], rows: torch.Tensor, shift: torch.Tensor, seed: int) -> Counter[float]:
    """How often each sigma is the best on resamples of rows [S, V], their means being moved by `shift` [S] or [1]."""
    count = rows.shape[1]
    winners = torch.cat([(counts @ rows.T / count + shift).argmax(dim=1) for counts in _counts(count, RESAMPLES, seed)])
    return Counter(sigmas[index] for index in winners.tolist())


def _counts(rows: int, resamples: int, seed: int) -> Iterator[torch.Tensor]:
    """How often each row occurs in each resample: [R', rows] float64, R' resamples at a time."""
    rng = torch.Generator().manual_seed(seed)
    for start in range(0, resamples, _CHUNK):
        chunk = min(_CHUNK, resamples - start)
        drawn = torch.randint(rows, (chunk, rows), generator=rng, device=rng.device)
        drawn += rows * torch.arange(chunk, device=rng.device)[:, None]
        yield torch.bincount(drawn.flatten(), minlength=chunk * rows).view(chunk, rows).double()
