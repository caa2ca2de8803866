"""Ctrl-C while the tool starts: a stop is a stop, at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SENTENCE = "gantool: Stopped by the user.\n"


@pytest.mark.parametrize("command", [("runs",), ("train", "--steps", "100000"), ("eval", "parzen"), ("doctor",)])
def test_an_interrupt_at_any_moment_of_the_start(command: tuple[str, ...], tmp_path: Path) -> None:
    """From the moment that the handler is there: what Python does before that is its own affair."""
    program = (
        "import os; from gantool.cli.stops import catch_interrupts; catch_interrupts(); os.write(1, b'x'); "
        "from gantool.cli import main; main()"
    )
    answers = []
    for delay in (0.02, 0.1, 0.3, 0.6, 1.0, 1.5):
        command_line = [sys.executable, "-c", program, *command, "--out", str(tmp_path)]
        with subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        answers.append((delay, process.returncode, said))
    for delay, code, said in answers:
        if code in (0, 2) and SENTENCE not in said:
            continue  # it had ended before the interrupt came
        assert code == 130, (delay, said)
        assert "Traceback" not in said, (delay, said)
        assert SENTENCE in said or "and saved. Go on with" in said, (delay, said)
    assert any(code == 130 for _, code, _ in answers)
