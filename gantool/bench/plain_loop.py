"""The rival of `gantool train`: a run's two networks in the PyTorch that one would write in an afternoon.

Nothing of gantool is used but the configuration. Same layers, noise, dropout, losses, optimizer and decay, in the two
orders that matter, k = 1 and non-saturating (see `unknown`); autograd, torch.nn and a few lines for each optimizer.
`gantool bench train` times it against the tool, and `benchmarks/plain_loop.py` trains with it, so that its scores say
what to expect of the tool's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from gantool.config import DenseConfig, LayerConfig, MaxoutConfig, NetworkConfig, RunConfig

ORDERS = ("simultaneous", "alternating")
_ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "linear": nn.Identity}
_KINDS = (*_ACTIVATIONS, "maxout")


class PlainMaxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        pieces: Tensor = self.linear(x)
        return pieces.view(-1, self.units, self.pieces).amax(2)


class Keep(nn.Module):
    def __init__(self, keep: float, scale: float) -> None:
        super().__init__()
        self.keep, self.scale = keep, scale

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) < self.keep) * self.scale


def unknown(config: RunConfig) -> str:
    """What of a run this loop does not know, in a clause; "" where it knows all."""
    training = config.training
    if training.order not in ORDERS or training.k > 1:
        return "the plain loop knows the two common orders only, with k = 1"
    if config.objective.name != "non-saturating" or config.optimizer.max_column_norm is not None:
        return "the plain loop knows the non-saturating objective only, and no bound on column norms"
    layers = (*config.generator.layers, *config.discriminator.layers)
    if not all(isinstance(layer, (DenseConfig, MaxoutConfig)) for layer in layers):
        return "the plain loop knows fully connected layers only"
    if any(_is_more(layer) for layer in layers):
        return "the plain loop knows the released layers only: drawn by a range, with a bias, without norms"
    if config.optimizer.generator or config.optimizer.discriminator:
        return "the plain loop knows one optimizer for both players only"
    if config.noise.distribution == "spherical":
        return "the plain loop knows uniform and Gaussian noise only"
    return ""


def _is_more(layer: LayerConfig) -> bool:
    assert isinstance(layer, (DenseConfig, MaxoutConfig))
    own = (layer.init_std, layer.sparse, layer.max_norm)
    return own != (None, None, None) or layer.norm != "none" or layer.bias == "none" or layer.kind not in _KINDS


def build(config: NetworkConfig, inputs: int, dimension: int, *, logit: bool) -> nn.Sequential:
    """The network; with `logit` its last activation is left out."""
    layers: list[nn.Module] = []
    for layer in config.layers:
        assert isinstance(layer, (DenseConfig, MaxoutConfig)), "see `unknown`"
        units = layer.units or dimension
        if layer.keep < 1 or layer.keep_scale != 1:
            layers.append(Keep(layer.keep, layer.keep_scale))
        linear = _affine(layer, inputs, units)
        for weight in linear.parameters():
            if weight.ndim > 1:
                nn.init.uniform_(weight, -layer.init_range, layer.init_range)
            else:
                nn.init.constant_(weight, 0.0 if isinstance(layer.bias, str) else layer.bias)
        layers.append(linear)
        if layer.kind != "maxout" and not (logit and layer is config.layers[-1]):
            layers.append(_ACTIVATIONS[layer.kind]())
        inputs = units
    return nn.Sequential(*layers)


def _affine(layer: DenseConfig | MaxoutConfig, inputs: int, units: int) -> nn.Module:
    if isinstance(layer, MaxoutConfig):
        return PlainMaxout(inputs, units, layer.pieces)
    return nn.Linear(inputs, units)


class Momentum:
    def __init__(self, network: nn.Module) -> None:
        self.parameters = list(network.parameters())
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: tuple[Tensor, ...], learning_rate: float, momentum: float) -> None:
        for p, v, g in zip(self.parameters, self.velocities, gradients, strict=True):
            v.mul_(momentum).sub_(g, alpha=learning_rate)
            p.add_(v)


class Adam:
    def __init__(self, network: nn.Module, betas: tuple[float, float]) -> None:
        self.parameters = list(network.parameters())
        self.adam = torch.optim.Adam(self.parameters, betas=betas)

    def step(self, gradients: tuple[Tensor, ...], learning_rate: float, momentum: float) -> None:
        self.adam.param_groups[0]["lr"] = learning_rate
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad = g
        self.adam.step()


class PlainLoop:
    """`step(real, t, epoch)` plays one iteration on a batch [B, D] of values."""

    def __init__(self, config: RunConfig, mean: Tensor, *, autocast: bool = False, compiled: bool = False) -> None:
        self.config, self.autocast = config, autocast
        batch = config.training.batch_size
        self.generator = build(config.generator, config.noise.dimension, len(mean), logit=False)
        self.discriminator = build(config.discriminator, len(mean), len(mean), logit=True)
        if getattr(config.generator.layers[-1], "bias", None) == "data-logit":
            last = [layer for layer in self.generator if isinstance(layer, nn.Linear)][-1]
            last.bias.data.copy_(torch.logit(mean.clamp(1e-7, 1 - 1e-7)))
        self.generator.to(mean.device)
        self.discriminator.to(mean.device)
        self.g_step, self.d_step = (self.optimizer(network) for network in (self.generator, self.discriminator))
        self.ones, self.zeros = torch.ones(batch, 1).to(mean.device), torch.zeros(batch, 1).to(mean.device)
        self.generate: Callable[[Tensor], Tensor] = self.generator
        self.judge: Callable[[Tensor], Tensor] = self.discriminator
        if compiled:
            self.generate, self.judge = torch.compile(self.generator), torch.compile(self.discriminator)

    def optimizer(self, network: nn.Module) -> Momentum | Adam:
        given = self.config.optimizer
        return Momentum(network) if given.kind == "momentum" else Adam(network, (given.beta1, given.beta2))

    def rates(self, t: int, epoch: int) -> tuple[float, float]:
        given = self.config.optimizer
        share = min((epoch - 1) / max(given.momentum_saturates - 1, 1), 1.0)
        momentum = given.momentum + (given.final_momentum - given.momentum) * share
        return max(given.learning_rate / given.decay**t, given.min_learning_rate), momentum

    def noise(self, count: int) -> Tensor:
        if self.config.noise.distribution == "gaussian":
            return torch.randn(count, self.config.noise.dimension, device=self.ones.device)
        return (torch.rand(count, self.config.noise.dimension, device=self.ones.device) * 2 - 1) * math.sqrt(3)

    def step(self, real: Tensor, t: int, epoch: int) -> None:
        play = self.alternating if self.config.training.order == "alternating" else self.simultaneous
        # No cache: it would keep the rounded copies of weights that move within the iteration.
        with torch.autocast(real.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            play(real, self.rates(t, epoch))

    def alternating(self, real: Tensor, rates: tuple[float, float]) -> None:
        fake = self.generate(self.noise(len(real))).detach()
        d_loss = 0.5 * (bce(self.judge(real), self.ones) + bce(self.judge(fake), self.zeros))
        self.d_step.step(torch.autograd.grad(d_loss, self.d_step.parameters), *rates)
        g_loss = bce(self.judge(self.generate(self.noise(len(real)))), self.ones)
        self.g_step.step(torch.autograd.grad(g_loss, self.g_step.parameters), *rates)

    def simultaneous(self, real: Tensor, rates: tuple[float, float]) -> None:
        judged = self.judge(self.generate(self.noise(len(real))))
        d_loss = 0.5 * (bce(self.judge(real), self.ones) + bce(judged, self.zeros))
        g_loss = bce(judged, self.ones)
        d_gradients = torch.autograd.grad(d_loss, self.d_step.parameters, retain_graph=True)
        g_gradients = torch.autograd.grad(g_loss, self.g_step.parameters)
        self.d_step.step(d_gradients, *rates)
        self.g_step.step(g_gradients, *rates)
