"""The table [objective]: what the two players play for, and what keeps the discriminator smooth."""

from __future__ import annotations

from dataclasses import dataclass, field

from gantool.config.checks import require, require_choice, require_number

# What `objective.name` may be; gantool.objectives holds the losses.
OBJECTIVE_NAMES = [
    "non-saturating", "minimax", "blend", "f:log", "f:identity", "wasserstein", "least-squares", "hinge",
    "kl", "reverse-kl", "pearson", "hellinger", "jsd", "tv", "relativistic", "k-plus-one",
]  # fmt: skip
# What `objective.penalty.kind` may be; gantool.training.penalties holds those that are added to a loss.
PENALTY_NAMES = ["none", "gradient", "r1", "r2", "r1+r2", "clip"]


@dataclass(frozen=True)
class PenaltyConfig:
    """What keeps the discriminator smooth.

    gradient: `weight`·E(‖∇D(x̂)‖ − 1)² between real and generated rows (Gulrajani et al. 2017); r1: ½·`weight`·E‖∇D(x)‖²
    on real rows (Mescheder et al. 2018), r2 on generated ones; clip: every weight stays in ±`limit` (Arjovsky et al.
    2017).
    """

    kind: str = "none"
    weight: float = 10.0
    limit: float = 0.01

    def __post_init__(self) -> None:
        require_choice(self.kind, tuple(PENALTY_NAMES), "objective.penalty.kind")
        require_number(self.weight, "objective.penalty.weight", "a number, 0 or more", 0.0)
        require_number(self.limit, "objective.penalty.limit", "a number above 0", 1e-12)

    @property
    def differentiates(self) -> bool:
        """Whether it takes the gradient of a gradient."""
        return self.kind not in ("none", "clip")


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the two players play for: `name`, and the weights of the non-saturating and the minimax loss in a blend.

    `smooth` makes the real rows' target 1 − smooth, in the log family. `feature_matching` times the squared distance
    between the mean features of real and generated rows in the discriminator's last hidden layer is added to the
    generator's loss (Salimans et al. 2016). `energy` times the energy score of two draws X, X′ for each row x,
    E‖X − x‖ − ½ E‖X − X′‖, is added to it, too (Gneiting and Raftery 2007; for generators Bouchacourt et al. 2016); it
    needs rows to compare with, and so data.condition = mask. `penalty` is a table of its own.

    k-plus-one: the discriminator gives a logit for each of K classes, that of a generated row is 0, and labelled rows
    add the cross-entropy of their class; the generator has feature matching alone (Salimans et al. 2016).
    """

    name: str = "non-saturating"
    blend: tuple[float, ...] = (0.5, 0.5)
    smooth: float = 0.0
    feature_matching: float = 0.0
    energy: float = 0.0
    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)

    def __post_init__(self) -> None:
        require_choice(self.name, tuple(OBJECTIVE_NAMES), "objective.name")
        require_number(self.smooth, "objective.smooth", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        smooth = self.smooth == 0.0 or self.name in ("non-saturating", "minimax", "blend", "f:log")
        require(smooth, "objective.smooth", f"0 when objective.name = {self.name}, which has no target", self.smooth)
        require_number(self.feature_matching, "objective.feature_matching", "a number, 0 or more", 0.0)
        require_number(self.energy, "objective.energy", "a number, 0 or more", 0.0)
        matched = self.name != "k-plus-one" or self.feature_matching > 0
        require(matched, "objective.feature_matching", "above 0 when objective.name = k-plus-one", 0.0)
        require(len(self.blend) == 2, "objective.blend", "two weights: non-saturating and minimax", list(self.blend))
        for weight in self.blend:
            require_number(weight, "objective.blend", "two numbers, 0 or more", 0.0)
