"""Threads that wait briefly, as many as asked for, and a word where other programs leave them no room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gantool.cli.processors import ProcessorWatch, busy_seconds, busy_sentence, limit_spinning, set_threads
from gantool.errors import UsageError

STATISTICS = """\
cpu  400 80 200 9000 50 10 20 40 0 0
cpu0 300 80 100 4000 25 5 10 20 0 0
cpu1 100 0 100 5000 25 5 10 20 0 0
cpu10 999 999 999 999 999 999 999 999 0 0
intr 12345 6 7
"""

# The console script's own door, asked for nothing but the version; then torch's libraries read what it has set.
ENTRY = """
import os, sys
from gantool.cli import main
sys.argv = ["gantool", "--version"]
try:
    main()
except SystemExit:
    pass
print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


def of_entry(code: str, **given: str) -> str:
    known = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    finished = subprocess.run(
        [sys.executable, "-c", code], env=known | given, capture_output=True, text=True, check=True
    )
    return finished.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_the_command_line_limits_spinning_unless_the_user_says_how_to_wait(given: dict[str, str], spins: str) -> None:
    assert of_entry(ENTRY, **given) == f"{spins} False"


def test_a_library_import_leaves_the_environment_alone() -> None:
    assert of_entry("import os, gantool.ops, gantool.cli; print(os.environ.get('GOMP_SPINCOUNT'))") == "None"


def test_spinning_is_limited_in_the_environment_that_is_given() -> None:
    environment = {"HOME": "/"}
    limit_spinning(environment)
    assert environment == {"HOME": "/", "GOMP_SPINCOUNT": "1000"}


def test_training_computes_on_the_threads_asked_for(tmp_path: Path) -> None:
    command = ("-m", "gantool", "train", "--steps", "2", "--threads", "1", "--out", str(tmp_path), "--json")
    finished = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    run = Path(json.loads(finished.stdout)["run"])
    assert json.loads((run / "environment.json").read_text())["threads"] == 1


@pytest.mark.parametrize("count", [0, -1, 1_025])
def test_a_number_of_threads_that_is_none_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"--threads must be a whole number from 1 to 1,024, but is {count}"):
        set_threads(count)


@pytest.mark.parametrize(
    ("cores", "nice", "ticks"),
    [({0}, False, 300 + 100 + 5 + 10 + 20), ({1}, False, 100 + 100 + 5 + 10 + 20), ({0, 1}, True, 435 + 235 + 80)],
)
def test_work_is_summed_over_the_own_cores(cores: set[int], nice: bool, ticks: int) -> None:
    assert busy_seconds(STATISTICS, cores, 100, nice=nice) == ticks / 100


@pytest.mark.parametrize(
    ("taken", "cores", "threads", "free"),
    [
        (0.0, 2, 2, None),
        (0.5, 2, 2, None),
        (0.9, 2, 2, 1),
        (1.0, 2, 1, None),
        (2.0, 2, 2, 1),
        (1.0, 8, 4, None),
        (5.0, 8, 4, 3),
    ],
)
def test_a_word_is_said_where_threads_have_no_room(taken: float, cores: int, threads: int, free: int | None) -> None:
    said = busy_sentence(taken, cores, threads)
    if free is None:
        assert said == ""
    else:
        assert f"Other programs take {taken:.1f} of {cores} cores, and {threads} threads" in said
        assert f"--threads {free} " in said


BURN = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="this system has no /proc/stat")
def test_what_others_take_is_measured_and_the_own_work_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    other = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        watch = ProcessorWatch()
        assert watch.cores_taken() > 0.3  # a core, or what a busy machine leaves of one
        own = time.process_time() + 1_000
        monkeypatch.setattr(time, "process_time", lambda: own)
        assert watch.cores_taken() == 0
    finally:
        other.kill()
        other.wait()


def test_where_the_system_tells_nothing_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert ProcessorWatch().cores_taken() == 0
