"""The training loop: play iterations, and hand each run what its own saw. orders.py says what an iteration is."""

from __future__ import annotations

from functools import partial

from gantool.training.cohort import Cohort
from gantool.training.engines.step import Step
from gantool.training.signals import StopRequest
from gantool.training.unfinished import Safeguard


def train(cohort: Cohort, step: Step, stop: StopRequest) -> None:
    """Plays until the configured number of iterations, or until it is asked to stop, or no run can go on.

    Either way each run has a checkpoint of its last iteration, but for one that failed: the others go on without it.
    """
    safeguard = Safeguard(cohort.members, stop)
    now = cohort.step
    while now < cohort.total and not stop() and not cohort.failed:
        steps = range(now, now + min(step.stride, cohort.until_due(now)))
        rates = cohort.rates(steps)
        seen = safeguard.play(partial(step.play, now, rates))
        if seen is None:
            break
        cohort.see(seen, rates[-1], len(steps))
        if stop.take_save():
            cohort.save()
        now = steps.stop
    cohort.stop()
