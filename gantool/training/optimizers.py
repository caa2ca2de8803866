"""The ways in which parameters move, weight decay, and the bound on a unit's incoming weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from gantool.config import PlayerOptimizer
from gantool.ops.momentum import momentum_step
from gantool.training.schedules import Rate

Tensors = dict[str, torch.Tensor]


class Optimizer(Protocol):
    """Applies gradients, in the parameters' order, and gives its state as named tensors."""

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None: ...

    def state(self) -> Tensors: ...

    def load_state(self, state: Tensors) -> None:
        """Copies a saved state in. KeyError or RuntimeError where names or shapes differ."""
        ...


class Momentum:
    """v ← μv − lr·g, p ← p + v (not Nesterov's), as in the released configuration.

    Not torch.optim.SGD, whose learning rate multiplies the whole buffer: there a decaying rate also rescales the past.
    """

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self.parameters = list(parameters)
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        staged = rate.tensor(self.parameters[0].device)
        for parameter, velocity, gradient in zip(self.parameters, self.velocities, gradients, strict=True):
            momentum_step(parameter, velocity, gradient, staged)

    def state(self) -> Tensors:
        return {f"velocity.{index}": v for index, v in enumerate(self.velocities)}

    def load_state(self, state: Tensors) -> None:
        for index, velocity in enumerate(self.velocities):
            velocity.copy_(state[f"velocity.{index}"])


