"""What needs no torch imports none, and a dry run downloads nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gantool.cli.app import app

PROGRAM = """
import sys
from typer.testing import CliRunner
from gantool.cli.app import app
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output
print(sorted({"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "command",
    [
        ("runs",),
        ("runs", "--json"),
        ("data", "list"),
        ("config", "list"),
        ("config", "show", "mnist"),
        ("--help",),
        ("eval", "parzen", "--help"),
        ("train", "--help"),
    ],
    ids=" ".join,
)
def test_no_library_is_imported_for_a_list(command: tuple[str, ...], tmp_path: Path) -> None:
    CliRunner().invoke(app, ["train", "--steps", "5", "--batch-size", "20", "--out", str(tmp_path)])
    place = ("--out", str(tmp_path)) if command[0] == "runs" else ()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *command, *place], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_dry_run_names_what_it_would_download(tmp_path: Path) -> None:
    arguments = ("train", "--dataset", "mnist", "--dry-run", "--data-dir", str(tmp_path / "none"))
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.stderr
    assert "train-images-idx3-ubyte.gz" in shown.stdout
    assert "would be downloaded to" in shown.stdout
    answer = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert len(answer["to_download"]) == 4
    assert not (tmp_path / "none").exists()
