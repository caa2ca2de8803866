"""Data that no output of the generator can reach are refused, with the output that fits them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.data.dataset import Dataset, Split
from gantool.errors import UsageError
from gantool.training.state import build_state

CONFIG = build_config(read_tree(preset_text("digits"), "digits"))


def digits_between(low: float, high: float) -> Dataset:
    """The digits as floats from `low` to `high`."""
    found = load_dataset(DataConfig("digits"))
    splits = {
        name: Split(low + (high - low) * found.values(found.split(name).stored), None)
        for name in ("train", "validation", "test")
    }
    return replace(found, **splits, divisor=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "advice"),
    [
        (-1.0, 1.0, "reach: give --set generator.layers.2.kind=tanh --set generator.layers.2.bias=0"),
        (0.0, 255.0, "scale the rows to [0, 1], or give --set generator.layers.2.kind=linear"),
        (-3.0, 3.0, "scale the rows to [0, 1], or give --set generator.layers.2.kind=linear"),
    ],
)
def test_the_output_that_fits_is_named(low: float, high: float, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_state(CONFIG, digits_between(low, high), torch.device("cpu"))
    assert advice in str(caught.value)


def test_the_advice_is_taken() -> None:
    dataset = digits_between(-1.0, 1.0)
    layers = (*CONFIG.generator.layers[:-1], replace(CONFIG.generator.layers[-1], kind="tanh", bias=0.0))
    config = replace(CONFIG, generator=replace(CONFIG.generator, layers=layers))
    build_state(config, dataset, torch.device("cpu"))
    build_state(CONFIG, digits_between(0.0, 1.0), torch.device("cpu"))
