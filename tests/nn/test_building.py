"""Layers: gradients against finite differences, shapes, what is refused, and networks that are stacked from them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from nn.making import make, values
from torch import Tensor

from gantool.config.layers import LAYER_KINDS, Shape
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.errors import UsageError
from gantool.models import build_discriminator, build_generator
from gantool.models.stack import Stack

GRADIENTS: list[tuple[Shape, str, dict[str, Any]]] = [
    ((3, 5, 5), "conv", {"channels": 2, "kernel": 3, "stride": 2, "padding": 1, "activation": "leaky-relu"}),
    ((2, 3, 3), "deconv", {"channels": 2, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ((2, 5, 5), "maxout-conv", {"channels": 2, "pieces": 3, "kernel": 3, "padding": 1, "pool": 2, "pool_stride": 2}),
    ((6,), "softplus", {"units": 4, "norm": "batch", "bias": "none"}),
    ((6,), "tanh", {"units": 4, "norm": "weight"}),
    ((6,), "tanh", {"units": 4, "norm": "rows"}),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "kind", "fields"), GRADIENTS)
def test_gradients_are_those_of_finite_differences(inputs: Shape, kind: str, fields: dict[str, Any]) -> None:
    layer, _ = make(inputs, kind, init_range=1.0, **fields)
    x = values(3, *inputs).requires_grad_()
    parameters = dict(layer.named_parameters())

    def run(x: Tensor, *given: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(parameters, given, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *parameters.values()))


def test_shapes_of_the_released_cifar_discriminator() -> None:
    """32 → 33 → 16 → 15 → 7 → 9 → 5: convolution and pooling, three times."""
    shape: Shape = (3, 32, 32)
    sides = [32]
    for channels, kernel, padding, pool in ((32, 8, 4, 4), (32, 8, 3, 4), (192, 5, 3, 2)):
        config = LAYER_KINDS["maxout-conv"](
            "maxout-conv", channels=channels, pieces=2, kernel=kernel, padding=padding, pool=pool, pool_stride=2
        )
        sides.append(config.convolved(shape, shape)[1])
        shape = config.output_shape(shape, shape)
        sides.append(shape[1])
    assert sides == [32, 33, 16, 15, 7, 9, 5]


@pytest.mark.parametrize(
    ("inputs", "kind", "fields", "sentence"),
    [
        ((24,), "conv", {"channels": 2, "kernel": 3}, "needs channels, height and width"),
        ((24,), "reshape", {"shape": (5, 5)}, "must be .features. or"),
        ((24,), "reshape", {"shape": (25,)}, "cannot make .25. of .24.: 25 values of 24"),
        ((3, 4, 4), "conv", {"channels": 2, "kernel": 5}, "A kernel of 5 is larger than what it is laid over"),
        ((3, 4, 4), "pool", {"size": 5, "stride": 1}, "A window of 5 is larger"),
        ((24,), "maxout", {"units": 3, "bias": "none"}, "each piece of maxout has a bias"),
        ((24,), "relu", {"units": 3, "init_std": 0.1, "sparse": 3}, "unset where init_std is given"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(inputs: Shape, kind: str, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make(inputs, kind, **fields)


def test_a_network_of_convolutions_trains_row_by_row_or_not() -> None:
    rng = torch.Generator().manual_seed(0)
    tree = read_tree(preset_text("digits"), "digits")
    tree["discriminator"]["layers"] = [
        {"kind": "conv", "channels": 4, "kernel": 3, "stride": 2, "padding": 1, "activation": "leaky-relu"},
        {"kind": "conv", "channels": 8, "kernel": 3, "stride": 2, "padding": 1, "norm": "batch", "bias": "none"},
        {"kind": "linear", "units": 1},
    ]
    tree["generator"]["layers"] = [
        {"kind": "relu", "units": 32},
        {"kind": "reshape", "shape": [8, 2, 2]},
        {"kind": "deconv", "channels": 4, "kernel": 4, "stride": 2, "padding": 1},
        {
            "kind": "deconv",
            "channels": 0,
            "kernel": 4,
            "stride": 2,
            "padding": 1,
            "activation": "sigmoid",
            "bias": "data-logit",
        },
    ]
    tree["generator"]["layers"][-1]["bias"] = "data-logit"
    config = build_config(tree)
    mean = torch.linspace(0.2, 0.8, 64)
    generator = build_generator(config.generator, 32, mean, rng, (1, 8, 8))
    discriminator = build_discriminator(config.discriminator, (1, 8, 8), rng)
    assert isinstance(generator, Stack)
    assert not generator.mixes_rows
    assert discriminator.mixes_rows
    assert generator.dense_layers() is None
    fake = generator(torch.randn(6, 32, generator=rng))
    assert fake.shape == (6, 64)
    assert discriminator(fake).shape == (6,)
    bias = generator.layers[-1].affine.bias.detach()
    torch.testing.assert_close(bias, torch.logit(mean.mean())[None])  # one a channel: of the channel's mean
