"""Each kind of layer against NumPy loops in float64, and initial weights by their law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from nn.making import make, values
from numpy.typing import NDArray

from gantool.config.layers import Shape
from gantool.nn import MaxoutConv2d

Array = NDArray[np.float64]


def fill(layer: Any, seed: int = 2) -> None:
    """Gives the bias values that differ from each other."""
    with torch.no_grad():
        layer.affine.bias.copy_(values(*layer.affine.bias.shape, seed=seed))


def convolved(x: Array, weight: Array, stride: int, padding: int) -> Array:
    """[C, H, W] and [O, C, k, k] → [O, H', W'], by the definition."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[-1]
    sides = [(side - k) // stride + 1 for side in x.shape[1:]]
    y = np.zeros((len(weight), *sides))
    for o, i, j in np.ndindex(*y.shape):
        y[o, i, j] = (x[:, i * stride : i * stride + k, j * stride : j * stride + k] * weight[o]).sum()
    return y


def transposed(x: Array, weight: Array, stride: int, padding: int, extra: int) -> Array:
    """Each value of [C, H, W] lays its kernel [O, C, k, k] on the output."""
    k, (channels, height, width) = weight.shape[-1], x.shape
    y = np.zeros((len(weight), (height - 1) * stride + k + extra, (width - 1) * stride + k + extra))
    for c, i, j in np.ndindex(channels, height, width):
        y[:, i * stride : i * stride + k, j * stride : j * stride + k] += x[c, i, j] * weight[:, c]
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding]


def pooled(x: Array, window: int, stride: int, take: Any) -> Array:
    """Windows that begin inside count, and what they cover inside."""
    places = [[at for at in range(0, side, stride) if at == 0 or at - stride + window < side] for side in x.shape[1:]]
    y = np.zeros((len(x), len(places[0]), len(places[1])))
    for a, i in enumerate(places[0]):
        for b, j in enumerate(places[1]):
            y[:, a, b] = take(x[:, i : i + window, j : j + window], axis=(1, 2))
    return y


ACTS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.where(x > 0, x, 0.3 * x),
    "softplus": lambda x: np.logaddexp(0, x),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", ACTS)
def test_dense_layers(name: str) -> None:
    layer, outputs = make((2, 3, 3), name, units=5, slope=0.3)
    fill(layer)
    x = values(4, 2, 3, 3)
    weight, bias = (p.detach().numpy() for p in (layer.affine.weight, layer.affine.bias))
    assert outputs == (5,)
    np.testing.assert_allclose(layer(x).detach(), ACTS[name](x.flatten(1).numpy() @ weight.T + bias), atol=1e-13)


@pytest.mark.parametrize(("stride", "padding", "kernel"), [(1, 0, 3), (2, 2, 5), (3, 1, 2), (1, 4, 8)])
@pytest.mark.parametrize("bias_shape", ["channel", "untied"])
def test_convolutions(stride: int, padding: int, kernel: int, bias_shape: str) -> None:
    fields = {"channels": 4, "kernel": kernel, "stride": stride, "padding": padding, "bias_shape": bias_shape}
    layer, outputs = make((3, 7, 6), "conv", activation="leaky-relu", slope=0.3, **fields)
    fill(layer)
    x = values(2, 3, 7, 6)
    y = layer(x.flatten(1)).detach().numpy()
    bias = layer.affine.bias.detach().numpy()
    for row in range(2):
        expected = convolved(x[row].numpy(), layer.affine.weight.detach().numpy(), stride, padding)
        assert expected.shape == outputs
        expected += bias if bias_shape == "untied" else bias[:, None, None]
        np.testing.assert_allclose(y[row], ACTS["leaky-relu"](expected), atol=1e-12)


