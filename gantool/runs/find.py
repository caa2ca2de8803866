"""Finding run directories and reading them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gantool.config.sources import build_config
from gantool.errors import UsageError
from gantool.files import expanded
from gantool.runs.directory import LATEST, Run, number_of, run_directories
from gantool.runs.facts import DataFacts


def list_runs(runs_dir: Path) -> list[Run]:
    """Every run of a folder that can be read, oldest first; `unreadable_runs` names the others.

    Directories that no run has begun in are left out.
    """
    return [run for run in map(_try_to_open, _begun(runs_dir)) if isinstance(run, Run)]


def unreadable_runs(runs_dir: Path) -> list[str]:
    """A sentence for each run of a folder that cannot be read: silence would hide that it is lost."""
    return [run for run in map(_try_to_open, _begun(runs_dir)) if isinstance(run, str)]


def _begun(runs_dir: Path) -> list[Path]:
    return [path for path in run_directories(runs_dir) if (path / "dataset.json").is_file()]


def _try_to_open(path: Path) -> Run | str:
    try:
        return open_run(path)
    except UsageError as error:
        return str(error)


def open_run(path: Path) -> Run:
    """Reads a run directory. UsageError where it is not one."""
    try:
        config = build_config(json.loads((path / "config.json").read_text(encoding="utf-8")))
        facts = json.loads((path / "dataset.json").read_text(encoding="utf-8"))
        lists = {"shape": tuple(facts["shape"]), "label_counts": tuple(facts.get("label_counts", ()))}
        data = DataFacts(**facts | lists)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not a run directory: it has no {Path(error.filename).name}.") from error
    except OSError as error:
        raise UsageError(f"The run directory {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"The run directory {path} does not hold what a run writes ({error}).") from error
    return Run(path, config, data)


def load_run(run: str | int | os.PathLike[str] | None = None, runs_dir: str | os.PathLike[str] = "runs") -> Run:
    """Opens a run for use from Python: a folder, or as on the command line a number, a name or `latest` in `runs_dir`.

    >>> load_run("runs/0003-mnist").sample(64)
    >>> load_run(3), load_run("latest"), load_run()  # None is the newest

    Raises UsageError, saying what there is, where there is no such run.
    """
    if isinstance(run, (str, os.PathLike)) and (expanded(run) / "config.json").is_file():
        return open_run(expanded(run))
    reference = os.fspath(run) if isinstance(run, (str, os.PathLike)) else run
    return find_run(None if reference is None else str(reference), expanded(runs_dir))


def find_run(reference: str | None, runs_dir: Path) -> Run:
    """The run that a user means: None or `latest` the newest; `7`, `0007`, `0007-mnist` in `runs_dir`; or a path.

    Raises UsageError, saying what there is, where there is no such run.
    """
    directories = run_directories(runs_dir)
    if reference is None or reference == LATEST:
        if not directories:
            raise UsageError(f"There is no run in {runs_dir} yet; make one with `gantool train`.")
        return open_run(_latest(runs_dir, directories))
    for path in directories:
        if reference == path.name or (reference.isdigit() and int(reference) == number_of(path)):
            return open_run(path)
    if expanded(reference).is_dir():
        return open_run(expanded(reference))
    known = ", ".join(path.name for path in directories[-5:]) or "none"
    raise UsageError(f"There is no run {reference!r}; the newest in {runs_dir}: {known}.")


def _latest(runs_dir: Path, directories: list[Path]) -> Path:
    """Where the link points, if it is one and points at a run of the folder; else the last directory."""
    link = runs_dir / LATEST
    target = runs_dir / link.readlink().name if link.is_symlink() else None
    return target if target in directories else directories[-1]
