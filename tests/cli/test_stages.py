"""What shows that work goes on: in a pipe, on a dumb terminal, in a CI log that asks for colours, and on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading

import pytest

SLOW = """
import time
from gantool.cli.stages import shown_progress
with shown_progress() as progress:
    progress("a long product", 0, 0)
    time.sleep(2.6)
    for done in range(4):
        progress("distances", done, 4)
        time.sleep(1.4)
"""


FOREIGN = """
import time
from gantool.cli.stages import shown_progress
with shown_progress() as progress:
    progress("0001-x\\x1b]0;title\\x07: samples", 0, 0)
    time.sleep(2.6)
"""


def in_a_pipe(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, env=os.environ | environment, check=True
    )
    assert done.stdout == ""
    return done.stderr


def on_a_terminal(program: str = SLOW, **environment: str) -> str:
    """What a terminal of 80 × 24 receives."""
    master, slave = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
    said: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(master, 4096):
                said.append(part)
        except OSError:  # the other end was closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run(
        [sys.executable, "-c", program], stderr=slave, env=variables | {"COLUMNS": "80"} | environment, check=True
    )
    os.close(slave)
    reader.join()
    os.close(master)
    return b"".join(said).decode()


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_pipe_gets_a_line_now_and_then(environment: dict[str, str]) -> None:
    lines = in_a_pipe(**environment).splitlines()
    assert re.fullmatch(r"a long product: 2 s so far", lines[0])
    assert any(re.fullmatch(r"distances: \d s so far, (25|50|75)%, about \d+ s left", line) for line in lines)
    assert len(lines) <= 4


def test_a_dumb_terminal_gets_lines_too() -> None:
    text = on_a_terminal(TERM="dumb")
    assert "\x1b" not in text
    assert "a long product: 2 s so far" in text


def test_a_terminal_gets_a_bar_with_the_time_left() -> None:
    text = on_a_terminal(TERM="xterm-256color")
    assert "a long product" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert re.search(r"distances ━+╺?━* 0:00:0\d 0:00:0\d", plain)


def test_a_notebooks_shell_gets_one_line() -> None:
    text = on_a_terminal(TERM="xterm-color", JPY_PARENT_PID="1")
    assert "\x1b" not in text
    assert text.count("\n") == 0
    assert "\ra long product: 2 s so far" in text


@pytest.mark.parametrize("environment", [{}, {"JPY_PARENT_PID": "1"}], ids=["terminal", "notebook"])
def test_the_name_of_a_run_steers_no_terminal(environment: dict[str, str]) -> None:
    text = on_a_terminal(FOREIGN, TERM="xterm-256color", **environment)
    assert r"0001-x\x1b]0;title\x07: samples" in text
    assert "\x1b]" not in text
    assert "\x07" not in text
