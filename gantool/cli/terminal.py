"""Where words go: what was asked for to stdout; progress, notes, warnings and errors to stderr.

Rich is imported where something is printed: `--help` has no time for it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gantool.cli.streams import writing
from gantool.tables import Table, numeric_columns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Rich
    from rich.text import Text


# All but tab and newline, and what turns the direction of writing.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# A table that goes into a file or a pipe is for a program, and is never folded.
_WIDE = 1_000

# A first column of longer cells holds sentences, which may be folded.
_LONGEST_NAME = 48


def stdout_console() -> Console:
    """What was asked for: tables, scores, lists, paths."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """All that goes on beside it."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            """Every sentence and every cell comes through here, whoever wrote it."""
            return super().render_str(harmless(text), **options)

        def on_broken_pipe(self) -> None:
            """Rich would end the process."""
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    wide = not stream.isatty() and "COLUMNS" not in os.environ
    return Plain(file=stream, highlight=False, markup=False, width=_WIDE if wide else None)


def harmless(text: str) -> str:
    """The text with its control characters as escapes: a record or a server may hold what steers a terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def say(sentence: str = "", style: str | None = None) -> None:
    """A line of what was asked for."""
    with writing():
        _print(stdout_console(), sentence, style)


def show(table: Table) -> None:
    """A table of what was asked for. What it is called, the lines around it say."""
    from rich.table import Table as Rich

    drawn = Rich(box=None)
    numeric = numeric_columns(table.rows) if table.rows else [False] * len(table.headings)
    for index, (name, is_numeric) in enumerate(zip(table.headings, numeric, strict=True)):
        names_rows = index == 0 and all(len(row[0]) <= _LONGEST_NAME for row in table.rows)
        drawn.add_column(name, justify="right" if is_numeric else "left", no_wrap=names_rows)
    for index, row in enumerate(table.rows):
        drawn.add_row(*row, style="bold" if index == table.strong else None)
    show_rich(drawn)


def show_rich(table: Rich) -> None:
    """A table whose cells have styles of their own."""
    with writing():
        stdout_console().print(table)


def print_json(payload: dict[str, Any]) -> None:
    """Writes one JSON object to stdout, whole, in ASCII. NaN and infinities become null: JSON has no word for them."""
    text = json.dumps(_plain(payload), allow_nan=False) + "\n"
    with writing():
        sys.stdout.write(text)
        sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def tell(sentence: str, style: str | None = None) -> None:
    """A line about what is going on. Where nobody can be told, work goes on."""
    with suppress(OSError):
        _print(stderr_console(), sentence, style)


def _print(console: Console, sentence: str, style: str | None) -> None:
    """A terminal gets lines that break between words, but for what would not fit whole, such as a long path."""
    fits = console.is_terminal and all(len(word) < console.width for word in sentence.split())
    console.print(sentence, soft_wrap=not fits, style=style)


def note(sentence: str) -> None:
    """What a reader of the result should know."""
    tell(f"Note: {sentence}")


def warn(sentence: str) -> None:
    """What a reader of the result must know."""
    tell(f"Warning: {sentence}", "yellow")


def alarm(sentence: str) -> None:
    """What has gone wrong."""
    tell(f"Alarm: {sentence}", "bold red")
