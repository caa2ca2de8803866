"""`gantool report`: one HTML file about a run, or several."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import DataDir, Output
from gantool.cli.terminal import alarm, say, tell, warn

RunNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...", help="Runs' numbers, names or folders. Default: the newest.", show_default=False
    ),
]
OutFile = Annotated[Path, typer.Option("--out", help="The HTML file to write.", metavar="FILE")]
RunsFolder = Annotated[
    Path, typer.Option("--runs-dir", help="The folder that holds the run directories.", rich_help_panel="Common")
]


@command
def report(
    output: Output,
    runs: RunNames = None,
    out: OutFile = Path("report.html"),
    runs_dir: RunsFolder = Path("runs"),
    data_dir: DataDir = None,
) -> None:
    """Write one HTML file about a run, or several beside one another: scores, curves, pictures, settings, warnings.

    The file needs no network and nothing beside it. What has not been measured yet is named, with the command for it.

    Example: gantool report

    Example: gantool report 3 7 --out both.html
    """
    started = time.monotonic()
    from gantool.cli.stages import shown_progress
    from gantool.report.page import write_report
    from gantool.runs import find_run

    names: list[str | None] = [*runs] if runs else [None]
    found = {run.path.resolve(): run for run in (find_run(name, runs_dir) for name in names)}
    with shown_progress() as progress:
        written = write_report(list(found.values()), out, data_root=data_dir, progress=progress)
    written["seconds"] = time.monotonic() - started
    output.give(written, lambda: _render(written))


def _render(written: dict[str, Any]) -> None:
    for run in written["runs"]:
        for sentence in run["alarms"]:
            alarm(f"{run['run']}: {sentence}")
        for sentence in run["warnings"]:
            warn(f"{run['run']}: {sentence}")
        for part in run["missing"]:
            hint = f"; {part['command']}" if part["command"] else ""
            reason = part["reason"].rstrip(".")
            tell(f"Not in it: {run['run']}: {part['part']} ({reason}{hint})")
        if run["not_comparable"]:
            reasons = "; ".join(run["not_comparable"])
            tell(f"Not comparable with the first: {run['run']} has other {reasons}")
    size = written["bytes"] / 1000
    count = len(written["runs"])
    what = "1 run" if count == 1 else f"{count} runs"
    say(f"A report on {what}: {written['report']} ({size:,.0f} kB)")
