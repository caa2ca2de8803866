"""Writing files so that a reader finds either the old one or the complete new one. Standard library only."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gantool.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it takes `path`'s place at once, on failure it is removed.

    >>> with replacing(Path("grid.png")) as partial:
    ...     image.save(partial, format="PNG")
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_output(flag: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError where `flag` names a file of another kind, or one that cannot be written where it is to be."""
    folder = path.absolute().parent
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{flag} writes {' or '.join(suffixes)}, but is asked for {path}.")
    if path.is_dir():
        raise UsageError(f"{flag} {path} is a folder; name a file.")
    if not folder.is_dir():
        raise UsageError(f"{flag} {path}: the folder {path.parent} is not there; make it first.")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # permission bits say too little: root, read-only disks, /proc
    except OSError as error:
        raise UsageError(
            f"{flag} {path}: no file can be made in {path.parent} ({error.strerror or error}); choose another folder."
        ) from error


def write_json(path: Path, payload: Any) -> None:
    """Writes indented JSON, atomically. ValueError for NaN: JSON has no word for it."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(payload, indent=2, allow_nan=False) + "\n", encoding="utf-8")
