"""`gantool doctor`: what works here, and what to do about what does not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gantool.cli.command import command
from gantool.cli.options import DataDir, Output, RunsDir
from gantool.cli.stages import shown_progress
from gantool.cli.terminal import print_json, show_rich

MARKS = {"good": ("yes", "green"), "optional": ("–", "yellow"), "lacking": ("no", "red")}


@command
def doctor(
    output: Output,
    data_dir: DataDir = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Say what is installed, which device, data and kernels would be used, and the remedy for each lack.

    Example: gantool doctor
    """
    from rich.table import Table
    from rich.text import Text

    from gantool.doctor import examine

    with shown_progress("looking at packages, device and kernels"):
        findings = examine(data_dir, runs_dir)
    if output.json:
        print_json({"findings": [asdict(finding) for finding in findings]})
        return
    table = Table("", "topic", "name", "what there is", "what to do", box=None)
    for finding in findings:
        mark = Text(*MARKS[finding.state])
        table.add_row(mark, finding.topic, finding.name, finding.detail, finding.remedy)
    show_rich(table)
