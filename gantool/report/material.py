"""What a report tells of a run, read from its directory; what is not there is named, with the command that makes it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantool.runs import Run
from gantool.runs.status import Status
from gantool.tables import is_number

# Measures that a complete report has, and how each is called.
MEASURES = {
    "parzen": "Parzen-window log-likelihood",
    "diversity": "Memorisation and diversity",
    "features": "Feature distances",
}

CURVES = "Training curves"


@dataclass(frozen=True)
class Missing:
    """A part that the report lacks: why, and the command that makes it (None where there is none)."""

    part: str
    reason: str
    command: str | None = None


@dataclass
class Material:
    """A run as read. `scores` has the newest record of each measure; `metrics` the lines of metrics.jsonl.

    `name` is what the page calls the run.
    """

    run: Run
    status: Status
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    scores: dict[str, dict[str, Any]]
    name: str
    alarms: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def parzen(self) -> dict[str, Any] | None:
        return self.scores.get("parzen")

    def evaluation(self, measure: str) -> str | None:
        """The command, as it is typed, that measures this run; None where it has no checkpoint to be measured."""
        if self.run.latest_step() is None:
            return None
        return f"gantool eval {measure} {shlex.quote(str(self.run.path))}"


def collect(run: Run) -> Material:
    """Reads a run directory. A file that is missing or damaged becomes a missing part and never an error."""
    missing: list[Missing] = []
    metrics = _records(run, run.metrics, CURVES, missing)
    scores = {}
    for record in _records(run, run.evaluations, "Scores", missing):
        scores[str(record.get("measure", "parzen"))] = record
    found = Material(run, run.status(), _environment(run, missing), metrics, scores, run.path.name, missing=missing)
    if not metrics and not any(part.part == CURVES for part in missing):
        missing.append(Missing(CURVES, "nothing has been logged yet"))
    for measure, title in MEASURES.items():
        if measure not in scores:
            missing.append(Missing(title, "not measured yet", found.evaluation(measure)))
    found.alarms += _alarms(metrics, scores)
    for record in scores.values():
        found.warnings += _sentences(record.get("warnings"))
        found.notes += _sentences(record.get("notes"))
    found.warnings += _state_warnings(found)
    return found


def _records(run: Run, path: Path, part: str, missing: list[Missing]) -> list[dict[str, Any]]:
    """The records of a file; lines that hold none, and a file that cannot be read, are named as missing."""
    try:
        missing += [Missing(part, sentence) for sentence in run.damage(path)]
        return run.records() if path == run.metrics else run.scores()
    except OSError as error:
        missing.append(Missing(part, f"{path.name} cannot be read ({error.strerror or error})"))
        return []


def _environment(run: Run, missing: list[Missing]) -> dict[str, Any]:
    try:
        environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
        if not isinstance(environment, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        missing.append(Missing("Environment", f"environment.json cannot be read ({error})"))
        return {}
    return environment


def tell_apart(materials: list[Material]) -> None:
    """Names runs of one name by as many of their folders as tell them apart: a/0002-mnist and b/0002-mnist."""
    for depth in range(2, 1 + max(len(material.run.path.resolve().parts) for material in materials)):
        names = Counter(material.name for material in materials)
        for material in materials:
            if names[material.name] > 1:
                material.name = "/".join(material.run.path.resolve().parts[-depth:])


def _alarms(metrics: list[dict[str, Any]], scores: dict[str, dict[str, Any]]) -> list[str]:
    """Alarms of training, with their steps, and of every measure; each once, in the order in which they were raised."""
    raised = []
    for line in metrics:
        at = f"Step {line['step']:,}: " if is_number(line.get("step")) else ""
        raised += [f"{at}{sentence}" for sentence in _sentences(line.get("alarms"))]
    for record in scores.values():
        raised += _sentences(record.get("alarms"))
    return list(dict.fromkeys(raised))


def _sentences(value: Any) -> list[str]:
    """Sentences out of a string, an object with a `sentence`, or a list of such."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return _sentences(value.get("sentence"))
    if isinstance(value, list):
        return [sentence for item in value for sentence in _sentences(item)]
    return []


def _state_warnings(found: Material) -> list[str]:
    said = []
    state, reason = found.status.state, found.status.reason
    if state not in ("finished", "running"):
        said.append(f"The run is {state} at step {found.status.step:,}" + (f": {reason}" if reason else "."))
    newest = found.run.latest_step()
    for measure, record in found.scores.items():
        step = record.get("step")
        if isinstance(step, int) and newest is not None and step != newest:
            title = MEASURES.get(measure, measure)
            said.append(f"{title} is of step {step:,}; the newest checkpoint is of step {newest:,}.")
    return said
