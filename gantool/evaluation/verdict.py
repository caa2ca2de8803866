"""What the measures of diversity come to in words: collapse, memorisation, averaging, missing modes, or none of these.

Each threshold lies between what constructed cases on MNIST (10,000 rows) and on the digits (300) gave; the figures are
beside it. Real held-out rows raise no alarm, and neither do generators of the paper's pair that trained soundly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gantool.evaluation.bins import BinsResult
from gantool.evaluation.copies import NEAR_QUANTILE, DuplicatesResult, MemorisationResult, excess_share
from gantool.evaluation.modes import ModesResult

AlarmKind = Literal["collapse", "memorisation", "averaging", "missing modes"]

# Share of samples with a near-duplicate beyond real rows': fresh rows 0 (by definition), sound generators 0.01 to 0.05,
# one that was slow to start 0.12; collapsed ones 1.0.
COLLAPSED_NEAR_SHARE = 0.5
# The data's mass that the samples leave empty: fresh rows 0, sound generators to 0.03; real threes alone 0.62 to 0.90.
# Half of the labelled or known modes likewise.
COLLAPSED_MASS = 0.5
# Above what chance leaves of small bins (0.03 at 300 samples); MNIST without threes and sevens leaves 0.06.
MISSING_MASS = 0.05

# Exact copies beyond the held-out rows' own: one in a hundred does not happen by chance with images.
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

# What must hold besides, so that few rows raise no alarm by chance: three standard errors, and ten expected samples.
_CERTAIN, _EXPECTED = 3.0, 10


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
    alarms = [Alarm("collapse", f"Collapse: {', and '.join(collapse)}.")] if collapse else []
    averaging = None if collapse else _averaging(bins, memorisation)
    if averaging:
        alarms.append(averaging)
    # An average of few rows is near each of them, and a cluster of one row is that row: averaging explains both.
    copied = [] if memorisation is None or averaging else list(_memorisation(memorisation, bool(collapse)))
    if copied:
        alarms.append(Alarm("memorisation", f"Memorisation: {', and '.join(copied)}."))
    missing = [] if collapse else list(_missing(bins, modes))
    if missing:
        alarms.append(Alarm("missing modes", f"Missing modes: {', and '.join(missing)}."))
    return tuple(alarms)


def _collapse(duplicates: DuplicatesResult, bins: BinsResult, modes: ModesResult | None) -> Iterator[str]:
    if excess_share(duplicates.near_share, duplicates.data_near_share) >= COLLAPSED_NEAR_SHARE:
        yield (
            f"{duplicates.near_share:.0%} of {duplicates.num_samples:,} samples nearly repeat another one, where "
            f"{duplicates.data_near_share:.0%} of as many real rows do"
        )
    if duplicates.distance_ratio is None or duplicates.distance_ratio >= 1:
        return  # samples that scatter more than the data miss their modes as well, and that is no collapse
    if bins.missing_mass >= COLLAPSED_MASS:
        yield f"the samples stay away from where {bins.missing_mass:.0%} of the data are"
    if modes is not None and modes.captured <= len(modes.modes) * (1 - COLLAPSED_MASS):
        yield f"they show {modes.captured} of {len(modes.modes)} modes"


def _memorisation(found: MemorisationResult, collapsed: bool) -> Iterator[str]:
    if found.copied_share - found.held_out_copied_share >= COPIED_SHARE:
        yield f"{found.copied_share:.0%} of {found.num_samples:,} samples are exact copies of training rows"
    if collapsed:  # few shapes may be close to training rows because they are common ones
        return
    # The quantile is the held-out rows' own, so that it is off by chance as the share is.
    error = math.sqrt(NEAR_QUANTILE * (1 - NEAR_QUANTILE) * (1 / found.num_samples + 1 / found.num_held_out_rows))
    ratio = found.distance_ratio
    if found.close_share >= max(CLOSE_SHARE, NEAR_QUANTILE + _CERTAIN * error):
        yield (
            f"{found.close_share:.0%} of the samples are closer to a training row than the closest 1% of "
            f"{found.num_held_out_rows:,} held-out rows"
        )
    elif ratio is not None and ratio <= CLOSE_RATIO and found.copying_z >= _CERTAIN:
        yield (
            f"the samples are closer to the training rows than fresh rows are (median distance {ratio:.2f} of theirs)"
        )


def _averaging(bins: BinsResult, memorisation: MemorisationResult | None) -> Alarm | None:
    kept, error = bins.spread_kept, bins.spread_error
    if kept is None or error is None or kept > AVERAGED_SPREAD or 1 - kept < _CERTAIN * error:
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
    if bins.missing_mass >= MISSING_MASS:
        yield f"the samples stay away from where {bins.missing_mass:.0%} of the data are"


def verdict_of(
    alarms: tuple[Alarm, ...],
    memorisation: MemorisationResult | None,
    bins: BinsResult,
    modes: ModesResult | None,
) -> str:
    """The measures in a few words: what is wrong, or what was looked for and not found, and what still differs."""
    if alarms:
        return " ".join(_MEANINGS[alarm.kind] for alarm in alarms)
    looked = "no collapse, no averaging, no missing mode"
    if memorisation is not None:
        looked += ", no copying of training rows"
    differences = list(_differences(memorisation, bins, modes))
    if differences:
        return f"No alarm: {looked}. Yet the samples are told from the data: {', and '.join(differences)}."
    return f"No alarm: {looked}. By these measures the samples are like fresh rows of the data."


def _differences(memorisation: MemorisationResult | None, bins: BinsResult, modes: ModesResult | None) -> Iterator[str]:
    """What no alarm stands for, and fresh rows would not show."""
    if bins.different > 2 * max(bins.different_by_chance, bins.different_held_out):
        yield (
            f"{bins.different} of {bins.bins} bins hold another share of them ({bins.different_by_chance:.0f} by "
            f"chance, {bins.different_held_out} for held-out rows)"
        )
    ratio = None if memorisation is None else memorisation.distance_ratio
    if memorisation and ratio and ratio >= FAR_RATIO and memorisation.copying_z <= -_CERTAIN:
        yield f"they are {ratio:.2f} times as far from the training rows as fresh rows are"
    if modes and modes.high_quality is not None and modes.expected_high_quality is not None:
        expected, found = modes.expected_high_quality, modes.high_quality
        if found < expected - max(0.05, _CERTAIN * math.sqrt(expected * (1 - expected) / modes.num_samples)):
            yield f"{found:.0%} lie in a mode, where {expected:.0%} of true samples do"


_MEANINGS: dict[AlarmKind, str] = {
    "collapse": "The generator has collapsed: it shows little of the data, over and over.",
    "averaging": "The samples are too smooth: averages of training rows rather than rows of their own.",
    "memorisation": "The generator replays its training rows.",
    "missing modes": "Part of the data is missing from the samples.",
}
