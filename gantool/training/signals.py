"""SIGINT and SIGTERM end a run after the iteration in hand, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Called, it tells whether a signal has come; `signal_number` is which."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Catches the first SIGINT or SIGTERM; a second one acts as usual, for a user who cannot wait.

    Off the main thread Python allows no handlers: the request then never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in numbers}

    def remember(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        for each in numbers:
            signal.signal(each, previous[each])

    for number in numbers:
        signal.signal(number, remember)
    try:
        yield request
    finally:
        for number in numbers:
            signal.signal(number, previous[number])
