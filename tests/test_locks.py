"""Who holds a run: one process at a time, nobody once it is gone, and on any disk."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gantool.locks import SILENCE, Holder, Lock, acquire, holder_of

HOLD = """
import sys, pathlib
from gantool.locks import Lock, acquire
lock = acquire(pathlib.Path(sys.argv[1]))
assert isinstance(lock, Lock)
print("held", flush=True)
sys.stdin.read()
"""


def held_elsewhere(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(params=["flock", "heartbeat"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The second is a disk that answers flock as some network disks do."""
    if request.param == "heartbeat":

        def refuse(stream: object, operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    return str(request.param)


def test_one_holder_at_a_time(disk: str, tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    first = acquire(tmp_path)
    assert isinstance(first, Lock)
    found = acquire(tmp_path)
    assert isinstance(found, Holder)
    assert found.process == os.getpid()
    assert holder_of(tmp_path) == found
    first.release()
    first.release()
    assert holder_of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    second = acquire(tmp_path)
    assert isinstance(second, Lock)
    second.release()


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        found = acquire(tmp_path)
        assert isinstance(found, Holder)
        assert str(found).startswith(f"process {process.pid} on ")
        process.kill()
    assert holder_of(tmp_path) is None
    lock = acquire(tmp_path)
    assert isinstance(lock, Lock)
    lock.release()


def test_a_lock_can_be_taken_over(disk: str, tmp_path: Path) -> None:
    first = acquire(tmp_path)
    second = acquire(tmp_path, take_over=True)
    assert isinstance(first, Lock)
    assert isinstance(second, Lock)
    first.release()  # the first holder takes nothing away from the second
    assert holder_of(tmp_path) is not None
    second.release()


@pytest.mark.parametrize("disk", ["heartbeat"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "age", "alive"),
    [
        ({}, 0.0, True),
        ({"started": 1.0}, 0.0, False),  # another program has the process number
        ({"process": 2**22 + 1}, 0.0, False),
        ({"host": "elsewhere", "process": 2**22 + 1}, 0.0, True),  # of another host its word is all there is
        ({"host": "elsewhere"}, SILENCE + 1, False),
        ({}, SILENCE + 1, False),
    ],
)
def test_without_the_systems_locks_a_holder_is_alive_by_its_word(
    disk: str, changes: dict[str, object], age: float, alive: bool, tmp_path: Path
) -> None:
    lock = acquire(tmp_path)
    assert isinstance(lock, Lock)
    told = json.loads(lock.path.read_text())
    lock.release()
    lock.path.write_text(json.dumps(told | changes))
    heard = time.time() - age
    os.utime(lock.path, (heard, heard))
    assert (holder_of(tmp_path) is not None) == alive


def test_a_leftover_of_an_earlier_process_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("anything")
    assert holder_of(tmp_path) is None
    lock = acquire(tmp_path)
    assert isinstance(lock, Lock)
    lock.release()
