"""Where a run stands: derived from its newest complete checkpoint and its lock, and stored nowhere.

What no checkpoint can say, that training was stopped by a signal or why it failed, is a record, ending.json. It holds
for the checkpoint that it was written beside, and never overrides a later one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

from gantool.files import write_json
from gantool.locks import holder_of

State = Literal["running", "finished", "stopped", "failed", "interrupted"]

FILE_NAME = "ending.json"
# The name, and more states, that the record had at first.
_EARLIER_NAME = "status.json"


class Status(NamedTuple):
    """`step` is the newest checkpoint's, 0 without one, of `total_steps`; `reason` says why a run failed.

    `holder` says in words who trains it, where it is running. `interrupted` is a run that ended without a word.
    """

    state: State
    step: int
    total_steps: int
    reason: str | None = None
    holder: str | None = None


class Ending(NamedTuple):
    """How training ended before it was complete, at which step, and why."""

    ended: str
    step: int
    reason: str | None


def status_of(path: Path, newest: int | None, total_steps: int) -> Status:
    """The status of the run at `path`, whose newest checkpoint is of step `newest` (None: there is none)."""
    step = newest or 0
    if holder := holder_of(path):
        return Status("running", step, total_steps, holder=str(holder))
    if step >= total_steps:
        return Status("finished", step, total_steps)
    ending = read_ending(path)
    if ending and ending.ended == "failed" and ending.step >= step:
        return Status("failed", step, total_steps, ending.reason)
    if ending and ending.ended == "stopped" and ending.step == step:
        return Status("stopped", step, total_steps)
    return Status("interrupted", step, total_steps)


def write_ending(path: Path, ending: Ending) -> None:
    """Records an ending. Raises OSError where nothing can be written."""
    write_json(path / FILE_NAME, ending._asdict())


def clear_ending(path: Path) -> None:
    """Forgets an ending, as training goes on. Raises OSError where nothing can be deleted."""
    for name in (FILE_NAME, _EARLIER_NAME):
        (path / name).unlink(missing_ok=True)


def read_ending(path: Path) -> Ending | None:
    """The recorded ending; None where there is none, or none that can be read."""
    for name, key in ((FILE_NAME, "ended"), (_EARLIER_NAME, "state")):
        try:
            told = json.loads((path / name).read_text(encoding="utf-8"))
            reason = told.get("reason")
            return Ending(str(told[key]), int(told["step"]), None if reason is None else str(reason))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return None
