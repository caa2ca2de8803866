"""Runs that are trained side by side: one, or replicas, which differ in their seeds alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gantool.training.average import INTERVAL
from gantool.training.game import Iteration
from gantool.training.record.member import Member
from gantool.training.schedules import Rate, Rates, rates_at


class Cohort:
    """Its members share a configuration but for the seed, so that all are at the same step and have the same due."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.first = members[0]
        self.total = self.first.total

    @property
    def step(self) -> int:
        return self.first.state.step

    @property
    def failed(self) -> bool:
        """Whether no run can go on."""
        return all(member.failure for member in self.members)

    def until_due(self, now: int) -> int:
        """The iterations until something is due to be written, or a weight average to look."""
        due = self.first.intervals
        intervals = (due.log, due.samples, due.checkpoint, INTERVAL)
        return min(self.total - now, *(interval - now % interval for interval in intervals))

    def rates(self, steps: Sequence[int]) -> list[Rates]:
        config, starts = self.first.run.config, self.first.run.config.training.generator_starts
        rates = [rates_at(config.optimizer, step, self.first.state.epoch_at(step)) for step in steps]
        waits = [replace(now, generator=Rate(0.0, 0.0)) for now in rates]
        return [now if step >= starts else wait for step, now, wait in zip(steps, rates, waits, strict=True)]

    def see(self, seen: Sequence[Iteration], rates: Rates, count: int) -> None:
        """Hands each run what the last of `count` iterations saw of it."""
        for member, iteration in zip(self.members, seen, strict=True):
            member.see(iteration, rates, count)

    def save(self) -> None:
        for member in self.members:
            member.save()

    def stop(self) -> None:
        for member in self.members:
            member.stop()
