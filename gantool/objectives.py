"""The objectives of the game, one small class each, on the discriminator's raw output.

The log family reads it as a logit: with D = sigmoid(l), −log D = softplus(−l) and −log(1 − D) = softplus(l), exact
where a probability would round to 0 or 1. The others read it as a free score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gantool.config import ObjectiveConfig


class Objective(Protocol):
    """Two scalar losses to descend, from the raw outputs of one batch each ([B]).

    `needs_real`: the generator's loss compares with real rows, whose outputs it then gets, too; `needs_fake`: it looks
    at outputs at all. `value` is what the discriminator ascends, and at its best what the generator's move lowers;
    `optimum` is that best where the generator has reached the data. `judgement` is what is shown of an output.
    """

    needs_real: ClassVar[bool]
    needs_fake: ClassVar[bool]

    @property
    def optimum(self) -> float: ...

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor: ...

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor: ...

    def value(self, real: Tensor, fake: Tensor) -> Tensor: ...

    def judgement(self, output: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class LogLoss:
    """The discriminator's half of the paper's game, shared by the generator objectives of the log family."""

    smooth: float = 0.0
    needs_real: ClassVar[bool] = False
    needs_fake: ClassVar[bool] = True

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """0.5·[BCE(1 − smooth, D(x)) + BCE(0, D(G(z)))], which is −V/2 without smoothing; the half is the released
        configuration's."""
        of_real = softplus(-real).mean()
        if self.smooth:
            of_real = (1.0 - self.smooth) * of_real + self.smooth * softplus(real).mean()
        return 0.5 * (of_real + softplus(fake).mean())

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return game_value(real, fake)

    @property
    def optimum(self) -> float:
        """V where D is (1 − smooth)/2 everywhere: −log 4 without smoothing."""
        return math.log((1.0 - self.smooth) / 2) + math.log((1.0 + self.smooth) / 2)

    def judgement(self, output: Tensor) -> Tensor:
        return output.sigmoid()


class NonSaturating(LogLoss):
    """Ascend mean log D(G(z)): the objective used in practice."""

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake).mean()


class Minimax(LogLoss):
    """Descend mean log(1 − D(G(z))): the objective of the theory. Its best value is −log 4 + 2·JSD."""

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -softplus(fake).mean()


class KPlusOne(LogLoss):
    """The discriminator's half alone, on the logit of any class: the generator has feature matching, and labelled rows
    add their cross-entropy elsewhere (Salimans et al. 2016)."""

    needs_fake: ClassVar[bool] = False

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return fake.new_zeros(())


@dataclass(frozen=True)
class Blend(LogLoss):
    """A weighted sum of the non-saturating and the minimax objective."""

    non_saturating: float = 0.5
    minimax: float = 0.5

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        saturating = -softplus(fake).mean()
        return self.minimax * saturating + self.non_saturating * softplus(-fake).mean()


class Score:
    """Objectives whose discriminator gives a free score, and descends the negative of the value."""

    needs_real: ClassVar[bool] = False
    needs_fake: ClassVar[bool] = True
    optimum: float = 0.0  # of the earth mover's distance and the divergences

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        raise NotImplementedError

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return -self.value(real, fake)

    def judgement(self, output: Tensor) -> Tensor:
        return output


@dataclass(frozen=True)
class GeneralF(Score):
    """min_G max_D E f(D(x)) + E f(1 − D(G(z))) with D in [0, 1], for a monotone f.

    f(a) = a is called Wasserstein in lecture notes; with D in [0, 1] and no bound on its slope its best value is
    1 + TV(p_data, p_g), which is not the earth mover's distance.
    """

    f: Callable[[Tensor], Tensor]

    @property
    def optimum(self) -> float:  # type: ignore[override]  # of a concave f, at D = 1/2
        return 2 * float(self.f(torch.tensor(0.5)))

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.f(real.sigmoid()).mean() + self.generator_loss(fake)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return self.f((-fake).sigmoid()).mean()  # 1 − sigmoid(l), without losing digits

    def judgement(self, output: Tensor) -> Tensor:
        return output.sigmoid()


