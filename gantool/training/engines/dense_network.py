"""A network's forward and backward pass written out by hand, for the dense engine.

Weights are kept in the compute type (bfloat16 beside float32 masters, or the masters themselves), and nothing is
computed that no update reads: a network's first layer has no input gradient unless it is asked for, and one backward
pass through the discriminator serves both players.

R networks of one configuration, the replicas' own, are one here: rows are [R, B, …], weights [R, …], and each product
is a batched one. A network by itself has no such axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantool.native import load as native
from gantool.nn.dense import DenseParts
from gantool.nn.weighted import activation
from gantool.ops.momentum import momentum_step
from gantool.training.game import Player
from gantool.training.optimizers import ColumnNormBound, Momentum, Optimizer, inside
from gantool.training.schedules import Rate


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

    def move(self, rates: Tensor) -> None:
        assert self.velocity is not None
        momentum_step(self.master, self.velocity, self.gradient, rates, bound=self.bound, copy=self.copy)


class WrittenLayer:
    """Dropout, an affine map or maxout, an activation; keeps what its backward pass reads."""

    def __init__(self, parts: DenseParts, weight: _Parameter, bias: _Parameter) -> None:
        self.dropout, self.weight, self.bias, self.activation = parts.dropout, weight, bias, parts.activation
        self.activate = activation(parts.activation)
        self.is_maxout = parts.weight.ndim == 3
        self.compiled = not native.missing(weight.working.device) and weight.working.dtype != torch.float64

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[…, B, in] → […, B, units]."""
        self.mask = mask
        self.x = x if mask is None else x * mask
        weight, bias = self.weight.working, self.bias.working
        if not self.is_maxout:
            self.y = self.activate(_affine(self.x, weight, bias))
        elif self.compiled:
            self.y, self.winner = _for_each_replica(torch.ops.gantool.maxout_forward, self.x, weight, bias)
        else:
            pieces = _affine(self.x, weight.flatten(-3, -2), bias.flatten(-2))
            self.y, winner = pieces.view(*pieces.shape[:-1], *bias.shape[-2:]).max(dim=-1)
            self.winner = winner.to(torch.uint8)
        return self.y

    def backward(self, grad: Tensor, scale: Tensor | None, inputs: slice | None, train: bool) -> Tensor | None:
        """Takes the gradient of each row's own output […, B, units] through the layer.

        With `train` the parameters' gradients are kept, of the rows' outputs weighted by `scale` ([…, B, 1]; None: 1).
        Returns the gradient of the layer's inputs for the rows `inputs`, unweighted; None where `inputs` is None.
        """
        grad = self._through_activation(grad)
        if train:
            self._keep_gradients(grad if scale is None else grad * scale)
        if inputs is None:
            return None
        rows = self._input_gradient(grad, inputs)
        return rows if self.mask is None else rows * self.mask[..., inputs, :]

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
            self.weight.gradient, self.bias.gradient = grad.mT @ self.x, grad.sum(dim=-2)
        elif self.compiled:

            def gradients(grad: Tensor, winner: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
                found = torch.ops.gantool.maxout_backward(grad, winner, x, weight, False, True, True)
                return found[1], found[2]

            found = _for_each_replica(gradients, grad, self.winner, self.x, self.weight.working)
            self.weight.gradient, self.bias.gradient = found
        else:
            scattered = self._scatter(grad, slice(None))
            self.weight.gradient = (scattered.mT @ self.x).view_as(self.weight.working)
            self.bias.gradient = scattered.sum(dim=-2).view_as(self.bias.working)

    def _input_gradient(self, grad: Tensor, rows: slice) -> Tensor:
        weight = self.weight.working
        if not self.is_maxout:
            return grad[..., rows, :] @ weight
        if self.compiled:

            def gradient(grad: Tensor, winner: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
                found = torch.ops.gantool.maxout_backward(grad[rows], winner[rows], x[rows], weight, True, False, False)
                return (found[0],)

            return _for_each_replica(gradient, grad, self.winner, self.x, weight)[0]
        return self._scatter(grad, rows) @ weight.flatten(-3, -2)

    def _scatter(self, grad: Tensor, rows: slice) -> Tensor:
        """The gradient of the pieces […, B, U·P]: the unit's at its winner, 0 elsewhere."""
        part, winner = grad[..., rows, :], self.winner[..., rows, :].long()
        pieces = part.new_zeros(*part.shape, self.bias.working.shape[-1])
        return pieces.scatter_(-1, winner[..., None], part[..., None]).flatten(-2)


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x Wᵀ + b: [B, in] and [units, in] → [B, units], each with the replicas' axis or without."""
    if x.ndim == 2:
        return torch.addmm(bias, x, weight.T)
    return torch.baddbmm(bias[:, None], x, weight.mT)


def _for_each_replica(kernel: Callable[..., tuple[Tensor, ...]], *arguments: Tensor) -> tuple[Tensor, ...]:
    """The results of a kernel that knows no replicas' axis, along that axis where the arguments have one."""
    if arguments[0].ndim == 2:
        return kernel(*arguments)
    results = [kernel(*parts) for parts in zip(*arguments, strict=True)]
    return tuple(torch.stack(parts) for parts in zip(*results, strict=True))


class DenseNetwork:
    """The players' layers, in the compute type, over the players' own parameters and velocities.

    Of several players those are moved into tensors with a leading axis, and remain views of them.
    """

    def __init__(self, players: Sequence[Player], dtype: torch.dtype) -> None:
        self.optimizers = [player.optimizer for player in players]
        velocities = [_velocities(optimizer) for optimizer in self.optimizers]

        def joined(own: Sequence[torch.nn.Parameter]) -> _Parameter:
            bounded = self.optimizers[0]
            bound = bounded.bound_of(own[0]) if isinstance(bounded, ColumnNormBound) else math.inf
            moving = [found[id(parameter)] for found, parameter in zip(velocities, own, strict=True) if found]
            master = _in_one([parameter.detach() for parameter in own], own)
            velocity = _in_one(moving, moving) if moving else None
            return _Parameter(master, velocity, master.to(dtype), bound, torch.empty(0, device=master.device))

        stacks = [player.network.dense_layers() for player in players]  # type: ignore[operator]  # why_not_dense looked
        self.layers = [
            WrittenLayer(
                layers[0],
                joined([layer.weight for layer in layers]),
                joined([layer.bias for layer in layers]),
            )
            for layers in zip(*stacks, strict=True)
        ]

    def draw_masks(self, rows: int, rngs: Sequence[torch.Generator]) -> list[Tensor | None]:
        """A mask for each layer that has dropout, from each player's rng in the order in which its layers draw."""
        return [_masks(layer, rows, rngs) for layer in self.layers]

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

    def move(self, rates: Tensor) -> None:
        """One update of every parameter from the gradients that the last backward pass kept: momentum in a single pass
        over memory, another optimizer by its own step. `rates` [2]: learning rate and momentum."""
        parameters = self._parameters()
        if parameters[0].velocity is not None:
            for parameter in parameters:
                parameter.move(rates)
            return
        for index, optimizer in enumerate(self.optimizers):
            several = len(self.optimizers) > 1
            own = [p.gradient[index] if several else p.gradient for p in parameters]
            gradients = [grad.to(p.master.dtype) for grad, p in zip(own, parameters, strict=True)]
            optimizer.step(gradients, Rate(*rates.tolist()))  # synchronises with the device
        self.round_copies()

    def round_copies(self) -> None:
        """Brings the parameters in the compute type up to date with their masters."""
        for parameter in self._parameters():
            if parameter.copy is not None:
                parameter.copy.copy_(parameter.master)

    def _parameters(self) -> list[_Parameter]:
        return [parameter for layer in self.layers for parameter in (layer.weight, layer.bias)]


def _velocities(optimizer: Optimizer) -> dict[int, Tensor]:
    """Each parameter's velocity by the parameter's id; nothing where another optimizer moves them."""
    inner = inside(optimizer)
    if not isinstance(inner, Momentum):
        return {}
    return dict(zip(map(id, inner.parameters), inner.velocities, strict=True))


def _in_one(values: Sequence[Tensor], owners: Sequence[Tensor]) -> Tensor:
    """One tensor of all values, whose parts the owners become; the only value itself."""
    if len(values) == 1:
        return values[0]
    joined = torch.stack(list(values))
    for owner, part in zip(owners, joined, strict=True):
        owner.data = part
    return joined


def _masks(layer: WrittenLayer, rows: int, rngs: Sequence[torch.Generator]) -> Tensor | None:
    if layer.dropout is None:
        return None
    weight = layer.weight.working
    shape = (rows, weight.shape[-1])
    masks = [layer.dropout.mask(shape, weight.dtype, rng, weight.device) for rng in rngs]
    return masks[0] if len(masks) == 1 else torch.stack(masks)
