"""An iteration of many discriminator steps that is not finished when the system asks to end, or to save.

What it has done is dropped: the run is put back to where the iteration began, and that is saved. Keeping the half of it
would make a checkpoint that no other run ever passes through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from gantool.training.record.member import Member
from gantool.training.signals import StopRequest

Seen = TypeVar("Seen")

# An iteration that takes less than this is waited for.
PATIENCE = 0.5


class Unfinished(Exception):
    """The iteration in hand is given up."""


class Safeguard:
    """Keeps the start of each iteration that may be long, and answers the system while it lasts.

    Batches are drawn at every discriminator step: that is when it looks. One step alone is never given up.
    """

    def __init__(self, members: Sequence[Member], stop: StopRequest) -> None:
        self.members, self.stop = members, stop
        self.several = members[0].run.config.training.discriminator_steps.most > 1
        self.long = self.several  # until the first one has been timed
        self.kept = False
        for member in members:
            member.state.batches.on_draw = self._look

    def play(self, iterate: Callable[[], Seen]) -> Seen | None:
        """Makes an iteration and returns what it saw. None where it was given up: its start is then in its place."""
        if not self.several:
            return iterate()
        if self.long:
            for member in self.members:
                member.keep_start()
        self.kept, began = self.long, time.perf_counter()
        try:
            seen = iterate()
        except Unfinished:
            for member in self.members:
                member.go_back()
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
            for member in self.members:
                member.save_start()
