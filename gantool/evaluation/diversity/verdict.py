"""What the measures of diversity come to in words: collapse, memorisation, averaging, missing modes, or none of these.

Each threshold lies between what constructed cases on MNIST (10,000 rows) and on the digits (300) gave; the figures are
beside it. Real held-out rows raise no alarm, and neither do generators of the paper's pair that trained soundly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gantool.evaluation.diversity.bins import BinsResult
from gantool.evaluation.diversity.copies import DuplicatesResult, MemorisationResult
from gantool.evaluation.diversity.modes import ModesResult
from gantool.numerics.neighbours import NEAR_QUANTILE

AlarmKind = Literal["collapse", "partial collapse", "memorisation", "averaging", "missing modes"]

# Share of samples with a near-duplicate less that of real rows: fresh rows about 0, sound generators 0.01 to 0.05, one
# that was slow to start 0.12; collapsed ones 1.0.
COLLAPSED_NEAR_SHARE = 0.5
# Share of samples identical to another one less that of real rows, which have none in most data; and of nearly
# identical ones, which is a difference and no alarm yet.
REPEATED_SHARE = 0.05
# The data's mass that the samples leave empty: fresh rows 0, sound generators to 0.03; real threes alone 0.62 to 0.90.
# Half of the labelled or known modes likewise.
COLLAPSED_MASS = 0.5
# Above what chance leaves of small bins (0.03 at 300 samples); MNIST without threes and sevens leaves 0.06.
MISSING_MASS = 0.05

# Exact copies beyond the held-out rows' own.
COPIED_SHARE = 0.01
# Samples closer to a training row than the closest hundredth of the held-out rows: fresh rows 0.01 to 0.03; 0.11 where
# a tenth of the samples is replayed.
CLOSE_SHARE = 0.05
# Median distance to the training rows over that of held-out rows: fresh rows 0.99, sound generators 1.1 to 1.4;
# training rows under noise of 0.1 a pixel 0.64 to 0.76.
CLOSE_RATIO = 0.85

# Beyond what fresh rows show, no alarm yet; sound generators are told from the data by it.
FAR_RATIO = 1.1

# Spread within the data's bins: fresh rows 0.98 to 1, replayed rows from 0.94 (they are the rows that placed the bins),
# sound generators 0.98 to 1.3; k-means centroids 0.14 to 0.84, the largest where there is one for two rows.
AVERAGED_SPREAD = 0.87

# Spread within the data's bins beyond which samples scatter more than the data: a difference and no alarm.
SCATTERED_SPREAD = 1.1

# What must hold besides, so that few rows raise no alarm by chance: three standard errors, and ten expected samples.
# Of few rows the normal distribution says little about the tails: there an exact probability must be as small.
_CERTAIN, _EXPECTED, _BY_CHANCE = 3.0, 10, 0.001


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong, and the figures that say so in a sentence."""

    kind: AlarmKind
    sentence: str


def find_alarms(
    duplicates: DuplicatesResult,
    memorisation: MemorisationResult | None,
    bins: BinsResult,
    modes: ModesResult | None,
) -> tuple[Alarm, ...]:
    """Every alarm that the measures raise, the gravest first; none for samples like fresh rows of the data."""
    collapse = list(_collapse(duplicates, bins, modes))
    repeated = None if collapse else _repeated(duplicates)
    alarms = [Alarm("collapse", f"Collapse: {', and '.join(collapse)}.")] if collapse else []
    if repeated:
        alarms.append(Alarm("partial collapse", f"Partial collapse: {repeated}."))
    averaging = None if alarms else _averaging(bins, memorisation)
    if averaging:
        alarms.append(averaging)
    # An average of few rows is near each of them, and a cluster of one row is that row: averaging explains both.
    copied = [] if memorisation is None or averaging else list(_memorisation(memorisation, bool(collapse or repeated)))
    if copied:
        alarms.append(Alarm("memorisation", f"Memorisation: {', and '.join(copied)}."))
    missing = [] if collapse else list(_missing(bins, modes))
    if missing:
        alarms.append(Alarm("missing modes", f"Missing modes: {', and '.join(missing)}."))
    return tuple(alarms)


