"""What every command shares: its common options, where output goes, and how a failure ends.

What was asked for goes to stdout, with `--json` as one object, and all else to stderr (see gantool.cli.terminal). An
error is one sentence and an exit code: 1 failed, 2 bad usage, 129/130/143 stopped by a signal.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from gantool.cli.stops import EXIT_CODE, SENTENCE, in_command
from gantool.cli.streams import CLOSED_PIPE, writing
from gantool.cli.terminal import harmless
from gantool.errors import GantoolError, UsageError
from gantool.files import expanded

Parameters = ParamSpec("Parameters")

JsonFlag = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to stdout and nothing else there.", rich_help_panel="Common"),
]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Common")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data root. Default: $GANTOOL_DATA_DIR, else the user's cache.", show_default=False, rich_help_panel="Data"
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download.", rich_help_panel="Data")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel="Common")]
RunsDir = Annotated[
    Path,
    typer.Option("--out", "--runs-dir", help="The folder that holds the run directories.", rich_help_panel="Common"),
]


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


def guarded(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Wraps a command so that every failure ends in one sentence on stderr and the documented exit code.

    The command takes `json_output` and `debug`. With `--json` the sentence is also the object on stdout, under `error`.
    A path that begins with ~ is one of the user's own, however it was typed: shells expand `--out ~/runs` alone.
    """

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            with in_command():
                for name, value in kwargs.items():
                    if isinstance(value, Path):
                        kwargs[name] = expanded(value)
                command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            _fail(SENTENCE, EXIT_CODE, bool(kwargs.get("json_output")))
        except BrokenPipeError as error:  # whoever read the output has what they wanted
            raise typer.Exit(CLOSED_PIPE) from error
        except Exception as error:  # the outermost boundary: everything becomes a sentence, --debug shows the rest
            if kwargs.get("debug"):
                raise
            _fail(_sentence(error), _exit_code(error), bool(kwargs.get("json_output")))

    return run


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


def resolve_device(name: str) -> Any:
    """`auto`, `cpu`, `cuda` or `cuda:N` → torch.device; UsageError where it is not there. `auto` prefers CUDA."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device must be auto, cpu, cuda or cuda:N, but is {name!r}.") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu, cuda or cuda:N, but is {name!r}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name} is not on this machine: torch sees {torch.cuda.device_count()} CUDA devices."
        )
    return device
