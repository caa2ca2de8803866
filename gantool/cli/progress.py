"""What a user sees while a run trains: a panel on a terminal, one moving line in a notebook, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gantool.cli.stages import write_over
from gantool.progress import Screen, screen_of

if TYPE_CHECKING:
    from gantool.training.record.metrics import Look, Record

PLAIN_INTERVAL = 5.0  # seconds between plain lines: a log, not a flood


class Display:
    """An observer of training, and a context manager around it. `subject` says what the figures are of, where that is
    not one run; `screen` what the console can show (None: what it is found to)."""

    def __init__(
        self,
        console: Console,
        total_steps: int,
        start_step: int = 0,
        subject: str = "",
        screen: Screen | None = None,
    ) -> None:
        self.console, self.total_steps, self.subject = console, total_steps, subject
        self.screen = screen or screen_of(console.file)
        self.last_line = float("-inf")
        self.last_look = ""
        self.progress = Progress(
            TextColumn("step"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self.task = self.progress.add_task("step", total=total_steps, completed=start_step)
        live = self.screen == "live"
        self.live = Live(self.progress, console=console, refresh_per_second=4) if live else None

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            with suppress(OSError):  # the terminal may be gone
                self.live.stop()
        elif self.screen == "line":
            write_over("")

    def on_record(self, record: Record) -> None:
        self.progress.update(self.task, completed=record.step)
        if record.look:
            self.last_look = _look_line(record.step, record.look)
        if self.screen == "line" and record.alarms:
            write_over("")
        for alarm in record.alarms:
            self.console.print(
                f"ALARM at step {record.step:,}: {alarm.sentence}", markup=False, style="bold red", soft_wrap=True
            )
        if self.live:
            look = [self.last_look] if self.last_look else []
            self.live.update(Group(_figures(record, self.subject), *look, self.progress))
        elif self.screen == "line" and record.step < self.total_steps:
            write_over(_line(record, self.total_steps))
        elif time.monotonic() - self.last_line >= PLAIN_INTERVAL or record.step == self.total_steps:
            if self.screen == "line":
                write_over("")
            self.last_line = time.monotonic()
            subject = f"  ({self.subject})" if self.subject else ""
            line = f"{_line(record, self.total_steps)}{subject}"
            self.console.print(line, markup=False, soft_wrap=True)
            if self.last_look:
                self.console.print(self.last_look, markup=False, soft_wrap=True)
                self.last_look = ""

    def on_samples(self, step: int, sheet: Path) -> None:
        """Sheets are many and speak for themselves; the closing lines say where they are."""

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        """Checkpoints are many; the closing lines name the last."""


def _line(record: Record, total_steps: int) -> str:
    return (
        f"step {record.step}/{total_steps}  epoch {record.epoch}  "
        f"D loss {record.discriminator_loss:.3f}  G loss {record.generator_loss:.3f}  V {record.value:.3f} "
        f"({record.optimum:.3f} at best)  "
        f"D(x) {record.real_probability:.2f}  D(G(z)) {record.fake_probability:.2f}  "
        f"{record.images_per_second:,.0f} images/s"
    )


def _look_line(step: int, look: Look) -> str:
    """The last look at the samples; on a terminal it stays until the next one."""
    score, distinct = look.collapse_score, look.distinct_samples
    line = f"  samples at step {step}: about {distinct:,.0f} differ (collapse score {score:.2f})"
    if look.validation_log_likelihood is None or look.validation_sigma is None:
        return line
    return f"{line}, validation {look.validation_log_likelihood:,.1f} nats (Parzen, σ {look.validation_sigma:.3g})"


def _figures(record: Record, subject: str) -> Table:
    title = f"the last batch, dropout on{', ' if subject else ''}{subject}"
    table = Table(box=None, title=title, title_justify="left", title_style="dim")
    cells = {
        "epoch": f"{record.epoch}",
        "D loss": f"{record.discriminator_loss:.3f}",
        "G loss": f"{record.generator_loss:.3f}",
        "V": f"{record.value:.3f}",
        "at best": f"{record.optimum:.3f}",
        "D(x)": f"{record.real_probability:.2f}",
        "D(G(z))": f"{record.fake_probability:.2f}",
        "rate": f"{record.learning_rate:.4g}",
        "momentum": f"{record.momentum:.3f}",
        "images/s": f"{record.images_per_second:,.0f}",
    }
    for name in cells:
        table.add_column(name, justify="right")
    table.add_row(*cells.values())
    return table
