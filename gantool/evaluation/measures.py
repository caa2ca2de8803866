"""The measures by name, and what all of them share: the time they take, and whose samples they judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from gantool.evaluation.diversity import DiversitySettings, diversity_of
from gantool.evaluation.feature_sources import FeatureSettings
from gantool.evaluation.features import features_of
from gantool.evaluation.parzen import ParzenSettings, parzen_of
from gantool.evaluation.subject import Subject
from gantool.isolation import own_modes
from gantool.progress import Progress, silent


class Measure(NamedTuple):
    """`name` is the word in evaluations.jsonl and on the command line; `score` makes a result of a subject.

    A result is a frozen dataclass with the fields `run`, `step` and `seconds`, and `to_dict` for --json.
    """

    name: str
    settings: type
    score: Callable[[Subject, Any, Progress], Any]


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("parzen", ParzenSettings, parzen_of),
        Measure("features", FeatureSettings, features_of),
        Measure("diversity", DiversitySettings, diversity_of),
    )
}


@own_modes()
def measure(name: str, subject: Subject, settings: Any, progress: Progress = silent) -> Any:
    """The result of a measure, with the run and the step that were judged and the seconds that it took."""
    started = time.monotonic()
    result = MEASURES[name].score(subject, settings, progress)
    run = str(subject.run.path) if subject.run else None
    return replace(result, run=run, step=subject.step, seconds=time.monotonic() - started)
