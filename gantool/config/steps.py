"""How many steps the discriminator takes in each iteration: k, or more at times."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from gantool.config.checks import require, require_count


@dataclass(frozen=True)
class StepsRule:
    """`k` steps in the first `until` iterations, or in every `every`-th one, iteration 0 among them."""

    k: int
    until: int | None = None
    every: int | None = None

    def __post_init__(self) -> None:
        name = "training.k_schedule"
        require_count(self.k, f"{name}.k")
        one = (self.until is None) != (self.every is None)
        require(one, name, "rules with until or with every", f"until = {self.until}, every = {self.every}")
        for field in ("until", "every"):
            if (value := getattr(self, field)) is not None:
                require_count(value, f"{name}.{field}")

    def fits(self, step: int) -> bool:
        """Whether iteration `step`, from 0, is one of the rule's."""
        return step < self.until if self.until is not None else step % (self.every or 1) == 0


class DiscriminatorSteps:
    """Which batches, numbered since training began, the discriminator sees in iteration `step`, from 0.

    The first of `rules` that fits an iteration gives its number of steps; k, where none does.
    """

    def __init__(self, k: int, rules: tuple[StepsRule, ...]) -> None:
        self.k, self.rules = k, rules
        self._before = [0]  # the steps before each iteration, as far as anybody has asked

    @staticmethod
    @lru_cache
    def of(k: int, rules: tuple[StepsRule, ...] = ()) -> DiscriminatorSteps:
        """The one object of this schedule, which then counts each iteration once."""
        return DiscriminatorSteps(k, rules)

    @property
    def most(self) -> int:
        """The largest number of steps that an iteration can have."""
        return max(self.k, *(rule.k for rule in self.rules), 1)

    def at(self, step: int) -> int:
        """How many steps iteration `step` has."""
        return next((rule.k for rule in self.rules if rule.fits(step)), self.k)

    def before(self, step: int) -> int:
        """How many steps all iterations before `step` have: the number of its first batch."""
        if not self.rules:
            return step * self.k
        self._count_to(step)
        return self._before[step]

    def batches(self, step: int) -> range:
        """The numbers of the batches of iteration `step`."""
        first = self.before(step)
        return range(first, first + self.at(step))

    def iterations(self, steps: int) -> int:
        """The fewest iterations that have so many steps together."""
        if not self.rules:
            return -(-steps // self.k)
        while self._before[-1] < steps:
            self._count_to(len(self._before))
        return bisect_left(self._before, steps)

    def _count_to(self, step: int) -> None:
        for now in range(len(self._before) - 1, step):
            self._before.append(self._before[-1] + self.at(now))