class FromTorch:
    """An optimizer of torch's; the momentum of `Rate` is not used."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.parameters: list[torch.Tensor] = optimizer.param_groups[0]["params"]

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        self.optimizer.param_groups[0]["lr"] = rate.learning_rate
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> Tensors:
        per_parameter = self.optimizer.state_dict()["state"]
        return {f"{name}.{index}": value for index, entry in per_parameter.items() for name, value in entry.items()}

    def load_state(self, state: Tensors) -> None:
        saved = self.optimizer.state_dict()
        names = {key.rpartition(".")[0] for key in state}
        indices = range(len(self.parameters)) if state else ()  # before its first step it has none
        saved["state"] = {index: {name: state[f"{name}.{index}"] for name in names} for index in indices}
        self.optimizer.load_state_dict(saved)


class Around:
    """An optimizer with something done before or after its steps; its state is that of the `inner` one."""

    def __init__(self, inner: Optimizer) -> None:
        self.inner = inner

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        self.inner.step(gradients, rate)

    def state(self) -> Tensors:
        return self.inner.state()

    def load_state(self, state: Tensors) -> None:
        self.inner.load_state(state)


class WeightDecay(Around):
    """Gradients are those of the loss and ½·decay·‖p‖² of every parameter."""

    def __init__(self, inner: Optimizer, parameters: Sequence[torch.Tensor], decay: float) -> None:
        super().__init__(inner)
        self.parameters, self.decay = list(parameters), decay

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        pairs = zip(gradients, self.parameters, strict=True)
        self.inner.step([gradient + self.decay * parameter.detach() for gradient, parameter in pairs], rate)


class Optimistic(Around):
    """Parameters move by 2uₜ − uₜ₋₁, u being the inner optimizer's updates and u₋₁ = 0 (Daskalakis et al. 2018).

    Around Adam it is optimistic Adam.
    """

    def __init__(self, inner: Optimizer, parameters: Sequence[torch.Tensor]) -> None:
        super().__init__(inner)
        self.parameters = list(parameters)
        self.last = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        before = [parameter.detach().clone() for parameter in self.parameters]
        self.inner.step(gradients, rate)
        with torch.no_grad():
            for parameter, start, last in zip(self.parameters, before, self.last, strict=True):
                update = parameter - start
                parameter.add_(update - last)
                last.copy_(update)

    def state(self) -> Tensors:
        return {f"last_update.{index}": last for index, last in enumerate(self.last)} | self.inner.state()

    def load_state(self, state: Tensors) -> None:
        for index, last in enumerate(self.last):
            last.copy_(state[f"last_update.{index}"])
        self.inner.load_state({name: value for name, value in state.items() if not name.startswith("last_update.")})


class Clipped(Around):
    """Updates are followed by a bound on every parameter, as in the clipped Wasserstein GAN."""

    def __init__(self, inner: Optimizer, parameters: Sequence[torch.Tensor], limit: float) -> None:
        super().__init__(inner)
        self.parameters, self.limit = list(parameters), limit

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        self.inner.step(gradients, rate)
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.clamp_(-self.limit, self.limit)


class ColumnNormBound(Around):
    """Updates are followed by a bound on the norm of each unit's incoming weights.

    Weights have the units first, and maxout's their pieces second: [units, in], [units, pieces, in]; the weights of
    convolutions have [in, k, k] in the place of in. What follows, as one vector, is scaled back to the bound if it is
    longer (for maxout, each piece by itself, as in the released code). Biases are left alone.
    """

    def __init__(self, inner: Optimizer, bounds: Sequence[tuple[torch.Tensor, float]]) -> None:
        super().__init__(inner)
        self.bounds = list(bounds)

    def bound_of(self, parameter: torch.Tensor) -> float:
        """Infinite where there is none."""
        return next((bound for weight, bound in self.bounds if weight is parameter), math.inf)

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        self.inner.step(gradients, rate)
        with torch.no_grad():
            for weight, bound in self.bounds:
                incoming = tuple(range(1 if weight.ndim in (2, 4) else 2, weight.ndim))
                norms = torch.linalg.vector_norm(weight, dim=incoming, keepdim=True)
                weight.mul_((bound / norms).clamp_(max=1.0))


def _adam(parameters: Sequence[torch.Tensor], config: PlayerOptimizer) -> Optimizer:
    betas = (config.beta1, config.beta2)
    return FromTorch(torch.optim.Adam(list(parameters), lr=config.learning_rate, betas=betas))


def _rmsprop(parameters: Sequence[torch.Tensor], config: PlayerOptimizer) -> Optimizer:
    return FromTorch(torch.optim.RMSprop(list(parameters), lr=config.learning_rate, alpha=config.smoothing))


# Each kind that `optimizer.kind` may be.
KINDS: dict[str, Callable[[Sequence[torch.Tensor], PlayerOptimizer], Optimizer]] = {
    "momentum": lambda parameters, config: Momentum(parameters),
    "adam": _adam,
    "rmsprop": _rmsprop,
}


def inside(optimizer: Optimizer) -> Optimizer:
    """What moves the parameters, without a bound around it."""
    return optimizer.inner if isinstance(optimizer, ColumnNormBound) else optimizer


def name_of(optimizer: Optimizer) -> str:
    """What the optimizer is called, such as Adam."""
    while isinstance(optimizer, Around):
        optimizer = optimizer.inner
    return type(optimizer.optimizer if isinstance(optimizer, FromTorch) else optimizer).__name__


def build_optimizer(
    network: torch.nn.Module, config: PlayerOptimizer, optimistic: bool = False, clip: float | None = None
) -> Optimizer:
    """The optimizer that the configuration names, over all of a network's parameters.

    A layer's own `max_norm` stands over the configuration's `max_column_norm`. `clip` bounds every parameter.
    """
    parameters = list(network.parameters())
    moving = KINDS[config.kind](parameters, config)
    if config.weight_decay:
        moving = WeightDecay(moving, parameters, config.weight_decay)
    if optimistic:
        moving = Optimistic(moving, parameters)
    if bounds := _bounds(network, config.max_column_norm):
        moving = ColumnNormBound(moving, bounds)
    return moving if clip is None else Clipped(moving, parameters, clip)


def _bounds(network: torch.nn.Module, bound_of_all: float | None) -> list[tuple[torch.Tensor, float]]:
    """The weights that have a bound, with it."""
    own = {
        id(parameter): float(layer.max_norm)  # type: ignore[arg-type]  # a layer's, read as a plain attribute
        for layer in network.modules()
        if getattr(layer, "max_norm", None) is not None
        for parameter in layer.parameters()
    }
    return [
        (parameter, bound)
        for name, parameter in network.named_parameters()
        if name.endswith("weight") and parameter.ndim > 1
        if (bound := own.get(id(parameter), bound_of_all)) is not None
    ]
