"""A network's forward and backward pass written out by hand, for the fused step.

Weights are kept in the compute type (bfloat16 beside float32 masters, or the masters themselves), and nothing is
computed that no update reads: a network's first layer has no input gradient unless it is asked for, and one backward
pass through the discriminator serves both players.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantool.models.networks import ACTIVATIONS, DenseLayer, Discriminator, Generator
from gantool.nn import Maxout
from gantool.ops import native
from gantool.ops.momentum import momentum_step
from gantool.training.optimizers import ColumnNormBound, Momentum, Optimizer
from gantool.training.schedules import Rates


@dataclass
class _Parameter:
    """A parameter's master, its velocity where momentum moves it, itself in the compute type (the master where that is
    the same), and its newest gradient."""

    master: Tensor
    velocity: Tensor | None
    working: Tensor
    bound: float
    gradient: Tensor

    @property
    def copy(self) -> Tensor | None:
        """The rounded copy, where there is one."""
        return None if self.working.dtype == self.master.dtype else self.working

    def move(self, rates: Rates) -> None:
        assert self.velocity is not None
        momentum_step(
            self.master,
            self.velocity,
            self.gradient,
            rate=rates.learning_rate,
            momentum=rates.momentum,
            bound=self.bound,
            copy=self.copy,
        )


class FusedLayer:
    """Dropout, an affine map or maxout, an activation; keeps what its backward pass reads."""

    def __init__(self, layer: DenseLayer, weight: _Parameter, bias: _Parameter, activation: str) -> None:
        self.dropout, self.weight, self.bias, self.activation = layer.dropout, weight, bias, activation
        self.is_maxout = isinstance(layer.affine, Maxout)
        self.compiled = native.CPU.loaded and weight.working.dtype != torch.float64

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, in] → [B, units]."""
        self.mask = mask
        self.x = x if mask is None else x * mask
        weight, bias = self.weight.working, self.bias.working
        if not self.is_maxout:
            affine = torch.addmm(bias, self.x, weight.T)
            self.y = ACTIVATIONS[self.activation](affine)
        elif self.compiled:
            self.y, self.winner = torch.ops.gantool.maxout_forward(self.x, weight, bias)
        else:
            pieces = torch.addmm(bias.flatten(), self.x, weight.flatten(0, 1).T).view(len(x), *bias.shape)
            self.y, winner = pieces.max(dim=2)
            self.winner = winner.to(torch.uint8)
        return self.y

    def backward(self, grad: Tensor, scale: Tensor | None, inputs: slice | None, train: bool) -> Tensor | None:
        """Takes the gradient of each row's own output [B, units] through the layer.

        With `train` the parameters' gradients are kept, of the rows' outputs weighted by `scale` ([B, 1]; None: 1).
        Returns the gradient of the layer's inputs for the rows `inputs`, unweighted; None where `inputs` is None.
        """
        grad = self._through_activation(grad)
        if train:
            self._keep_gradients(grad if scale is None else grad * scale)
        if inputs is None:
            return None
        rows = self._input_gradient(grad, inputs)
        return rows if self.mask is None else rows * self.mask[inputs]

    def _through_activation(self, grad: Tensor) -> Tensor:
        below: Tensor = grad
        if self.activation == "relu":
            below = torch.ops.aten.threshold_backward(grad, self.y, 0.0)
        elif self.activation == "sigmoid":
            below = torch.ops.aten.sigmoid_backward(grad, self.y)
        elif self.activation == "tanh":
            below = torch.ops.aten.tanh_backward(grad, self.y)
        return below

    def _keep_gradients(self, grad: Tensor) -> None:
        if not self.is_maxout:
            self.weight.gradient, self.bias.gradient = grad.T @ self.x, grad.sum(dim=0)
        elif self.compiled:
            weight = self.weight.working
            found = torch.ops.gantool.maxout_backward(grad, self.winner, self.x, weight, False, True, True)
            self.weight.gradient, self.bias.gradient = found[1:]
        else:
            scattered = self._scatter(grad, slice(None))
            self.weight.gradient = (scattered.T @ self.x).view_as(self.weight.working)
            self.bias.gradient = scattered.sum(dim=0).view_as(self.bias.working)

    def _input_gradient(self, grad: Tensor, rows: slice) -> Tensor:
        weight = self.weight.working
        if not self.is_maxout:
            return grad[rows] @ weight
        if self.compiled:
            x, winner = self.x[rows], self.winner[rows]
            found: Tensor = torch.ops.gantool.maxout_backward(grad[rows], winner, x, weight, True, False, False)[0]
            return found
        return self._scatter(grad, rows) @ weight.flatten(0, 1)

    def _scatter(self, grad: Tensor, rows: slice) -> Tensor:
        """The gradient of the pieces [B, U·P]: the unit's at its winner, 0 elsewhere."""
        part, winner = grad[rows], self.winner[rows].long()
        pieces = part.new_zeros(*part.shape, self.bias.working.shape[1])
        return pieces.scatter_(2, winner[:, :, None], part[:, :, None]).flatten(1)


