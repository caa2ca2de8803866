"""stdout and stderr as they come: closed, full, a pipe that nobody reads, or of an alphabet without σ."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from gantool.errors import GantoolError

# What the shell calls the end of a program whose reader has gone.
CLOSED_PIPE = 141


def prepare_streams() -> None:
    """Characters that a stream's encoding lacks are written as escapes, and a closed stream refuses words alone.

    Without the latter the next file to be opened would be the stream.
    """
    if sys.stdout is None:
        sys.stdout = _in_place_of(1, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _in_place_of(2, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _in_place_of(number: int, mode: int) -> TextIO:
    descriptor = os.open(os.devnull, mode)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    return os.fdopen(number, "w", encoding="utf-8")


@contextmanager
def writing() -> Iterator[None]:
    """Inside, something is written to stdout; where that fails, what is written later goes nowhere.

    Raises BrokenPipeError where nobody reads, GantoolError for any other reason.
    """
    try:
        yield
    except BrokenPipeError:
        _drop(1)
        raise
    except OSError as error:
        _drop(1)
        raise GantoolError(f"The output cannot be written to stdout: {error.strerror or error}.") from error


def written_out(run: Callable[[], None]) -> int:
    """Runs a program that ends in SystemExit → its exit code, once all that it printed is written; else another one."""
    code: int | str | None = 0
    try:
        with writing():
            try:
                run()
            except SystemExit as end:
                code = end.code
            sys.stdout.flush()
    except BrokenPipeError:
        code = CLOSED_PIPE
    except GantoolError as error:
        code = 1
        with suppress(OSError):
            sys.stderr.write(f"gantool: {error}\n")
    try:
        sys.stderr.flush()
    except OSError:
        _drop(2)
    return code if isinstance(code, int) else int(code is not None)


def _drop(number: int) -> None:
    """What is written to this stream goes nowhere from now on."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, number)
    os.close(descriptor)