@pytest.mark.parametrize(("stride", "padding", "kernel", "extra"), [(1, 0, 3, 0), (2, 2, 5, 1), (3, 0, 5, 0)])
def test_transposed_convolutions(stride: int, padding: int, kernel: int, extra: int) -> None:
    layer, outputs = make(
        (4, 5, 5), "deconv", channels=0, kernel=kernel, stride=stride, padding=padding, output_padding=extra,
        activation="tanh", bias_shape="untied",
    )  # fmt: skip
    fill(layer)
    x = values(2, 4, 5, 5)
    for row in range(2):
        expected = transposed(x[row].numpy(), layer.affine.weight.detach().numpy(), stride, padding, extra)
        assert expected.shape == outputs
        expected = np.tanh(expected + layer.affine.bias.detach().numpy())
        np.testing.assert_allclose(layer(x)[row].detach(), expected, atol=1e-12)


@pytest.mark.parametrize(("pool", "pool_stride"), [(1, 1), (4, 2), (2, 2), (3, 2)])
def test_convolutional_maxout_and_its_pooling(pool: int, pool_stride: int) -> None:
    layer, outputs = make(
        (2, 6, 7), "maxout-conv", channels=3, pieces=4, kernel=3, padding=2, pool=pool, pool_stride=pool_stride
    )
    fill(layer)
    x = values(2, 2, 6, 7)
    weight, bias = (p.detach().numpy() for p in (layer.affine.weight, layer.affine.bias))
    for row in range(2):
        pieces = [convolved(x[row].numpy(), weight[:, p], 1, 2) + bias[:, p, None, None] for p in range(4)]
        expected = pooled(np.max(pieces, axis=0), pool, pool_stride, np.max)
        assert expected.shape == outputs
        np.testing.assert_allclose(layer(x)[row].detach(), expected, atol=1e-12)