class FusedNetwork:
    """A player's layers, in the compute type, over the player's own parameters and velocities."""

    def __init__(self, network: Generator | Discriminator, optimizer: Optimizer, dtype: torch.dtype) -> None:
        self.optimizer = optimizer
        inner = optimizer.inner if isinstance(optimizer, ColumnNormBound) else optimizer
        bound = optimizer.bound if isinstance(optimizer, ColumnNormBound) else math.inf
        velocities: dict[int, Tensor] = {}
        if isinstance(inner, Momentum):
            velocities = dict(zip(map(id, inner.parameters), inner.velocities, strict=True))
        self.layers: list[FusedLayer] = []
        for layer in network.layers:
            assert isinstance(layer, DenseLayer)
            of = dict(layer.affine.named_parameters())
            weight = _parameter(of["weight"], velocities.get(id(of["weight"])), bound, dtype)
            bias = _parameter(of["bias"], velocities.get(id(of["bias"])), math.inf, dtype)
            is_logit = isinstance(network, Discriminator) and len(self.layers) == len(network.layers) - 1
            self.layers.append(FusedLayer(layer, weight, bias, "linear" if is_logit else layer.activation))

    def draw_masks(self, rows: int, rng: torch.Generator) -> list[Tensor | None]:
        """A mask for each layer that has dropout, in the order in which the layers themselves would draw them."""
        return [
            layer.dropout.mask(
                (rows, layer.weight.working.shape[-1]), layer.weight.working.dtype, rng, layer.weight.working.device
            )
            if layer.dropout
            else None
            for layer in self.layers
        ]

    def forward(self, x: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        for layer, mask in zip(self.layers, masks, strict=True):
            x = layer.forward(x, mask)
        return x

    def backward(
        self, grad: Tensor, *, scale: Tensor | None = None, inputs: slice | None = None, train: bool = True
    ) -> Tensor | None:
        """Every layer's backward pass, from the last to the first; `inputs` and the result are the first layer's."""
        for layer in reversed(self.layers[1:]):
            below = layer.backward(grad, scale, slice(None), train)
            assert below is not None
            grad = below
        return self.layers[0].backward(grad, scale, inputs, train)

    def move(self, rates: Rates) -> None:
        """One update of every parameter from the gradients that the last backward pass kept: momentum in a single pass
        over memory, another optimizer by its own step."""
        parameters = [parameter for layer in self.layers for parameter in (layer.weight, layer.bias)]
        if parameters[0].velocity is not None:
            for parameter in parameters:
                parameter.move(rates)
            return
        self.optimizer.step([p.gradient.to(p.master.dtype) for p in parameters], rates)
        for p in parameters:
            if p.copy is not None:
                p.copy.copy_(p.master)


def _parameter(parameter: Tensor, velocity: Tensor | None, bound: float, dtype: torch.dtype) -> _Parameter:
    master = parameter.detach()
    return _Parameter(master, velocity, master.to(dtype), bound, torch.empty(0))
