"""How far a long command has come: a bar on a terminal, one moving line in a notebook, a line now and then elsewhere.

Whatever takes longer than two seconds is seen to go on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from gantool.cli.terminal import harmless, stderr_console, tell
from gantool.progress import screen_of

if TYPE_CHECKING:
    from gantool.progress import Progress

# A word after so many seconds, and then every so many.
_FIRST, _EVERY = 2.0, 5.0


@contextmanager
def shown_progress(first: str = "loading") -> Iterator[Progress]:
    """A callback progress(stage, done, total) that shows itself on stderr; a total of 0 stands for an unknown one."""
    screen = screen_of(sys.stderr)
    if screen == "live":
        with _bar(first) as move:
            yield move
    else:
        with _words(first, moving=screen == "line") as say:
            yield say


@contextmanager
def _bar(first: str) -> Iterator[Progress]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as bar:
        task = bar.add_task(harmless(first), total=None)
        shown = first

        def move(stage: str, done: int, total: int) -> None:
            nonlocal shown
            if stage != shown:
                shown = stage
                bar.reset(task, total=total or None, description=harmless(stage))  # it may hold the name of a run
            bar.update(task, completed=done, total=total or None)

        yield move


class _Stage:
    """What is going on, and since when."""

    def __init__(self, name: str) -> None:
        self.name, self.done, self.total, self.began = name, 0, 0, time.monotonic()

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        so_far = f"{self.name}: {seconds:,.0f} s so far" if seconds >= 1 else f"{self.name} …"
        if not 0 < self.done < self.total:
            return so_far
        left = seconds * (self.total - self.done) / self.done
        return f"{so_far}, {self.done / self.total:.0%}, about {left:,.0f} s left"


@contextmanager
def _words(first: str, *, moving: bool) -> Iterator[Progress]:
    """Tells from time to time how far the stage is; `moving` writes each word over the one before."""
    stage, ended = _Stage(first), threading.Event()

    def speak() -> None:
        wait = _FIRST
        while not ended.wait(wait):
            wait = 0.5 if moving else _EVERY
            write_over(str(stage)) if moving else tell(str(stage))

    def note(name: str, done: int, total: int) -> None:
        nonlocal stage
        if name != stage.name:
            stage = _Stage(name)
        stage.done, stage.total = done, total

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield note
    finally:
        ended.set()
        speaker.join()
        if moving:
            write_over("")


def write_over(line: str) -> None:
    """Writes a line over the one before it; an empty one clears it."""
    line = harmless(line).replace("\n", " ")
    with suppress(OSError):
        sys.stderr.write(f"\r{line:<{_WIDTH}}\r" if not line else f"\r{line[:_WIDTH]:<{_WIDTH}}")
        sys.stderr.flush()


# What fits into a notebook's column.
_WIDTH = 110
