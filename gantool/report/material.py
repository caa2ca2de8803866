"""What a report tells of a run, read from its directory; what is not there is named, with the command that makes it."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantool.runs import Run, read_json_lines

# Measures that a complete report has, and how each is called.
MEASURES = {
    "parzen": "Parzen-window log-likelihood",
    "diversity": "Memorisation and diversity",
    "features": "Feature distances",
}


@dataclass(frozen=True)
class Missing:
    """A part that the report lacks: why, and the command that makes it (None where there is none)."""

    part: str
    reason: str
    command: str | None = None


@dataclass
class Material:
    """A run as read. `scores` has the newest record of each measure; `metrics` the lines of metrics.jsonl."""

    run: Run
    status: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    scores: dict[str, dict[str, Any]]
    alarms: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.run.path.name

    @property
    def parzen(self) -> dict[str, Any] | None:
        return self.scores.get("parzen")

    def command(self, words: str) -> str:
        """`gantool WORDS` on this run, as it is typed."""
        return f"gantool {words} {shlex.quote(str(self.run.path))}"


def collect(run: Run) -> Material:
    """Reads a run directory. A file that is missing or damaged becomes a missing part and never an error."""
    missing: list[Missing] = []
    metrics = _lines(run.metrics, "Training curves", missing)
    scores = {}
    for record in _lines(run.path / "evaluations.jsonl", "Scores", missing):
        scores[str(record.get("measure", "parzen"))] = record
    found = Material(run, run.status(), _environment(run, missing), metrics, scores, missing=missing)
    if not metrics:
        missing.append(Missing("Training curves", "nothing has been logged yet", found.command("train --resume")))
    for measure, title in MEASURES.items():
        if measure not in scores:
            command = found.command(f"eval {measure}")
            missing.append(Missing(title, "not measured yet", command))
    found.alarms += _alarms(metrics, scores)
    for record in scores.values():
        found.warnings += _sentences(record.get("warnings"))
        found.notes += _sentences(record.get("notes"))
    found.warnings += _state_warnings(found)
    return found


def _lines(path: Path, part: str, missing: list[Missing]) -> list[dict[str, Any]]:
    kept = []
    try:
        for line in read_json_lines(path):
            kept.append(line)
    except (OSError, ValueError) as error:
        missing.append(Missing(part, f"{path.name} cannot be read beyond line {len(kept)} ({error})"))
    return [line for line in kept if isinstance(line, dict)]


def _environment(run: Run, missing: list[Missing]) -> dict[str, Any]:
    try:
        environment: dict[str, Any] = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        missing.append(Missing("Environment", f"environment.json cannot be read ({error})"))
        return {}
    return environment


def _alarms(metrics: list[dict[str, Any]], scores: dict[str, dict[str, Any]]) -> list[str]:
    """Alarms of training, with their steps, and of every measure; each once, in the order in which they were raised."""
    raised = []
    for line in metrics:
        raised += [f"Step {line.get('step', 0):,}: {sentence}" for sentence in _sentences(line.get("alarms"))]
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
    state, reason = found.status.get("state"), found.status.get("reason")
    if state not in ("finished", "running"):
        said.append(f"The run is {state} at step {found.status.get('step', 0):,}" + (f": {reason}" if reason else "."))
    newest = found.run.latest_step()
    for measure, record in found.scores.items():
        step = record.get("step")
        if isinstance(step, int) and newest is not None and step != newest:
            title = MEASURES.get(measure, measure)
            said.append(f"{title} is of step {step:,}; the newest checkpoint is of step {newest:,}.")
    return said


def is_number(value: Any) -> bool:
    """True for a finite int or float; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
