"""The `gantool` command: one file a subcommand. No torch at module level, so that help appears at once."""
