"""The `gantool` command: one file a subcommand. No torch at module level, so that help appears at once."""

from __future__ import annotations

from gantool.cli.app import main

__all__ = ["main"]
