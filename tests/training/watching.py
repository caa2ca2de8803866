"""Observers that the training tests share."""

from __future__ import annotations

from pathlib import Path

from gantool.runs import Run
from gantool.training.metrics import Record


class Silent:
    """Watches, and says nothing."""

    def on_record(self, record: Record) -> None: ...

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


def silent(run: Run, total_steps: int) -> Silent:
    """What opens such an observer for a run."""
    return Silent()
