"""The compiled libraries beside the package, and the record of what was built. Standard library only.

A library that a full disk cut short loads, and the first touch of a page that is not there kills Python by SIGBUS. So a
build puts a library into place once a child process has loaded it, and records its size and SHA-256. A file that
differs from the record is never loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from gantool.files import replacing, write_json

PACKAGE: Final = Path(__file__).resolve().parents[1]
BUILD_RECORD: Final = "_native_build.json"
LIBRARIES: Final = ("_ops", "_ops_cuda", "_host")
DISABLE: Final = "GANTOOL_DISABLE_NATIVE"
REMEDY: Final = "run `gantool build`"

_LOAD_OPERATORS = "import sys, torch; torch.ops.load_library(sys.argv[1])"
_LOAD_MODULE = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("gantool._host", sys.argv[1])
spec = importlib.util.spec_from_file_location("gantool._host", sys.argv[1], loader=loader)
loader.exec_module(importlib.util.module_from_spec(spec))
"""


@dataclass(frozen=True)
class LibraryStatus:
    """Whether one compiled library is loaded; where it is not, why and what to do about it."""

    loaded: bool
    path: Path | None = None
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class FileFacts:
    """What tells one file from another."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileFacts:
        with path.open("rb") as file:
            return cls(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class BuildRecord:
    """What builds left beside the package: why each library was left out, and the facts of each file by its name."""

    left_out: dict[str, str] = field(default_factory=dict)
    built: dict[str, FileFacts] = field(default_factory=dict)


def flag(name: str) -> bool:
    """Whether an environment switch is on: set, and neither empty nor 0."""
    return os.environ.get(name, "") not in ("", "0")


def read_record(folder: Path = PACKAGE) -> BuildRecord:
    """The record in `folder`; an empty one where there is none, or none that can be read."""
    try:
        found: Any = json.loads((folder / BUILD_RECORD).read_text(encoding="utf-8"))
        left_out = {str(name): str(reason) for name, reason in found["left_out"].items()}
        return BuildRecord(left_out, {str(name): FileFacts(**facts) for name, facts in found["built"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return BuildRecord()


def write_record(folder: Path, record: BuildRecord) -> None:
    """Writes the record, atomically."""
    write_json(folder / BUILD_RECORD, asdict(record))


def inspect(library: str, folder: Path = PACKAGE) -> LibraryStatus:
    """The library's file in `folder`, not loaded: `reason` is "" where it may be."""
    if flag(DISABLE):
        return LibraryStatus(False, None, f"{DISABLE} is set", f"unset {DISABLE}")
    named = [folder / f"{library}{suffix}" for suffix in EXTENSION_SUFFIXES]
    found = [path for path in (*named, *sorted(folder.glob(f"{library}.*so"))) if path.is_file()]
    record = read_record(folder)
    if not found:
        reason = record.left_out.get(library) or f"no {library} library was built beside {folder.name}"
        return LibraryStatus(False, None, reason, REMEDY)
    reason = _distrust(found[0], record)
    return LibraryStatus(False, found[0], reason, REMEDY if reason else "")


def _distrust(path: Path, record: BuildRecord) -> str:
    """Why a library must not be loaded: a clause, or "" where it is the recorded one."""
    kept = record.built.get(path.name)
    if kept is None:
        return f"{path.name} is not in the record of what was built ({BUILD_RECORD})"
    try:
        size = path.stat().st_size
        if size != kept.size:
            return f"{path.name} is damaged: it has {size:,} bytes, and {kept.size:,} were built"
        if FileFacts.of(path) != kept:
            return f"{path.name} is damaged: its checksum is not that of what was built"
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    return ""


def trial(library: str, path: Path) -> str:
    """How loading a library fails: a clause, or "" where it does not. A child process loads it, which it may kill."""
    code = _LOAD_MODULE if library == "_host" else _LOAD_OPERATORS
    finished = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    return "" if finished.returncode == 0 else f"it does not load ({how_it_ended(finished)})"


def how_it_ended(finished: subprocess.CompletedProcess[str]) -> str:
    """The signal that killed a child process, or the last line that it said."""
    if finished.returncode < 0:
        return f"{signal.Signals(-finished.returncode).name} killed the process"
    return (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]


def put_in_place(library: str, built: Path, target: Path) -> str:
    """Copies a built library beside `target`, tries it there and renames it: why it was not done, "" where it was.

    A process that has the old file loaded keeps it, since its bytes are never written over.
    """
    for abandoned in target.parent.glob(f".{target.name}.*.part"):
        abandoned.unlink(missing_ok=True)
    try:
        with replacing(target) as partial:
            shutil.copy(built, partial)
            if reason := trial(library, partial):
                raise _Unsound(reason)
    except _Unsound as unsound:
        return str(unsound)
    except OSError as error:
        return f"it could not be put in place ({error.strerror or error})"
    return ""


class _Unsound(Exception):
    """A library does not load."""
