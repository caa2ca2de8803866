"""`python -m gantool` is `gantool`."""

from gantool.cli import main

main()
