"""The released configurations, typed from the paper's code, beside the presets. (MNIST's weights: test_sources.py.)"""

from __future__ import annotations

from typing import Any

import pytest

from gantool.config import RunConfig
from gantool.config.sources import build_config, preset_text, read_tree

# data.scale, noise, batch, lr_0; G and D as (kind, units or channels, pieces, init_range).
RELEASED: dict[str, dict[str, Any]] = {
    "mnist": {
        "data": ("mnist", "auto"), "noise": ("uniform", 100), "batch": 100, "rate": 0.1,
        "generator": [("relu", 1200, 1, 0.05), ("relu", 1200, 1, 0.05), ("sigmoid", 0, 1, 0.05)],
        "discriminator": [("maxout", 240, 5, 0.005), ("maxout", 240, 5, 0.005), ("sigmoid", 1, 1, 0.005)],
    },
    "cifar10-fc": {
        "data": ("cifar10", "norm:55"), "noise": ("gaussian", 100), "batch": 100, "rate": 0.025,
        "generator": [("relu", 8000, 1, 0.05), ("sigmoid", 8000, 1, 0.05), ("linear", 0, 1, 0.5)],
        "discriminator": [("maxout", 1600, 5, 0.005), ("maxout", 1600, 5, 0.005), ("sigmoid", 1, 1, 0.005)],
    },
    "cifar10-conv": {
        "data": ("cifar10", "norm:55"), "noise": ("gaussian", 100), "batch": 128, "rate": 0.004,
        "generator": [
            ("relu", 8000, 1, 0.05), ("sigmoid", 8000, 1, 0.05), ("reshape", None, 1, None), ("deconv", 0, 1, 0.05),
        ],
        "discriminator": [
            ("maxout-conv", 32, 2, 0.005), ("maxout-conv", 32, 2, 0.005), ("maxout-conv", 192, 2, 0.005),
            ("maxout", 500, 5, 0.005), ("sigmoid", 1, 1, 0.005),
        ],
    },
}  # fmt: skip


def preset(name: str) -> RunConfig:
    return build_config(read_tree(preset_text(name), name))


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_preset_is_what_was_released(name: str) -> None:
    config, released = preset(name), RELEASED[name]
    assert (config.data.name, config.data.scale) == released["data"]
    assert (config.noise.distribution, config.noise.dimension) == released["noise"]
    training, optimizer = config.training, config.optimizer
    assert (training.batch_size, optimizer.learning_rate) == (released["batch"], released["rate"])
    assert (training.order, training.k, config.objective.name) == ("simultaneous", 1, "non-saturating")
    assert (optimizer.kind, optimizer.decay, optimizer.min_learning_rate) == ("momentum", 1.000004, 1e-6)
    assert (optimizer.momentum, optimizer.final_momentum, optimizer.momentum_saturates) == (0.5, 0.7, 250)
    for network in ("generator", "discriminator"):
        layers = getattr(config, network).layers
        found = [
            (
                layer.kind,
                getattr(layer, "units", getattr(layer, "channels", None)),
                getattr(layer, "pieces", 1),
                getattr(layer, "init_range", None),
            )
            for layer in layers
        ]
        assert found == released[network]
    keeps = [(layer.keep, layer.keep_scale) for layer in config.discriminator.layers]
    assert keeps == [(0.8, 1.25)] + [(0.5, 2.0)] * (len(keeps) - 1)
    assert all(getattr(layer, "keep", 1.0) == 1.0 for layer in config.generator.layers)


def test_the_convolutional_discriminator_keeps_every_image_and_its_biases_tied() -> None:
    config = preset("cifar10-conv")
    assert config.training.batches(40_000) == 313
    assert config.training.total_steps(40_000) == 313 * config.training.epochs
    convolutions = config.discriminator.layers[:3]
    sizes = [(c.kernel, c.padding, c.pool, c.pool_stride) for c in convolutions]
    assert sizes == [(8, 4, 4, 2), (8, 3, 4, 2), (5, 3, 2, 2)]
    assert {c.bias_shape for c in convolutions} == {"channel"}
    output = config.generator.layers[-1]
    assert (output.kernel, output.stride, output.activation, output.bias_shape) == (5, 3, "linear", "untied")
    shape: tuple[int, ...] = (100,)
    for layer in config.generator.layers:
        shape = layer.output_shape(shape, (3, 32, 32))
    assert shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "shape"), [("dcgan", (1, 28, 28)), ("dcgan-32", (3, 32, 32)), ("dcgan-64", (3, 64, 64))]
)
def test_dcgans_end_in_an_image_and_in_one_logit(name: str, shape: tuple[int, ...]) -> None:
    config = preset(name)
    inside: tuple[int, ...] = (config.noise.dimension,)
    for layer in config.generator.layers:
        inside = layer.output_shape(inside, shape)
    assert inside == shape
    for layer in config.discriminator.layers:
        inside = layer.output_shape(inside, shape)
    assert inside == (1,)
    norms = [getattr(layer, "norm", "none") for layer in (*config.generator.layers, *config.discriminator.layers)]
    assert norms[len(config.generator.layers) - 1] == norms[len(config.generator.layers)] == "none", "of the images"
