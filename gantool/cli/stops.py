"""Ctrl-C, from the first instruction to the last: the process ends with exit code 130 and one sentence.

Python raises KeyboardInterrupt wherever it happens to be, and in the midst of an import that comes out as another
error, or as none. There, before a command begins and after it has ended, nothing is at stake, and the process ends on
the spot. Standard library only: this comes before everything else.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SENTENCE = "Stopped by the user."
EXIT_CODE = 130

# An interrupt that something swallowed comes again after so many seconds.
_AGAIN = 2.0

_IMPORTING = "<frozen importlib._bootstrap>"


class _Stops:
    """Whether a command is under way that wants to hear of an interrupt."""

    def __init__(self) -> None:
        self.in_command = False


_stops = _Stops()


def catch_interrupts() -> None:
    """Installs the handler. A process that ignores interrupts, as in the background of a script, goes on doing so."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGALRM, _interrupt)


def ignore_interrupts() -> None:
    """Once everything is done there is nothing to stop, and the interpreter is left to end in peace."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def in_command() -> Iterator[None]:
    """Inside, an interrupt is raised as KeyboardInterrupt."""
    before, _stops.in_command = _stops.in_command, True
    try:
        yield
    finally:
        _stops.in_command = before
        signal.setitimer(signal.ITIMER_REAL, 0)


def leave() -> None:
    """Ends the process as an interrupt does."""
    with suppress(OSError):
        if "--json" in sys.argv:
            os.write(1, json.dumps({"error": SENTENCE, "exit_code": EXIT_CODE}).encode() + b"\n")
        os.write(2, f"gantool: {SENTENCE}\n".encode())
    os._exit(EXIT_CODE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _stops.in_command or _is_importing(frame):
        leave()
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
