"""The command line's root: which commands there are, in which group, and what `gantool` alone says."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gantool.cli import (
    bench,
    build,
    config,
    data,
    doctor,
    eval,
    infer,
    inpaint,
    report,
    reproduce,
    runs,
    sample,
    sweep,
    theory,
    train,
)
from gantool.cli.processors import limit_spinning
from gantool.version import __version__

FIRST_STEPS = """\
[bold]gantool[/bold] reproduces Generative Adversarial Nets (Goodfellow et al. 2014) and measures generative models.

  gantool train                    train on the embedded digits (about a minute), no download
  gantool sample                   draw samples from the newest run
  gantool eval parzen              its Parzen-window log-likelihood, beside the references
  gantool train --dataset mnist    the paper's MNIST run
  gantool doctor                   what is installed here, and what is missing

Every command: gantool --help. One command: gantool train --help.
"""


class _Commands(TyperGroup):
    """The root: nothing that was typed is empty."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses what a shell makes of a variable without a value: the present folder would be read for it."""
        for index, argument in enumerate(args):
            if argument == "" or re.fullmatch(r"--[\w-]+=", argument):
                before = args[index - 1] if index else ""
                name = argument.rstrip("=") or (before if before.startswith("-") else "An argument")
                sys.stderr.write(f"gantool: {name} is empty: give it a value, or leave it out.\n")
                raise typer.Exit(2)
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="gantool",
    cls=_Commands,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Generative Adversarial Nets (Goodfellow et al. 2014): train, sample, and measure with the Parzen window.",
)

app.command("train", rich_help_panel="Work")(train.train)
app.command("sample", rich_help_panel="Work")(sample.sample)
app.command("infer", rich_help_panel="Work")(infer.infer)
app.command("inpaint", rich_help_panel="Work")(inpaint.inpaint)
app.add_typer(eval.app, name="eval", rich_help_panel="Work")
app.add_typer(bench.app, name="bench", rich_help_panel="Work")
app.command("sweep", rich_help_panel="Work")(sweep.sweep)
app.command("theory", rich_help_panel="Work")(theory.theory)
app.add_typer(reproduce.app, name="reproduce", rich_help_panel="Work")
app.command("report", rich_help_panel="Look")(report.report)
app.command("runs", rich_help_panel="Look")(runs.runs)
app.add_typer(config.app, name="config", rich_help_panel="Look")
app.add_typer(data.app, name="data", rich_help_panel="Look")
app.command("doctor", rich_help_panel="Machine")(doctor.doctor)
app.command("build", rich_help_panel="Machine")(build.build)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gantool {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Says what to type first when nothing was asked for."""
    if context.invoked_subcommand is None:
        from gantool.cli.terminal import stdout_console

        stdout_console().print(FIRST_STEPS, end="", markup=True)


def run() -> None:
    """The command that was typed; ends in SystemExit."""
    limit_spinning(os.environ)
    app(prog_name="gantool", args=sys.argv[1:])
