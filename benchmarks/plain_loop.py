"""The rival of `gantool train`: the paper's MNIST pair in the PyTorch that one would write in an afternoon.

Nothing of gantool is imported but its MNIST reader. Same networks, dropout, losses, momentum and decay as the mnist
preset, in the two orders that matter; autograd, torch.nn and one optimizer class. It is timed against the tool by
`benchmarks/train_step.py`, and its scores say what to expect of the tool's.

    python benchmarks/plain_loop.py --epochs 20 --order alternating --out samples.npy
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from gantool.config import DataConfig
from gantool.data import load_dataset

BATCH, NOISE, PIXELS = 100, 100, 784


class PlainMaxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).view(-1, self.units, self.pieces).amax(2)


class Keep(nn.Module):
    def __init__(self, keep: float, scale: float) -> None:
        super().__init__()
        self.keep, self.scale = keep, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (torch.rand_like(x) < self.keep) * self.scale


def initialise(network: nn.Module, bound: float) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)


def build(mean: torch.Tensor) -> tuple[nn.Sequential, nn.Sequential]:
    generator = nn.Sequential(
        nn.Linear(NOISE, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, PIXELS), nn.Sigmoid()
    )
    discriminator = nn.Sequential(
        Keep(0.8, 1.25), PlainMaxout(PIXELS, 240, 5), Keep(0.5, 2.0), PlainMaxout(240, 240, 5), Keep(0.5, 2.0),
        nn.Linear(240, 1),
    )  # fmt: skip
    initialise(generator, 0.05)
    initialise(discriminator, 0.005)
    with torch.no_grad():
        generator[4].bias.copy_(torch.logit(mean.clamp(1e-7, 1 - 1e-7)))
    return generator, discriminator


class Momentum:
    def __init__(self, network: nn.Module) -> None:
        self.parameters = list(network.parameters())
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: tuple[torch.Tensor, ...], learning_rate: float, momentum: float) -> None:
        for p, v, g in zip(self.parameters, self.velocities, gradients, strict=True):
            v.mul_(momentum).sub_(g, alpha=learning_rate)
            p.add_(v)


class PlainLoop:
    """`step(real, t, epoch)` plays one iteration on a batch [100, 784] of pixels in [0, 1]."""

    def __init__(self, mean: torch.Tensor, order: str) -> None:
        self.generator, self.discriminator = build(mean)
        self.g_step, self.d_step = Momentum(self.generator), Momentum(self.discriminator)
        self.ones, self.zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
        self.step: Callable[[torch.Tensor, int, int], None] = getattr(self, order)

    def rates(self, t: int, epoch: int) -> tuple[float, float]:
        return max(0.1 / 1.000004**t, 1e-6), 0.5 + 0.2 * min((epoch - 1) / 249, 1.0)

    def noise(self) -> torch.Tensor:
        return (torch.rand(BATCH, NOISE) * 2 - 1) * math.sqrt(3)

    def alternating(self, real: torch.Tensor, t: int, epoch: int) -> None:
        rates = self.rates(t, epoch)
        fake = self.generator(self.noise()).detach()
        d_loss = 0.5 * (bce(self.discriminator(real), self.ones) + bce(self.discriminator(fake), self.zeros))
        self.d_step.step(torch.autograd.grad(d_loss, self.d_step.parameters), *rates)
        g_loss = bce(self.discriminator(self.generator(self.noise())), self.ones)
        self.g_step.step(torch.autograd.grad(g_loss, self.g_step.parameters), *rates)

    def simultaneous(self, real: torch.Tensor, t: int, epoch: int) -> None:
        rates = self.rates(t, epoch)
        judged = self.discriminator(self.generator(self.noise()))
        d_loss = 0.5 * (bce(self.discriminator(real), self.ones) + bce(judged, self.zeros))
        g_loss = bce(judged, self.ones)
        d_gradients = torch.autograd.grad(d_loss, self.d_step.parameters, retain_graph=True)
        g_gradients = torch.autograd.grad(g_loss, self.g_step.parameters)
        self.d_step.step(d_gradients, *rates)
        self.g_step.step(g_gradients, *rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--order", choices=("alternating", "simultaneous"), default="simultaneous")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="where to write 10,000 samples (.npy)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    pixels = load_dataset(DataConfig("mnist")).train.stored
    loop = PlainLoop(pixels.float().mean(0) / 255, options.order)
    started, per_epoch = time.perf_counter(), len(pixels) // BATCH
    for epoch in range(1, options.epochs + 1):
        order = torch.randperm(len(pixels))
        for i in range(per_epoch):
            real = pixels[order[i * BATCH : (i + 1) * BATCH]].float() / 255
            loop.step(real, (epoch - 1) * per_epoch + i, epoch)
        print(f"epoch {epoch}: {time.perf_counter() - started:.0f} s", flush=True)
    with torch.no_grad():
        z = (torch.rand(10_000, NOISE) * 2 - 1) * math.sqrt(3)
        np.save(options.out, loop.generator(z).numpy())


if __name__ == "__main__":
    main()
