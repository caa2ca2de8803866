"""How work says how far it has come, and what the stream that shows it can do; whoever shows it stands higher."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Literal

# Called with the stage in words, what is done and what there is in all; 0 in all stands for an unknown length.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


Screen = Literal["live", "line", "plain"]


def screen_of(stream: IO[str]) -> Screen:
    """What a stream can show: a part of the screen drawn anew, one line written over, or lines one after the other.

    A notebook's shell looks like a terminal, but shows what was drawn over, too.
    """
    if not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return "plain"
    return "line" if "JPY_PARENT_PID" in os.environ else "live"
