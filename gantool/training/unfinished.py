"""An iteration of many discriminator steps that is not finished when the system asks to end, or to save.

What it has done is dropped: the run is put back to where the iteration began, and that is saved. Keeping the half of it
would make a checkpoint that no other run ever passes through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from gantool.training.signals import StopRequest
from gantool.training.trainee import Trainee

Seen = TypeVar("Seen")

# An iteration that takes less than this is waited for.
PATIENCE = 0.5


class Unfinished(Exception):
    """The iteration in hand is given up."""


class Safeguard:
    """Keeps the start of each iteration that may be long, and answers the system while it lasts.

    Batches are drawn at every discriminator step: that is when it looks. One step alone is never given up.
    """

    def __init__(self, trainees: Sequence[Trainee], stop: StopRequest) -> None:
        self.trainees, self.stop = trainees, stop
        self.several = trainees[0].run.config.training.k > 1
        self.long = self.several  # until the first one has been timed
        self.kept = False
        for trainee in trainees:
            trainee.state.batches.on_draw = self._look

    def play(self, iterate: Callable[[], Seen]) -> Seen | None:
        """Makes an iteration and returns what it saw. None where it was given up: its start is then in its place."""
        if not self.several:
            return iterate()
        if self.long:
            for trainee in self.trainees:
                trainee.keep_start()
        self.kept, began = self.long, time.perf_counter()
        try:
            seen = iterate()
        except Unfinished:
            for trainee in self.trainees:
                trainee.go_back()
            return None
        finally:
            self.kept = False
        self.long = time.perf_counter() - began > PATIENCE
        return seen

    def _look(self) -> None:
        if not self.kept:
            return
        if self.stop():
            raise Unfinished
        if self.stop.take_save():
            for trainee in self.trainees:
                trainee.save_start()
