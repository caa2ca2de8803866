"""What the training display prints where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from gantool.cli.progress import Display
from gantool.training.record.metrics import Alarm, Look, Record


def record(step: int, look: Look | None = None, alarms: tuple[Alarm, ...] = ()) -> Record:
    return Record(step, 1, *[0.5] * 10, look=look, alarms=alarms)


def test_a_look_and_an_alarm_are_shown() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=200), total_steps=30) as display:
        display.on_record(record(10))
        display.on_record(record(20, Look(0.9, 2.4, -123.4, 0.2), (Alarm("collapse", "It has [collapsed]."),)))
        display.on_record(record(30))
    lines = out.getvalue().splitlines()
    assert lines[1] == "ALARM at step 20: It has [collapsed]."
    assert (
        lines[3] == "  samples at step 20: about 2 differ (collapse score 0.90), validation -123.4 nats (Parzen, σ 0.2)"
    )
    assert [line.split()[1] for line in (lines[0], lines[2])] == ["10/30", "30/30"]


def test_a_look_is_shown_on_a_terminal_until_the_next() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=120, force_terminal=True, highlight=False), 30, screen="live") as display:
        display.on_record(record(10, Look(0.9, 2.4, None, None)))
        display.on_record(record(30))
    assert "about 2 differ (collapse score 0.90)" in out.getvalue()