def _collapse(duplicates: DuplicatesResult, bins: BinsResult, modes: ModesResult | None) -> Iterator[str]:
    if _near_excess(duplicates) >= COLLAPSED_NEAR_SHARE:
        yield (
            f"{duplicates.near_share:.0%} of {duplicates.num_samples:,} samples nearly repeat another one, where "
            f"{duplicates.data_near_share:.0%} of as many real rows do"
        )
    if _scatter_more(duplicates):
        return  # samples that scatter more than the data miss their modes as well, and that is no collapse
    if bins.missing_mass >= max(COLLAPSED_MASS, bins.missing_by_chance):
        yield f"the samples stay away from where {bins.missing_mass:.0%} of the data are"
    if modes is not None and modes.captured <= len(modes.modes) * (1 - COLLAPSED_MASS):
        yield f"they show {modes.captured} of {len(modes.modes)} modes"


def _scatter_more(duplicates: DuplicatesResult) -> bool:
    """Whether a sample's nearest other one is further away than a real row's, at the median."""
    if duplicates.distance_ratio is None:  # half of the real rows are at distance 0
        return duplicates.exact_share < 0.5
    return duplicates.distance_ratio >= 1


def _repeated(duplicates: DuplicatesResult) -> str | None:
    found, real, count = duplicates.exact_share, duplicates.data_exact_share, duplicates.num_samples
    if found - real < max(REPEATED_SHARE, _pairs_error(found, real, count)):
        return None
    return f"{found:.0%} of {count:,} samples are identical to another one, where {real:.0%} of as many real rows are"


def _near_excess(duplicates: DuplicatesResult) -> float:
    """The share of samples with a near-duplicate less that of real rows; 0 within three standard errors."""
    found, real = duplicates.near_share, duplicates.data_near_share
    return found - real if found - real >= _pairs_error(found, real, duplicates.num_samples) else 0.0


def _pairs_error(found: float, real: float, count: int) -> float:
    """Three standard errors of the difference of two shares of rows that come in pairs, as near-duplicates do."""
    return _three_errors(found, real, count / 2, count / 2)


def _three_errors(first: float, second: float, first_count: float, second_count: float) -> float:
    """Three standard errors of the difference of two shares where there is none, by the pooled share."""
    pooled = (first * first_count + second * second_count) / (first_count + second_count)
    return _CERTAIN * math.sqrt(pooled * (1 - pooled) * (1 / first_count + 1 / second_count))


def _memorisation(found: MemorisationResult, collapsed: bool) -> Iterator[str]:
    copied, held_out = found.copied_share, found.held_out_copied_share
    counts = found.num_samples, found.num_held_out_rows
    if copied - held_out >= max(COPIED_SHARE, _three_errors(copied, held_out, *counts)):
        yield (
            f"{copied:.0%} of {counts[0]:,} samples are exact copies of training rows, where {held_out:.0%} of "
            f"{counts[1]:,} held-out rows are"
        )
    if collapsed:  # few shapes may be close to training rows because they are common ones
        return
    ratio = found.distance_ratio
    if found.close_share >= CLOSE_SHARE and close_by_chance(found) <= _BY_CHANCE:
        yield (
            f"{found.close_share:.0%} of the samples are closer to a training row than the closest 1% of "
            f"{found.num_held_out_rows:,} held-out rows"
        )
    elif ratio is not None and ratio <= CLOSE_RATIO and found.copying_z >= _CERTAIN:
        yield (
            f"the samples are closer to the training rows than fresh rows are (median distance {ratio:.2f} of theirs)"
        )


def close_by_chance(found: MemorisationResult) -> float:
    """The probability that fresh rows have at least this `close_share`; exact whatever the distances' distribution.

    The quantile is at most the k-th least distance of the H held-out rows. Ranks of fresh rows are random among theirs,
    so that x of N come before the k-th with the probability that among the first x + k − 1 of all N + H there are fewer
    than k held-out ones: hypergeometric. Equal distances only make it smaller.
    """
    samples, rows = found.num_samples, found.num_held_out_rows
    rank = math.ceil(NEAR_QUANTILE * (rows - 1)) + 1
    first = round(found.close_share * samples) + rank - 1
    ways = sum(math.comb(rows, held_out) * math.comb(samples, first - held_out) for held_out in range(rank))
    return ways / math.comb(samples + rows, first)


def different_by_chance(bins: BinsResult) -> float:
    """The probability that fresh rows have at least as many different bins, each at 5%: binomial."""
    level = bins.different_by_chance / bins.bins
    fewer = (math.comb(bins.bins, k) * level**k * (1 - level) ** (bins.bins - k) for k in range(bins.different))
    return 1.0 - sum(fewer)


