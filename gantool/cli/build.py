"""`gantool build`: compile the kernels now, after an install that could not."""

from __future__ import annotations

from typing import Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Output
from gantool.cli.stages import shown_progress
from gantool.cli.terminal import print_json, say, tell
from gantool.errors import GantoolError


@command
def build(
    output: Output,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the compiler's output.")] = False,
) -> None:
    """Compile the kernels for this machine and torch, beside the package.

    Example: gantool build
    """
    from gantool.native.build import build as compile_kernels

    with shown_progress("compiling the kernels"):
        report = compile_kernels(verbose=verbose)
    if output.json:
        print_json(report.to_dict())
    for library in [] if output.json else report.built:
        say(f"Built {library}.")
    for reason in report.skipped:
        tell(reason)
    if not report.built:
        raise GantoolError("No kernel was built; `gantool doctor` says what is missing.")
