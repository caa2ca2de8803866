"""Keeping a result in its run: after it was shown, since a result that cannot be kept is still one."""

from __future__ import annotations

from typing import Any

from gantool.runs import Run


def record(run: Run, result: dict[str, Any]) -> list[str]:
    """Adds a result to the run's evaluations.jsonl. Where that cannot be written, a sentence says so."""
    try:
        run.append_score(result)
    except OSError as error:
        return [f"The result is not recorded: {run.evaluations} cannot be written ({error.strerror or error})."]
    return []