def _averaging(bins: BinsResult, memorisation: MemorisationResult | None) -> Alarm | None:
    kept, error = bins.spread_kept, bins.spread_error
    if kept is None or error is None or kept > AVERAGED_SPREAD or 1 - kept < _CERTAIN * error:
        return None
    if bins.spread_z < _CERTAIN:  # the mean of few distances is at the mercy of the largest
        return None
    sentence = (
        f"Averaging: the samples keep {kept:.0%} of the spread that fresh rows have within {bins.bins} bins of the "
        f"data, as averages of training rows do"
    )
    if memorisation is not None and memorisation.copied_share >= COPIED_SHARE:
        sentence += f", and {memorisation.copied_share:.0%} of them are exact copies of training rows"
    return Alarm("averaging", f"{sentence}.")


def _missing(bins: BinsResult, modes: ModesResult | None) -> Iterator[str]:
    if modes is not None:
        shares = dict(zip(modes.modes, modes.expected_shares, strict=True))
        missing = [mode for mode in modes.missing if modes.num_samples * shares[mode] >= _EXPECTED]
        if missing:
            yield f"{len(missing)} of {len(modes.modes)} modes are hardly there ({', '.join(map(str, missing))})"
    if bins.missing_mass > max(MISSING_MASS, bins.missing_by_chance):
        yield f"the samples stay away from where {bins.missing_mass:.0%} of the data are"


def verdict_of(alarms: tuple[Alarm, ...], differences: tuple[str, ...], *, copying: bool) -> str:
    """The measures in a few words: what is wrong, or what was looked for and not found, and what still differs.

    `copying` says whether copies of training rows were looked for.
    """
    if alarms:
        return " ".join(_MEANINGS[alarm.kind] for alarm in alarms)
    looked = "no collapse, no averaging, no missing mode"
    if copying:
        looked += ", no copying of training rows"
    if differences:
        return f"No alarm: {looked}. Yet the samples are told from the data: {', and '.join(differences)}."
    return f"No alarm: {looked}. By these measures the samples are like fresh rows of the data."


def find_differences(
    duplicates: DuplicatesResult,
    memorisation: MemorisationResult | None,
    bins: BinsResult,
    modes: ModesResult | None,
) -> tuple[str, ...]:
    """What no alarm stands for, and fresh rows would not show: a clause each."""
    return tuple(_differences(duplicates, memorisation, bins, modes))


def _differences(
    duplicates: DuplicatesResult,
    memorisation: MemorisationResult | None,
    bins: BinsResult,
    modes: ModesResult | None,
) -> Iterator[str]:
    if REPEATED_SHARE <= _near_excess(duplicates) < COLLAPSED_NEAR_SHARE and not _repeated(duplicates):
        yield (
            f"{duplicates.near_share:.0%} of them nearly repeat another one ({duplicates.data_near_share:.0%} of real "
            f"rows do)"
        )
    if bins.different > 2 * bins.different_held_out and different_by_chance(bins) <= _BY_CHANCE:
        yield (
            f"{bins.different} of {bins.bins} bins hold another share of them ({bins.different_by_chance:.0f} by "
            f"chance, {bins.different_held_out} for held-out rows)"
        )
    kept, error = bins.spread_kept, bins.spread_error
    scattered = kept is not None and error is not None and kept >= max(SCATTERED_SPREAD, 1 + _CERTAIN * error)
    if scattered and bins.spread_z <= -_CERTAIN:
        yield f"they have {kept:.2f} times the spread that fresh rows have within {bins.bins} bins of the data"
    ratio = None if memorisation is None else memorisation.distance_ratio
    if memorisation and ratio and ratio >= FAR_RATIO and memorisation.copying_z <= -_CERTAIN:
        yield f"they are {ratio:.2f} times as far from the training rows as fresh rows are"
    if modes and modes.high_quality is not None and modes.expected_high_quality is not None:
        expected, found = modes.expected_high_quality, modes.high_quality
        if found < expected - max(0.05, _CERTAIN * math.sqrt(expected * (1 - expected) / modes.num_samples)):
            yield f"{found:.0%} lie in a mode, where {expected:.0%} of true samples do"


_MEANINGS: dict[AlarmKind, str] = {
    "collapse": "The generator has collapsed: it shows little of the data, over and over.",
    "partial collapse": "The generator has collapsed in part: some of its samples come again and again.",
    "averaging": "The samples are too smooth: averages of training rows rather than rows of their own.",
    "memorisation": "The generator replays its training rows.",
    "missing modes": "Part of the data is missing from the samples.",
}
