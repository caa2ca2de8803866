"""What makes a function a command: groups of options spread out, and every failure ended in one sentence.

What was asked for goes to stdout, with `--json` as one object, and all else to stderr (see gantool.cli.terminal). An
error is one sentence and an exit code: 1 failed, 2 bad usage, 129/130/143 stopped by a signal.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import typer

from gantool.cli.stops import EXIT_CODE, SENTENCE, in_command
from gantool.cli.streams import CLOSED_PIPE
from gantool.cli.terminal import harmless, print_json
from gantool.errors import GantoolError
from gantool.files import expanded


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a command of a function whose parameters are options, or groups of them.

    A group is a dataclass of :mod:`gantool.cli.options`: its fields become options after the function's own, and the
    function gets the group. One of the groups is `Output`. A failure becomes one sentence on stderr and the documented
    exit code; with `--json` the sentence is also the object on stdout, under `error`.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    own = [
        each.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in inspect.signature(function).parameters.items()
        if name not in groups
    ]
    spread = [option for kind in groups.values() for option in _options(kind)]

    @functools.wraps(function)
    def run(**given: Any) -> None:
        with _guard(bool(given.get("json")), bool(given.get("debug"))):
            given = {name: expanded(value) if isinstance(value, Path) else value for name, value in given.items()}
            for name, kind in groups.items():
                given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            function(**given)

    run.__signature__ = inspect.Signature([*own, *spread])  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {each.name: each.annotation for each in (*own, *spread)}
    return run


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(group)
    ]


@contextmanager
def _guard(as_json: bool, debug: bool) -> Iterator[None]:
    try:
        with in_command():
            yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        _fail(SENTENCE, EXIT_CODE, as_json)
    except BrokenPipeError as error:  # whoever read the output has what they wanted
        raise typer.Exit(CLOSED_PIPE) from error
    except Exception as error:  # the outermost boundary: everything becomes a sentence, --debug shows the rest
        if debug:
            raise
        _fail(_sentence(error), _exit_code(error), as_json)


def _sentence(error: Exception) -> str:
    if isinstance(error, GantoolError):
        return str(error)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"The system refused: {error.strerror or error}{where}."
    if isinstance(error, MemoryError):
        return f"The memory of this machine does not suffice{f' ({error})' if str(error) else ''}; give fewer rows."
    return f"Unexpected {type(error).__name__}: {error} Run again with --debug for the traceback."


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, GantoolError) else 1


def _fail(sentence: str, code: int, as_json: bool) -> None:
    if as_json:
        print_json({"error": sentence, "exit_code": code})
    with suppress(OSError):
        sys.stderr.write(f"gantool: {harmless(sentence)}\n")
    raise typer.Exit(code)