def test_a_tie_of_pieces_goes_to_the_lowest() -> None:
    layer = MaxoutConv2d(1, 2, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:, :1])
    (grad,) = torch.autograd.grad(layer(values(1, 1, 4, 4)).sum(), layer.bias)
    assert grad.tolist() == [[9.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("mode", ["max", "mean"])
def test_pooling_counts_partial_windows(size: int, stride: int, mode: str) -> None:
    layer, outputs = make((2, 7, 8), "pool", size=size, stride=stride, mode=mode)
    x = values(3, 2, 7, 8)
    for row in range(3):
        expected = pooled(x[row].numpy(), size, stride, {"max": np.max, "mean": np.mean}[mode])
        assert expected.shape == outputs
        np.testing.assert_allclose(layer(x)[row], expected, atol=1e-13)


def test_reshape_and_noise() -> None:
    layer, outputs = make((24,), "reshape", shape=(2, 3, 4))
    x = values(5, 24)
    assert outputs == (2, 3, 4)
    assert torch.equal(layer(x), x.view(5, 2, 3, 4))
    noise, _ = make((24,), "noise", std=0.5)
    big = torch.zeros(1_000, 100, dtype=torch.float64)
    drawn = noise(big, torch.Generator().manual_seed(3))
    assert torch.equal(drawn, noise(big, torch.Generator().manual_seed(3)))
    assert float(drawn.std()) == pytest.approx(0.5, rel=5 / math.sqrt(2 * 100_000))
    assert abs(float(drawn.mean())) < 5 * 0.5 / math.sqrt(100_000)
    assert noise.eval()(big) is big


@pytest.mark.parametrize("shape", [(6,), (2, 4, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape: Shape, affine: bool) -> None:
    kind = {"kind": "relu", "units": 6} if len(shape) == 1 else {"kind": "conv", "channels": 2, "kernel": 1}
    name = str(kind.pop("kind"))
    layer, _ = make(shape, name, norm="batch", norm_affine=affine, bias="none", **kind)
    if affine:
        with torch.no_grad():
            layer.norm.weight.copy_(values(*layer.norm.weight.shape))
            layer.norm.bias.copy_(values(*layer.norm.bias.shape, seed=5))
    x = values(9, *shape)
    weight = layer.affine.weight.detach()
    y = (x @ weight.T if len(shape) == 1 else torch.einsum("bchw,oc->bohw", x, weight[:, :, 0, 0])).numpy()
    axes = (0,) if len(shape) == 1 else (0, 2, 3)
    mean, variance = y.mean(axes, keepdims=True), y.var(axes, keepdims=True)
    scale, shift = (1.0, 0.0) if not affine else (p.detach().numpy() for p in (layer.norm.weight, layer.norm.bias))
    if affine and len(shape) == 3:
        scale, shift = scale[:, None, None], shift[:, None, None]
    expected = np.maximum((y - mean) / np.sqrt(variance + 1e-5) * scale + shift, 0)
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-12)
    count = y.size / mean.size
    np.testing.assert_allclose(layer.norm.running_mean, 0.1 * mean.ravel(), atol=1e-14)
    np.testing.assert_allclose(layer.norm.running_var, 0.9 + 0.1 * variance.ravel() * count / (count - 1), atol=1e-14)
    layer.eval()
    one = layer(x[:1])
    torch.testing.assert_close(one, layer(x)[:1])  # by the running averages, a row is itself whatever stands beside it


def test_the_batchs_own_statistics_at_sampling_too() -> None:
    layer, _ = make((6,), "linear", units=3, norm="batch", norm_statistics="batch", norm_affine=False, init_range=9.0)
    y = layer.eval()(values(50, 6)).detach()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(0, unbiased=False), 1, atol=1e-3)


def test_norms_of_weights() -> None:
    rows, _ = make((7,), "linear", units=4, norm="rows")
    np.testing.assert_allclose(rows.affine.weight.detach().norm(dim=1), 1.0, atol=1e-12)
    weight, _ = make((7,), "linear", units=4, norm="weight")
    scale = weight.affine.parametrizations.weight.original0
    with torch.no_grad():
        scale.mul_(3.0)
    np.testing.assert_allclose(weight.affine.weight.detach().norm(dim=1), scale.detach().ravel(), atol=1e-12)
    spectral, _ = make((3, 6, 6), "conv", channels=8, kernel=3, norm="spectral", init_range=1.0)
    for _ in range(100):  # a step of the power iteration a pass
        spectral(values(1, 3, 6, 6))
    largest = np.linalg.svd(spectral.affine.weight.detach().flatten(1).numpy(), compute_uv=False)[0]
    assert largest == pytest.approx(1.0, abs=1e-6)


def test_layers_are_drawn_from_the_runs_generator_alone() -> None:
    torch.manual_seed(1)
    first = make((7,), "linear", units=4, norm="spectral")[0].state_dict()
    torch.manual_seed(2)
    second = make((7,), "linear", units=4, norm="spectral")[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_initial_weights_follow_their_law() -> None:
    n = 300 * 200
    uniform = make((300,), "relu", units=200, init_range=0.3)[0].affine.weight.detach()
    assert float(uniform.abs().max()) <= 0.3
    assert float(uniform.var()) == pytest.approx(0.03, rel=5 * math.sqrt(0.8 / n))  # Var(u²)/E(u²)² = 4/5
    normal = make((300,), "relu", units=200, init_std=0.02)[0].affine.weight.detach()
    assert float(normal.std()) == pytest.approx(0.02, rel=5 / math.sqrt(2 * n))
    sparse = make((300,), "relu", units=200, sparse=100)[0].affine.weight.detach()
    assert (sparse != 0).sum(dim=1).tolist() == [100] * 200
    assert float(sparse[sparse != 0].std()) == pytest.approx(1.0, rel=5 / math.sqrt(2 * 200 * 100))
    chosen = (sparse != 0).sum(dim=0).double()  # each input by a third of the units
    assert float(((chosen - 200 / 3) ** 2 / (200 * 2 / 9)).mean()) == pytest.approx(1.0, abs=5 * math.sqrt(2 / 300))
