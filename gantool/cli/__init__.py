"""The command line. The console script starts here."""

from __future__ import annotations


def main() -> None:
    """Runs the command that was typed, and ends the process with its exit code."""
    import sys

    from gantool.cli.stops import catch_interrupts, ignore_interrupts

    catch_interrupts()
    from gantool.cli.streams import prepare_streams, written_out

    prepare_streams()
    from gantool.cli.app import run

    code = written_out(run)
    ignore_interrupts()
    sys.exit(code)
