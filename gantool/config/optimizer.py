"""The table [optimizer]: how parameters move, for both players and for each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from gantool.config.checks import require, require_choice, require_count, require_number

OptimizerKind = Literal["momentum", "adam", "rmsprop"]
Schedule = Literal["exponential", "linear"]

PLAYERS = ("generator", "discriminator")


@dataclass(frozen=True)
class PlayerOptimizer:
    """How one player's parameters move.

    momentum: v ← μv − lr·g, p ← p + v (not Nesterov), μ rising linearly from `momentum` in epoch 1 to `final_momentum`
    at `momentum_saturates` epochs. adam: Kingma & Ba 2015 with `beta1`, `beta2`. rmsprop: Tieleman & Hinton 2012 with
    `smoothing`. `weight_decay` times a parameter is added to its gradient.

    `schedule` exponential: update t = 0, 1, … uses lr = max(learning_rate / decay^t, min_learning_rate). linear: the
    rate falls from learning_rate at the end of epoch `linear_from` to 0 at the end of epoch `linear_to`, by epochs, and
    no lower than min_learning_rate. `max_column_norm` bounds the norm of each unit's incoming weights.
    """

    kind: OptimizerKind = "momentum"
    learning_rate: float = 0.1
    schedule: Schedule = "exponential"
    decay: float = 1.000004
    min_learning_rate: float = 1e-6
    momentum: float = 0.5
    final_momentum: float = 0.7
    momentum_saturates: int = 250
    beta1: float = 0.5
    beta2: float = 0.999
    smoothing: float = 0.99
    weight_decay: float = 0.0
    linear_from: int = 0
    linear_to: int = 0
    max_column_norm: float | None = None

    def check(self, table: str) -> None:
        """Raises UsageError naming the field as `table`.field."""
        require_choice(self.kind, ("momentum", "adam", "rmsprop"), f"{table}.kind")
        require_choice(self.schedule, ("exponential", "linear"), f"{table}.schedule")
        require_number(self.learning_rate, f"{table}.learning_rate", "a number above 0", 1e-12)
        require_number(self.decay, f"{table}.decay", "1 or more (the rate is divided by it at each update)", 1.0)
        require_number(self.min_learning_rate, f"{table}.min_learning_rate", "0 or more", 0.0)
        require_number(self.weight_decay, f"{table}.weight_decay", "0 or more", 0.0)
        require_count(self.linear_from, f"{table}.linear_from", least=0)
        falls = self.schedule != "linear" or self.linear_to > self.linear_from
        require(falls, f"{table}.linear_to", "an epoch after linear_from when schedule = linear", self.linear_to)
        for name in ("momentum", "final_momentum", "beta1", "beta2", "smoothing"):
            require_number(getattr(self, name), f"{table}.{name}", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        require_count(self.momentum_saturates, f"{table}.momentum_saturates", least=1)
        if self.max_column_norm is not None:
            require_number(self.max_column_norm, f"{table}.max_column_norm", "a number above 0", 1e-12)


@dataclass(frozen=True)
class OptimizerConfig(PlayerOptimizer):
    """Both players' optimizer. The tables `generator` and `discriminator` say what is otherwise for that player."""

    generator: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check("optimizer")
        for player in PLAYERS:
            self.of(player).check(f"optimizer.{player}")

    def of(self, player: str) -> PlayerOptimizer:
        """The optimizer of the `generator` or the `discriminator`."""
        shared = {each.name: getattr(self, each.name) for each in fields(PlayerOptimizer)}
        return PlayerOptimizer(**(shared | getattr(self, player)))
