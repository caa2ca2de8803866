"""Checkpoints on the disk: whole or not there, the user's permissions, any path; damaged only by their checksum."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from gantool.errors import GantoolError
from gantool.files import append_json_line, clear_partials, read_json_lines, replacing
from gantool.runs.checkpoint import (
    checkpoint_steps,
    find_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    save_checkpoint,
)

GROUPS = {"generator": {"weight": torch.arange(6.0).view(2, 3)}, "rng": {"run": torch.zeros(3, dtype=torch.uint8)}}


def test_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = save_checkpoint(tmp_path, 1, GROUPS)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o640}


def test_a_path_that_is_not_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    path = save_checkpoint(folder, 3, GROUPS)
    assert torch.equal(
        read_checkpoint(path, ("generator",)).groups["generator"]["weight"], GROUPS["generator"]["weight"]
    )


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_checkpoint(tmp_path, 3, GROUPS)
    file = path / "generator.safetensors"
    file.unlink()
    file.mkdir()  # reading a folder is refused whoever asks, where permissions do not bind every user
    with pytest.raises(GantoolError, match=r"cannot be read \(generator\.safetensors: Is a directory\)") as caught:
        read_checkpoint(path, ("generator",))
    assert "which does not mean that it is damaged" in str(caught.value)
    file.rmdir()
    with pytest.raises(
        GantoolError, match=r"is damaged: generator\.safetensors is missing; move that folder elsewhere"
    ):
        read_checkpoint(path, ("generator",))


def test_nobody_finds_half_a_checkpoint_while_it_is_pruned(tmp_path: Path) -> None:
    """A reader beside a writer that keeps one checkpoint: each read is whole, or the folder is gone."""
    save_checkpoint(tmp_path, 0, GROUPS)
    done = threading.Event()

    def write() -> None:
        for step in range(1, 150):
            save_checkpoint(tmp_path, step, GROUPS)
            prune_checkpoints(tmp_path, 1)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    read = 0
    while not done.is_set():
        try:
            path = find_checkpoint(tmp_path)
            read_checkpoint(path, ("generator", "rng"))
        except FileNotFoundError:
            continue
        read += 1
    writer.join()
    assert read > 0
    assert checkpoint_steps(tmp_path) == [149]
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-0000149"]


def test_checkpoints_and_records_are_on_the_disk_before_they_count(tmp_path: Path) -> None:
    """Every file and folder is synced before the rename that makes it count, as strace sees it."""
    program = (
        "import sys, pathlib, torch; from gantool.runs.checkpoint import save_checkpoint; "
        "from gantool.files import write_json; folder = pathlib.Path(sys.argv[1]); "
        "save_checkpoint(folder, 1, {'generator': {'w': torch.zeros(2)}}); write_json(folder / 'record.json', {})"
    )
    synced: list[str] = []
    hook = (
        "import os, sys; real_sync, real_rename, real_replace = os.fsync, os.rename, os.replace\n"
        "def sync(d): print('sync', os.readlink(f'/proc/self/fd/{d}')); return real_sync(d)\n"
        "def rename(a, b, *r, **k): print('rename', b); return real_rename(a, b, *r, **k)\n"
        "def replace(a, b, *r, **k): print('rename', b); return real_replace(a, b, *r, **k)\n"
        "os.fsync, os.rename, os.replace = sync, rename, replace\n"
    )
    done = subprocess.run([sys.executable, "-c", hook + program, tmp_path], capture_output=True, text=True, check=True)
    synced = [re.sub(r"\.\d+\.part", ".part", line.replace(str(tmp_path), "")) for line in done.stdout.splitlines()]
    assert synced == [
        "sync /.step-0000001.part/generator.safetensors",
        "sync /.step-0000001.part/state.json",
        "sync /.step-0000001.part",
        "rename /step-0000001",
        "sync ",
        "sync /.record.json.part",
        "rename /record.json",
        "sync ",
    ]


def test_what_a_killed_writer_leaves_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / ".step-0000010.png.77.part").write_text("half")
    (tmp_path / ".step-0000010.77.part").mkdir()
    (tmp_path / "kept.part").write_text("a user's own")
    clear_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept.part", "samples"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "a") as partial:
            partial.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_an_append_heals_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert read_json_lines(path) == ([], [])
    append_json_line(path, {"a": 1})
    with path.open("a") as stream:
        stream.write('{"a": 2')
    append_json_line(path, {"a": 3})
    assert read_json_lines(path) == ([{"a": 1}, {"a": 3}], [2])
