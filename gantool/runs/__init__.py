"""Run directories: what is in one, how it stands, where they are. Networks, and torch with them, load when asked."""

from gantool.runs.directory import Run, create_run
from gantool.runs.facts import DataFacts
from gantool.runs.find import find_run, list_runs, load_run, open_run, unreadable_runs

__all__ = ["DataFacts", "Run", "create_run", "find_run", "list_runs", "load_run", "open_run", "unreadable_runs"]
