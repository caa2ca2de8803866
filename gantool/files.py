"""Writing files so that a reader finds either the old one or the complete new one. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from gantool.errors import UsageError

# What a file is called until it is complete; the number is its writer's.
PARTIAL = ".*.part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it takes `path`'s place at once, on failure it is removed.

    The file is on the disk before it counts, so that a power cut leaves the old one or the new one.

    >>> with replacing(Path("grid.png")) as partial:
    ...     image.save(partial, format="PNG")
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with a leading ~ or ~name replaced by that user's home, as shells do: where there is no such user, the ~
    is a letter of the name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user, or one without a home
        return Path(path)


def sync(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk. A disk that cannot say so is believed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_partials(folder: Path) -> None:
    """Deletes what a process that was killed while it wrote into `folder`, or below it, has left behind."""
    for partial in folder.rglob(PARTIAL):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
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


def cache_folder() -> Path:
    """gantool's folder in the user's cache: $XDG_CACHE_HOME, else ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "gantool"


class JsonLines(NamedTuple):
    """The objects of a JSON-lines file, and the numbers, from 1, of the lines that hold none."""

    objects: list[dict[str, Any]]
    damaged: list[int]


def read_json_lines(path: Path) -> JsonLines:
    """Every object of a JSON-lines file; nothing where it is missing. A line without an end is still being written."""
    found = JsonLines([], [])
    if not path.is_file():
        return found
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                break
            value = _parsed(line)
            if isinstance(value, dict):
                found.objects.append(value)
            else:
                found.damaged.append(number)
    return found


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # neither JSON nor text
        return None


def append_json_line(path: Path, payload: dict[str, Any], *, durable: bool = False) -> None:
    """Adds an object as a line. Where the last line was torn by a kill, it is ended first: it spoils itself alone.

    `durable` waits until the line is on the disk. ValueError for NaN.
    """
    line = json.dumps(payload, allow_nan=False).encode() + b"\n"
    with path.open("ab") as stream:
        if stream.tell() and not _ends_a_line(path):
            line = b"\n" + line
        stream.write(line)
        stream.flush()
        if durable:
            with suppress(OSError):
                os.fsync(stream.fileno())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"
