"""Who trains a run: a lock that the system holds for a process, and lets go when that process ends, however it ends.

Where the disk knows no such locks, the holder says every few seconds that it is alive.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FILE_NAME = "lock"

# How often a holder says that it is alive where it has to, and the silence after which nobody believes it.
HEARTBEAT, SILENCE = 10.0, 60.0

# Whoever lists runs holds their locks for an instant.
_ATTEMPTS, _PAUSE = 4, 0.05

# What flock answers on a disk that has no such locks.
_UNKNOWN = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, on which host, since when, and when it was last heard of, in seconds of the epoch.

    `started` tells the process from a later one of the same number. Fields are 0 or empty where they are not known.
    """

    process: int = 0
    host: str = ""
    started: float = 0.0
    since: float = 0.0
    heard: float = 0.0

    def __str__(self) -> str:
        """Who, and for how long, in words."""
        who = f"process {self.process} on {self.host}" if self.process else "a process that has not said its name"
        if not self.since:
            return who
        return f"{who}, for {_duration(time.time() - self.since)}"


class Lock:
    """A lock on a folder, held until `release`, or until the process ends."""

    def __init__(self, folder: Path, stream: IO[str], *, by_system: bool) -> None:
        self.path = folder / FILE_NAME
        self._stream = stream
        self._released = threading.Event()
        if not by_system:
            threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Lets go; the file goes with it. A second call does nothing."""
        if self._released.is_set():
            return
        self._released.set()
        if _is_file_of(self.path, self._stream):
            with suppress(OSError):
                self.path.unlink()
        self._stream.close()

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            with suppress(OSError):
                os.utime(self.path)


def acquire(folder: Path, *, take_over: bool = False) -> Lock | Holder:
    """The lock on `folder`, or who holds it.

    With `take_over` the lock is taken from whoever holds it. Raises OSError where no file can be written there.
    """
    path = folder / FILE_NAME
    if take_over:
        path.unlink(missing_ok=True)
    for _ in range(_ATTEMPTS):
        stream = path.open("a+", encoding="utf-8")
        by_system = _flock(stream)
        if by_system is None and _is_alive(found := _read(path)):
            stream.close()
            return found
        if by_system is not False and _is_file_of(path, stream):
            return _hold(folder, stream, by_system=by_system is True)
        # Another holds it, or only looks at it, or took the file away while it was being opened.
        stream.close()
        time.sleep(_PAUSE)
    return _read(path)


def _hold(folder: Path, stream: IO[str], *, by_system: bool) -> Lock | Holder:
    own = Holder(os.getpid(), socket.gethostname(), _started(os.getpid()), time.time())
    stream.truncate(0)
    stream.write(json.dumps({name: value for name, value in vars(own).items() if name != "heard"}) + "\n")
    stream.flush()
    if not by_system:
        time.sleep(_PAUSE)
        found = _read(folder / FILE_NAME)
        if (found.process, found.since) != (own.process, own.since):  # another wrote at the same time
            stream.close()
            return found
    return Lock(folder, stream, by_system=by_system)


def holder_of(folder: Path) -> Holder | None:
    """Who holds the lock on `folder`; None where nobody does."""
    path = folder / FILE_NAME
    try:
        stream = path.open("r", encoding="utf-8")
    except OSError:
        return None
    with stream:
        by_system = _flock(stream, shared=True)
        if by_system is True:
            return None
        found = _read(path)
        return found if by_system is False or _is_alive(found) else None


def _flock(stream: IO[str], *, shared: bool = False) -> bool | None:
    """True where the system gave the lock, False where another has it, None where the disk knows no locks."""
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNKNOWN:
            return None
        raise
    return True


def _read(path: Path) -> Holder:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        heard = path.stat().st_mtime
        kinds: dict[str, Callable[[Any], Any]] = {"process": int, "host": str, "started": float, "since": float}
        return Holder(**{name: kind(told[name]) for name, kind in kinds.items()}, heard=heard)
    except (OSError, ValueError, TypeError, KeyError):
        return Holder()


def _is_alive(holder: Holder) -> bool:
    """By its last word, where the system holds no lock; a process of this host is looked up as well."""
    if holder.process == 0 or time.time() - holder.heard > SILENCE:
        return False
    return holder.host != socket.gethostname() or _started(holder.process) == holder.started != 0.0


def _started(process: int) -> float:
    """When a process of this host started, in clock ticks since the machine did; 0 where there is none."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    return float(status.rpartition(")")[2].split()[19])  # field 22 of proc(5); the name before may hold anything


def _is_file_of(path: Path, stream: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0), ("second", 1.0)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a second"
