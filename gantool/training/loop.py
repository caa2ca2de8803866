"""The training loop: play iterations, and hand each run what its own saw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gantool.training.average import INTERVAL
from gantool.training.schedules import rates_at
from gantool.training.signals import StopRequest
from gantool.training.step import Step
from gantool.training.trainee import Trainee
from gantool.training.unfinished import Safeguard


def train(trainees: Sequence[Trainee], step: Step, stop: StopRequest) -> None:
    """Plays until the configured number of iterations, or until it is asked to stop, or no run can go on.

    `trainees` are the runs that `step` plays, side by side: one, or replicas, which differ in their seeds alone. Either
    way each has a checkpoint of its last iteration, but for one that failed: the others then go on without it.
    """
    state, optimizer, total = trainees[0].state, trainees[0].run.config.optimizer, trainees[0].total
    safeguard = Safeguard(trainees, stop)
    now = state.step
    while now < total and not stop() and not all(trainee.failure for trainee in trainees):
        steps = range(now, now + min(step.stride, _until_due(trainees[0], now)))
        rates = [rates_at(optimizer, number, state.epoch_at(number)) for number in steps]
        seen = safeguard.play(partial(step.play, now, rates))
        if seen is None:
            break
        for trainee, iteration in zip(trainees, seen, strict=True):
            trainee.see(iteration, rates[-1], len(steps))
        if stop.take_save():
            for trainee in trainees:
                trainee.save()
        now = steps.stop
    for trainee in trainees:
        trainee.stop()


def _until_due(trainee: Trainee, now: int) -> int:
    """The iterations until something is due to be written, or a weight average to look."""
    due = trainee.intervals
    intervals = (due.log, due.samples, due.checkpoint, INTERVAL)
    return min(trainee.total - now, *(interval - now % interval for interval in intervals))
