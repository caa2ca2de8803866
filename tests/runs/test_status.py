"""Where a run stands, by its newest checkpoint; a record says only what no checkpoint can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gantool.locks import Lock, acquire
from gantool.runs.status import Ending, clear_ending, read_ending, status_of, write_ending


@pytest.mark.parametrize(
    ("newest", "ending", "state"),
    [
        (None, None, "interrupted"),
        (40, None, "interrupted"),
        (40, Ending("stopped", 40, None), "stopped"),
        (60, Ending("stopped", 40, None), "interrupted"),  # it went on, and was killed
        (40, Ending("failed", 47, "It diverged."), "failed"),
        (60, Ending("failed", 47, "It diverged."), "interrupted"),
        (None, Ending("failed", 3, "It diverged."), "failed"),
        (100, None, "finished"),  # killed before it could say so
        (100, Ending("failed", 100, "The disk is full."), "finished"),
        (100, Ending("stopped", 40, None), "finished"),
    ],
)
def test_the_newest_checkpoint_decides(newest: int | None, ending: Ending | None, state: str, tmp_path: Path) -> None:
    if ending:
        write_ending(tmp_path, ending)
        assert read_ending(tmp_path) == ending
    found = status_of(tmp_path, newest, 100)
    assert (found.state, found.step, found.total_steps) == (state, newest or 0, 100)
    assert found.reason == ("It diverged." if state == "failed" else None)


def test_whoever_holds_the_lock_trains_it(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    assert isinstance(lock, Lock)
    found = status_of(tmp_path, 100, 100)
    assert (found.state, found.holder is not None) == ("running", True)
    lock.release()
    assert status_of(tmp_path, 100, 100).state == "finished"


def test_the_record_of_earlier_versions_is_read(tmp_path: Path) -> None:
    old = {"state": "failed", "step": 47, "total_steps": 100, "reason": "It diverged.", "process": 1, "host": "a"}
    (tmp_path / "status.json").write_text(json.dumps(old))
    assert status_of(tmp_path, 40, 100).reason == "It diverged."
    (tmp_path / "status.json").write_text(json.dumps(old | {"state": "running"}))
    assert status_of(tmp_path, 40, 100).state == "interrupted"
    clear_ending(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ended": "failed", "step": null}', "\x00"])
def test_a_damaged_record_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "ending.json").write_text(content)
    assert status_of(tmp_path, 40, 100).state == "interrupted"
