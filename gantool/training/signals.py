"""What the system asks of a training: to end after saving (SIGINT, SIGTERM, SIGHUP), or to save and go on (SIGUSR1)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A closed terminal sends SIGHUP, a batch system SIGTERM.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What Slurm sends ahead of its time limit, where it is asked to.
SAVE = signal.SIGUSR1


class StopRequest:
    """Called, it tells whether a signal to end has come; `signal_number` is which. `save_due` is to save and go on."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._save_due = False

    def __call__(self) -> bool:
        return self.signal_number is not None

    def ask_to_save(self) -> None:
        self._save_due = True

    def take_save(self) -> bool:
        """Whether a save was asked for since the last call."""
        due, self._save_due = self._save_due, False
        return due


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Catches the first signal to end; a second one acts as usual, for a user who cannot wait.

    Off the main thread Python allows no handlers: the request then never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # A program that ignores SIGHUP, as under nohup, goes on ignoring it.
    numbers = [number for number in (*ENDINGS, SAVE) if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.getsignal(number) for number in numbers}

    def remember(number: int, frame: FrameType | None) -> None:
        if number == SAVE:
            request.ask_to_save()
            return
        request.signal_number = number
        for each in numbers:
            if each != SAVE:
                signal.signal(each, previous[each])

    for number in numbers:
        signal.signal(number, remember)
    try:
        yield request
    finally:
        for number in numbers:
            signal.signal(number, previous[number])
