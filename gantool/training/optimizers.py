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
        if state:
            names = {key.rpartition(".")[0] for key in state}
            indices = range(len(self.parameters))
            saved["state"] = {index: {name: state[f"{name}.{index}"] for name in names} for index in indices}
        self.optimizer.load_state_dict(saved)


class WeightDecay:
    """An optimizer whose gradients are those of the loss and ½·decay·‖p‖² of every parameter."""

    def __init__(self, inner: Optimizer, parameters: Sequence[torch.Tensor], decay: float) -> None:
        self.inner, self.parameters, self.decay = inner, list(parameters), decay

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        pairs = zip(gradients, self.parameters, strict=True)
        self.inner.step([gradient + self.decay * parameter.detach() for gradient, parameter in pairs], rate)

    def state(self) -> Tensors:
        return self.inner.state()

    def load_state(self, state: Tensors) -> None:
        self.inner.load_state(state)


class Clipped:
    """An optimizer whose updates are followed by a bound on every parameter, as in the clipped Wasserstein GAN."""

    def __init__(self, inner: Optimizer, parameters: Sequence[torch.Tensor], limit: float) -> None:
        self.inner, self.parameters, self.limit = inner, list(parameters), limit

    def step(self, gradients: Sequence[torch.Tensor], rate: Rate) -> None:
        self.inner.step(gradients, rate)
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.clamp_(-self.limit, self.limit)

    def state(self) -> Tensors:
        return self.inner.state()

    def load_state(self, state: Tensors) -> None:
        self.inner.load_state(state)


class ColumnNormBound:
    """An optimizer whose updates are followed by a bound on the norm of each unit's incoming weights.

    Weights have the units first, and maxout's their pieces second: [units, in], [units, pieces, in]; the weights of
    convolutions have [in, k, k] in the place of in. What follows, as one vector, is scaled back to the bound if it is
    longer (for maxout, each piece by itself, as in the released code). Biases are left alone.
    """

    def __init__(self, inner: Optimizer, bounds: Sequence[tuple[torch.Tensor, float]]) -> None:
        self.inner, self.bounds = inner, list(bounds)

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

    def state(self) -> Tensors:
        return self.inner.state()

    def load_state(self, state: Tensors) -> None:
        self.inner.load_state(state)


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
    inner = inside(optimizer)
    return type(inner.optimizer if isinstance(inner, FromTorch) else inner).__name__


def build_optimizer(network: torch.nn.Module, config: PlayerOptimizer) -> Optimizer:
    """The optimizer that the configuration names, over all of a network's parameters.

    A layer's own `max_norm` stands over the configuration's `max_column_norm`.
    """
    parameters = list(network.parameters())
    inner = KINDS[config.kind](parameters, config)
    if config.weight_decay:
        inner = WeightDecay(inner, parameters, config.weight_decay)
    own = {
        id(parameter): float(layer.max_norm)  # type: ignore[arg-type]  # a layer's, read as a plain attribute
        for layer in network.modules()
        if getattr(layer, "max_norm", None) is not None
        for parameter in layer.parameters()
    }
    bounds = [
        (parameter, bound)
        for name, parameter in network.named_parameters()
        if name.endswith("weight") and parameter.ndim > 1
        if (bound := own.get(id(parameter), config.max_column_norm)) is not None
    ]
    return ColumnNormBound(inner, bounds) if bounds else inner
