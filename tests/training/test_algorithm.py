"""One to three iterations of each update order against the protocol's arithmetic, written out in NumPy and float64.

The NumPy side knows the released configuration only: dropout by keep and scale, maxout, the two losses, momentum
v ← μv − lr·g, the decay of lr and the rise of μ. It shares nothing with the package but the random numbers, which it
draws by replaying the run's generator in the order in which each update order uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gantool.config import (
    DenseConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LayerConfig,
    MaxoutConfig,
    NoiseConfig,
    ObjectiveConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from gantool.data.dataset import Dataset, Split
from gantool.seeds import derive_seed
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.engines.dense import DenseEngine
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.state import TrainingState, build_state

Array = NDArray[np.float64]
BATCH, NOISE, DATA, SEED = 6, 5, 4, 3
KEEPS = ((0.8, 1.25), (0.5, 2.0), (0.5, 2.0))


def make_config(order: str, objective: str, k: int) -> RunConfig:
    generator = (
        DenseConfig("relu", units=7, init_range=0.5),
        DenseConfig("relu", units=6, init_range=0.5),
        DenseConfig("sigmoid", units=0, init_range=0.5, bias="data-logit"),
    )
    drops = [{"keep": keep, "keep_scale": scale} for keep, scale in KEEPS]
    discriminator: tuple[LayerConfig, ...] = (
        MaxoutConfig("maxout", units=3, pieces=2, init_range=0.5, **drops[0]),
        MaxoutConfig("maxout", units=4, pieces=3, init_range=0.5, **drops[1]),
        DenseConfig("sigmoid", units=1, init_range=0.5, **drops[2]),
    )
    return RunConfig(
        name="tiny",
        about="",
        generator=GeneratorConfig(generator),
        discriminator=DiscriminatorConfig(discriminator),
        noise=NoiseConfig("uniform", NOISE),
        optimizer=OptimizerConfig(
            learning_rate=0.3, decay=1.01, momentum=0.5, final_momentum=0.7, momentum_saturates=3
        ),
        objective=ObjectiveConfig(objective, blend=(0.7, 0.3)),
        training=TrainingConfig(order=order, k=k, batch_size=BATCH, seed=SEED),  # type: ignore[arg-type]
    )


def make_dataset() -> Dataset:
    rows = torch.rand(12, DATA, generator=torch.Generator().manual_seed(1))
    split = Split(rows, None)
    return Dataset("tiny", split, split, split, (DATA,), 1.0, "drawn for a test")


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


@dataclass
class NumpyPlayer:
    """Parameters and velocities, in the order weight, bias, weight, bias …"""

    parameters: list[Array]
    velocities: list[Array]

    @classmethod
    def copy_of(cls, network: torch.nn.Module) -> NumpyPlayer:
        parameters = [p.detach().numpy().copy() for p in network.parameters()]
        return cls(parameters, [np.zeros_like(p) for p in parameters])

    def step(self, gradients: list[Array], learning_rate: float, momentum: float) -> None:
        for p, v, g in zip(self.parameters, self.velocities, gradients, strict=True):
            v *= momentum
            v -= learning_rate * g
            p += v


def generator_forward(p: list[Array], z: Array) -> tuple[Array, list[Array]]:
    h1 = np.maximum(z @ p[0].T + p[1], 0)
    h2 = np.maximum(h1 @ p[2].T + p[3], 0)
    x = sigmoid(h2 @ p[4].T + p[5])
    return x, [z, h1, h2, x]


def generator_backward(p: list[Array], kept: list[Array], grad_x: Array) -> list[Array]:
    z, h1, h2, x = kept
    d3 = grad_x * x * (1 - x)
    d2 = (d3 @ p[4]) * (h2 > 0)
    d1 = (d2 @ p[2]) * (h1 > 0)
    return [d1.T @ z, d1.sum(0), d2.T @ h1, d2.sum(0), d3.T @ h2, d3.sum(0)]


def maxout_forward(x: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    pieces = np.einsum("bi,upi->bup", x, weight) + bias
    return pieces.max(2), pieces.argmax(2)


def maxout_backward(x: Array, weight: Array, winner: Array, grad: Array) -> tuple[Array, Array, Array]:
    spread = np.zeros((*winner.shape, weight.shape[1]))
    np.put_along_axis(spread, winner[:, :, None], grad[:, :, None], axis=2)
    return (
        np.einsum("bup,upi->bi", spread, weight),
        np.einsum("bup,bi->upi", spread, x),
        spread.sum(0),
    )


def discriminator_forward(p: list[Array], x: Array, masks: list[Array]) -> tuple[Array, list[Array]]:
    i1 = x * masks[0]
    h1, w1 = maxout_forward(i1, p[0], p[1])
    i2 = h1 * masks[1]
    h2, w2 = maxout_forward(i2, p[2], p[3])
    i3 = h2 * masks[2]
    return (i3 @ p[4].T + p[5])[:, 0], [i1, w1, i2, w2, i3, *masks]


def discriminator_backward(p: list[Array], kept: list[Array], grad: Array) -> tuple[list[Array], Array]:
    i1, w1, i2, w2, i3, m1, m2, m3 = kept
    d3 = grad[:, None]
    g2, gw2, gb2 = maxout_backward(i2, p[2], w2, (d3 @ p[4]) * m3)
    g1, gw1, gb1 = maxout_backward(i1, p[0], w1, g2 * m2)
    return [gw1, gb1, gw2, gb2, d3.T @ i3, d3.sum(0)], g1 * m1


class NumpyGame:
    """The protocol's iterations on copies of a game's parameters."""

    def __init__(self, state: TrainingState, config: RunConfig) -> None:
        self.config = config
        self.rng = torch.Generator().manual_seed(derive_seed(SEED, "training"))
        self.draw_batch = state.game.draw_batch
        self.generator = NumpyPlayer.copy_of(state.game.generator.network)
        self.discriminator = NumpyPlayer.copy_of(state.game.discriminator.network)

    def noise(self) -> Array:
        z = torch.empty(BATCH, NOISE, dtype=torch.float64).uniform_(-(3**0.5), 3**0.5, generator=self.rng)
        return z.numpy()

    def masks(self, rows: int) -> list[Array]:
        """Each element is kept where its 16 bits, as a number from 0 to 65535, lie below keep · 65536."""
        masks = []
        for width, (keep, scale) in zip((DATA, 3, 4), KEEPS, strict=True):
            words = torch.empty(-(-rows * width // 4), dtype=torch.int64).random_(-(2**63), None, generator=self.rng)
            levels = words.numpy().view(np.int16)[: rows * width].reshape(rows, width).astype(int) + 32768
            masks.append((levels < round(keep * 65536)) * scale)
        return masks

    def discriminator_gradients(self, real: Array, fake: Array, masks: list[Array]) -> list[Array]:
        """Of 0.5·[BCE(1, D(x)) + BCE(0, D(G(z)))], whose derivative by the logit is D − 1 and D."""
        logits, kept = discriminator_forward(self.discriminator.parameters, np.concatenate([real, fake]), masks)
        grad = 0.5 / BATCH * np.concatenate([sigmoid(logits[:BATCH]) - 1, sigmoid(logits[BATCH:])])
        return discriminator_backward(self.discriminator.parameters, kept, grad)[0]

    def generator_gradients(self, kept_generator: list[Array], fake: Array, masks: list[Array]) -> list[Array]:
        """non-saturating: d(−log D)/dl = D − 1; minimax: d log(1 − D)/dl = −D; blend: 0.3 and 0.7 of them."""
        logits, kept = discriminator_forward(self.discriminator.parameters, fake, masks)
        share = {"non-saturating": 0.0, "minimax": 1.0, "blend": 0.3}[self.config.objective.name]
        grad = (share * -sigmoid(logits) + (1 - share) * (sigmoid(logits) - 1)) / BATCH
        grad_x = discriminator_backward(self.discriminator.parameters, kept, grad)[1]
        return generator_backward(self.generator.parameters, kept_generator, grad_x)

    def play(self, step: int) -> None:
        training = self.config.training
        epoch = step * training.k // 2 + 1  # 12 rows make two batches of 6
        learning_rate = 0.3 / 1.01**step
        momentum = min(0.5 + 0.2 * (epoch - 1) / 2, 0.7)
        getattr(self, training.order.replace("-", "_"))(step, (learning_rate, momentum))

    def alternating(self, step: int, rates: tuple[float, float]) -> None:
        k = self.config.training.k
        for j in range(k):
            real = self.draw_batch(step * k + j).rows.numpy()
            fake, _ = generator_forward(self.generator.parameters, self.noise())
            self.discriminator.step(self.discriminator_gradients(real, fake, self.masks(2 * BATCH)), *rates)
        fake, kept = generator_forward(self.generator.parameters, self.noise())
        self.generator.step(self.generator_gradients(kept, fake, self.masks(BATCH)), *rates)

    def simultaneous(self, step: int, rates: tuple[float, float]) -> None:
        k = self.config.training.k
        for j in range(k - 1):
            real = self.draw_batch(step * k + j).rows.numpy()
            fake, _ = generator_forward(self.generator.parameters, self.noise())
            self.discriminator.step(self.discriminator_gradients(real, fake, self.masks(2 * BATCH)), *rates)
        real = self.draw_batch(step * k + k - 1).rows.numpy()
        fake, kept = generator_forward(self.generator.parameters, self.noise())
        on_real, on_fake = self.masks(BATCH), self.masks(BATCH)
        both = [np.concatenate(pair) for pair in zip(on_real, on_fake, strict=True)]
        discriminator = self.discriminator_gradients(real, fake, both)
        generator = self.generator_gradients(kept, fake, on_fake)
        self.discriminator.step(discriminator, *rates)
        self.generator.step(generator, *rates)

    def generator_first(self, step: int, rates: tuple[float, float]) -> None:
        real, z = self.draw_batch(step).rows.numpy(), self.noise()
        fake, kept = generator_forward(self.generator.parameters, z)
        self.generator.step(self.generator_gradients(kept, fake, self.masks(BATCH)), *rates)
        fake, _ = generator_forward(self.generator.parameters, z)
        self.discriminator.step(self.discriminator_gradients(real, fake, self.masks(2 * BATCH)), *rates)


CASES = [
    ("alternating", "non-saturating", 1),
    ("alternating", "minimax", 1),
    ("alternating", "blend", 1),
    ("alternating", "non-saturating", 3),
    ("simultaneous", "non-saturating", 1),
    ("simultaneous", "minimax", 1),
    ("simultaneous", "non-saturating", 3),
    ("generator-first", "non-saturating", 1),
    ("generator-first", "blend", 1),
]


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("way", ["plain", "fused"])
@pytest.mark.parametrize(("order", "objective", "k"), CASES)
def test_iterations_match_numpy_in_float64(order: str, objective: str, k: int, way: str, steps: int) -> None:
    config = make_config(order, objective, k)
    state = build_state(config, make_dataset(), torch.device("cpu"), torch.float64)
    expected = NumpyGame(state, config)
    before = [p.detach().clone() for p in state.game.generator.network.parameters()]
    dense = DenseEngine([state.game], torch.float64)
    for step in range(steps):
        rates = rates_at(config.optimizer, step, state.epoch_at(step))
        if way == "fused":
            ORDERS[order](dense, step, rates.tensor(dense.device))
        else:
            ORDERS[order](AutogradEngine(state.game), step, rates)
        expected.play(step)
    for player, numpy_player in (
        (state.game.generator, expected.generator),
        (state.game.discriminator, expected.discriminator),
    ):
        for tensor, array in zip(player.network.parameters(), numpy_player.parameters, strict=True):
            np.testing.assert_allclose(tensor.detach().numpy(), array, rtol=1e-11, atol=1e-13)
        for tensor, array in zip(player.optimizer.state().values(), numpy_player.velocities, strict=True):
            np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-10, atol=1e-13)
    moved = zip(before, state.game.generator.network.parameters(), strict=True)
    assert all(not torch.equal(old, new) for old, new in moved)


def test_output_bias_is_the_logit_of_the_pixel_means() -> None:
    config = make_config("alternating", "minimax", 1)
    dataset = make_dataset()
    state = build_state(config, dataset, torch.device("cpu"), torch.float64)
    mean = dataset.train.stored.double().numpy().mean(0)
    bias = state.game.generator.network.layers[-1].affine.bias.detach().numpy()
    # The bias is a float32 parameter when drawn: half an ulp of values of about 1.
    np.testing.assert_allclose(bias, np.log(mean / (1 - mean)), rtol=1e-7, atol=6e-8)


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    config = make_config("alternating", "minimax", 1)
    other = replace(config, training=replace(config.training, seed=SEED + 1))
    first, again, third = (
        build_state(c, make_dataset(), torch.device("cpu")).game.generator.network.layers[0].affine.weight
        for c in (config, config, other)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, third)
