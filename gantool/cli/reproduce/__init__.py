"""`gantool reproduce`: tables and figures of the paper from one command, going on where an earlier one stopped."""

from __future__ import annotations

import typer

from gantool.cli.reproduce import figures, studies, table1, toys

app = typer.Typer(
    no_args_is_help=True,
    help="Reproduce the paper's tables and figures, end to end.\n\nExample: gantool reproduce table1 --dataset mnist",
)


@app.callback()
def about() -> None:
    """Reproduce the paper's tables and figures, end to end.

    Example: gantool reproduce table1 --dataset mnist
    """


app.command("table1")(table1.table1)
app.command("figures")(figures.figures)
app.command("toys")(toys.toys)
for name in studies.ABOUT:
    app.command(name)(studies.study_command(name))
