"""`gantool doctor`: what works here, and what to do about what does not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gantool.cli.shell import DataDir, DebugFlag, JsonFlag, RunsDir, guarded, print_json
from gantool.cli.terminal import show

MARKS = {"good": "[green]yes[/green]", "optional": "[yellow]–[/yellow]", "lacking": "[red]no[/red]"}


@guarded
def doctor(
    data_dir: DataDir = None,
    runs_dir: RunsDir = Path("runs"),
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Say what is installed, which device, data and kernels would be used, and the remedy for each lack.

    Example: gantool doctor
    """
    from rich.markup import escape
    from rich.table import Table

    from gantool.doctor import examine

    findings = examine(data_dir, runs_dir)
    if json_output:
        print_json({"findings": [asdict(finding) for finding in findings]})
        return
    table = Table("", "topic", "name", "what there is", "what to do", box=None)
    for finding in findings:
        detail, remedy = escape(finding.detail), escape(finding.remedy)
        table.add_row(MARKS[finding.state], finding.topic, finding.name, detail, remedy)
    show(table)
