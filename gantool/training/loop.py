"""The training loop: play iterations, and hand each run what its own saw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gantool.training.average import INTERVAL
from gantool.training.engines.step import Step
from gantool.training.record.member import Member
from gantool.training.schedules import rates_at
from gantool.training.signals import StopRequest
from gantool.training.unfinished import Safeguard


def train(members: Sequence[Member], step: Step, stop: StopRequest) -> None:
    """Plays until the configured number of iterations, or until it is asked to stop, or no run can go on.

    `members` are the runs that `step` plays, side by side: one, or replicas, which differ in their seeds alone. Either
    way each has a checkpoint of its last iteration, but for one that failed: the others then go on without it.
    """
    state, optimizer, total = members[0].state, members[0].run.config.optimizer, members[0].total
    safeguard = Safeguard(members, stop)
    now = state.step
    while now < total and not stop() and not all(member.failure for member in members):
        steps = range(now, now + min(step.stride, _until_due(members[0], now)))
        rates = [rates_at(optimizer, number, state.epoch_at(number)) for number in steps]
        seen = safeguard.play(partial(step.play, now, rates))
        if seen is None:
            break
        for member, iteration in zip(members, seen, strict=True):
            member.see(iteration, rates[-1], len(steps))
        if stop.take_save():
            for member in members:
                member.save()
        now = steps.stop
    for member in members:
        member.stop()


def _until_due(member: Member, now: int) -> int:
    """The iterations until something is due to be written, or a weight average to look."""
    due = member.intervals
    intervals = (due.log, due.samples, due.checkpoint, INTERVAL)
    return min(member.total - now, *(interval - now % interval for interval in intervals))
