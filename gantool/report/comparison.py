"""Several runs beside one another: where their configurations differ, and which scores may be compared at all."""

from __future__ import annotations

from typing import Any

from gantool.config.compare import flatten
from gantool.evaluation.compare import differences
from gantool.report.material import MEASURES, Material

# A run's own name and description differ always and mean nothing.
_UNTOLD = ("name", "about")


def configuration(material: Material) -> dict[str, Any]:
    """The run's configuration, flat, as `--set` names it."""
    flat = flatten(material.run.config.to_dict())
    return {key: value for key, value in flat.items() if key not in _UNTOLD}


def configuration_differences(materials: list[Material]) -> dict[str, list[Any]]:
    """Fields that are not the same in all runs → the value of each run; None where a run has no such field."""
    flats = [configuration(material) for material in materials]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    values = {key: [flat.get(key) for flat in flats] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def refusals(materials: list[Material], measure: str = "parzen") -> list[list[str]]:
    """For each run, why what was measured may not be compared with that of the first run that has it."""
    first = next((material for material in materials if measure in material.scores), None)
    found: list[list[str]] = []
    for material in materials:
        reasons: list[str] = []
        if first is not None and measure in material.scores:
            unlike = differences(first.scores[measure], material.scores[measure])
            reasons = [f"{what} ({two}, not {one})" for what, (one, two) in unlike.items()]
            if not reasons and first.run.data.fingerprint != material.run.data.fingerprint:
                reasons = ["the training rows"]
        found.append(reasons)
    return found


def other_refusals(materials: list[Material]) -> list[list[str]]:
    """For each run the same of every measure but the Parzen score, each reason with the measure's name."""
    found: list[list[str]] = [[] for _ in materials]
    for measure, title in MEASURES.items():
        if measure != "parzen":
            for own, reasons in zip(found, refusals(materials, measure), strict=True):
                own += [f"{title.lower()}: {reason}" for reason in reasons]
    return found
