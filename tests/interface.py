"""What users and scripts rely on: every command with its options and help texts, and the keys of each --json.

python tests/interface.py      writes interface.json anew: look at the difference before it is committed
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
from typer.testing import CliRunner

from gantool.cli.app import app

FILE = Path(__file__).with_suffix(".json")

TRAIN = "train --steps 4 --set generator.layers.0.units=16 --set training.log_every=2 --name small"
COMMANDS = (
    TRAIN,
    "train --dry-run",
    "config list",
    "config show digits",
    "data list",
    "runs",
    "sample --n 4",
    "eval parzen --num-samples 200",
    "eval parzen --samples a.npy --data b.npy",
    "eval features --num-samples 200",
    "eval diversity --num-samples 200",
    "report",
    "doctor",
    "bench maxout --impl native --impl reference --seconds 0.01 --repeats 2",
)


def texts() -> dict[str, Any]:
    """Command → its help text, and each option's names, kind, default and help text."""
    return {
        name: {"help": command.help, "options": [_option(p) for p in command.params if not getattr(p, "hidden", False)]}
        for name, command in _commands(typer.main.get_command(app), "gantool")
    }


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for below, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{name} {below}")


def _option(parameter: Any) -> dict[str, Any]:
    default = parameter.default if isinstance(parameter.default, (int, float, str, bool)) else None
    return {
        "names": [*parameter.opts, *parameter.secondary_opts],
        "metavar": parameter.metavar,
        "default": default,
        "multiple": getattr(parameter, "multiple", parameter.nargs != 1),
        "panel": getattr(parameter, "rich_help_panel", None),
        "help": getattr(parameter, "help", None),
    }


def keys(folder: Path) -> dict[str, list[str]]:
    """Command → the paths of the keys of its --json, in a folder where a small run and two arrays lie."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", rng.normal(scale=0.3, size=(60, 2)))
    found = {}
    for command in COMMANDS:
        result = CliRunner().invoke(app, [*command.split(), "--json"])
        assert result.exit_code == 0, f"{command}: {result.stderr}"
        found[command] = sorted(set(_paths(json.loads(result.stdout))))
    return found


def _paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            # A path, a digest or a number of a step is not a key that a script can rely on.
            name = "<name>" if re.search(r"[/\d]", key) else key
            yield f"{at}.{name}" if at else name
            yield from _paths(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, f"{at}[]")


if __name__ == "__main__":
    os.environ["XDG_CACHE_HOME"] = scratch = tempfile.mkdtemp()
    os.chdir(scratch)
    FILE.write_text(json.dumps({"texts": texts(), "keys": keys(Path(scratch))}, indent=1) + "\n", encoding="utf-8")