class Wasserstein(Score):
    """E D(x) − E D(G(z)) (Arjovsky et al. 2017): the earth mover's distance, if D's slope is kept at 1 or below."""

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return real.mean() - fake.mean()

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class LeastSquares(Score):
    """½·E(D(x) − 1)² + ½·E(D(G(z)) + 1)², and ½·E D(G(z))² for the generator (Mao et al. 2017; a −1, b 1, c 0).

    At D's best, E_p D² + E_q D² is ∫(p − q)²/(p + q).
    """

    optimum = -1.0

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return -0.5 * ((real - 1).square().mean() + (fake + 1).square().mean())

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0.5 * fake.square().mean()


class Hinge(Score):
    """−E max(0, 1 − D(x)) − E max(0, 1 + D(G(z))) (Lim and Ye 2017): its best value is −2·(1 − TV)."""

    optimum = -2.0

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return -(1 - real).relu().mean() - (1 + fake).relu().mean()

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


@dataclass(frozen=True)
class Divergence(Score):
    """sup_T E_p T − E_q f*(T), an f-divergence at its best (Nowozin et al. 2016). The generator descends −E f*(T).

    Both functions are of the raw output v, through the activation that keeps T in the domain of f*.
    """

    witness: Callable[[Tensor], Tensor]  # v → T
    conjugate: Callable[[Tensor], Tensor]  # v → f*(T)

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.witness(real).mean() - self.conjugate(fake).mean()

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -self.conjugate(fake).mean()

    def judgement(self, output: Tensor) -> Tensor:
        return self.witness(output)


class Relativistic(Score):
    """log-sigmoid of D(x) − D(G(z)), a pair at a time (Jolicoeur-Martineau 2019; R3GAN): −log 2 at equal densities."""

    needs_real: ClassVar[bool] = True
    needs_fake: ClassVar[bool] = True
    optimum = -math.log(2.0)

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        return -softplus(fake - real).mean()

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        assert real is not None
        return softplus(real - fake).mean()


# T and f*(T) of the raw output v, simplified so that neither overflows before it must.
_LOG2 = math.log(2.0)
DIVERGENCES: dict[str, Divergence] = {
    "kl": Divergence(lambda v: v, lambda v: (v - 1).exp()),
    "reverse-kl": Divergence(lambda v: -(-v).exp(), lambda v: v - 1),
    "pearson": Divergence(lambda v: v, lambda v: v.square() / 4 + v),
    "hellinger": Divergence(lambda v: 1 - (-v).exp(), lambda v: v.exp() - 1),
    "jsd": Divergence(lambda v: _LOG2 - softplus(-v), lambda v: softplus(v) - _LOG2),
    "tv": Divergence(lambda v: v.tanh() / 2, lambda v: v.tanh() / 2),
}

# Each name that `objective.name` may have → the objective, from the table [objective].
OBJECTIVES: dict[str, Callable[[ObjectiveConfig], Objective]] = {
    "non-saturating": lambda config: NonSaturating(config.smooth),
    "minimax": lambda config: Minimax(config.smooth),
    "blend": lambda config: Blend(config.smooth, *config.blend),
    "f:log": lambda config: Minimax(config.smooth),
    "f:identity": lambda config: GeneralF(lambda a: a),
    "wasserstein": lambda config: Wasserstein(),
    "least-squares": lambda config: LeastSquares(),
    "hinge": lambda config: Hinge(),
    "relativistic": lambda config: Relativistic(),
    "k-plus-one": lambda config: KPlusOne(),
    **{name: lambda config, found=found: found for name, found in DIVERGENCES.items()},  # type: ignore[misc]
}


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that `objective.name` names."""
    return OBJECTIVES[config.name](config)


def game_value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """V(D, G) = mean log D(x) + mean log(1 − D(G(z))), in nats; −log 4 at the equilibrium D = 1/2."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
