"""Presets, the user's file and --set; and the paper's figures in the mnist preset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gantool.config import DataConfig, RunConfig
from gantool.config.sources import (
    apply_settings,
    build_config,
    merge,
    preset_names,
    preset_text,
    read_config_file,
    read_tree,
)
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.training.state import build_state


def tree_of(name: str) -> dict[str, Any]:
    return read_tree(preset_text(name), name)


def build_with(setting: str) -> RunConfig:
    tree = tree_of("mnist")
    apply_settings(tree, [setting])
    return build_config(tree)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_sound_and_survives_json(name: str) -> None:
    config = build_config(tree_of(name))
    assert config.name == name
    assert build_config(json.loads(json.dumps(config.to_dict()))) == config


def test_the_mnist_preset_is_the_released_configuration(mnist_root: Path) -> None:
    config = build_config(tree_of("mnist"))
    dataset = load_dataset(DataConfig("mnist"), root=mnist_root)
    state = build_state(config, dataset, torch.device("cpu"))
    generator, discriminator = state.game.generator.network, state.game.discriminator.network
    shapes = [tuple(p.shape) for p in generator.parameters()]
    assert shapes == [(1200, 100), (1200,), (1200, 1200), (1200,), (784, 1200), (784,)]
    shapes = [tuple(p.shape) for p in discriminator.parameters()]
    assert shapes == [(240, 5, 784), (240, 5), (240, 5, 240), (240, 5), (1, 240), (1,)]
    for network, bound in ((generator, 0.05), (discriminator, 0.005)):
        for layer in network.layers:
            weight = layer.affine.weight.detach()
            assert 0.9 * bound < weight.abs().max() <= bound
            assert abs(weight.mean()) < bound * 6 / weight.numel() ** 0.5
    dropouts = [(layer.dropout.keep, layer.dropout.scale) for layer in discriminator.layers]
    assert dropouts == [(0.8, 1.25), (0.5, 2.0), (0.5, 2.0)]
    assert all(layer.dropout is None for layer in generator.layers)
    mean = dataset.train.stored.double().mean(0) / 255
    expected = torch.logit(mean.clamp(1e-7, 1 - 1e-7)).float()
    assert torch.equal(generator.layers[-1].affine.bias.detach(), expected)
    assert config.training.total_steps(len(dataset.train)) == config.training.epochs * 500
    assert (config.training.batch_size, config.optimizer.learning_rate) == (100, 0.1)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("trainin.k=1", "Unknown configuration key trainin; did you mean 'training'?"),
        ("training.batchsize=1", "did you mean 'batch_size'?"),
        ("training.k=two", "training.k must be a whole number, but is 'two'"),
        ("training.k=0", "training.k must be a whole number, 1 or more, but is 0"),
        ("training.k=true", "training.k must be a whole number, but is True"),
        ("training.seed=1.5", "training.seed must be a whole number"),
        ("training.order=alternate", "training.order must be one of alternating, simultaneous, generator-first"),
        ("generator.layers.9.units=2", "'9' must be a list index from 0 to 2"),
        ("generator.layers.0.units=0", "generator.layers.0.units must be 1 or more"),
        ('generator.layers.0.bias="data-logit"', "generator.layers.0.bias must be a number"),
        ("discriminator.layers.2.units=2", "discriminator.layers.2.units must be 1"),
        ("discriminator.layers.0.keep=0", "discriminator.layers.0.keep must be a probability"),
        ("discriminator.layers.0.pieces=257", "discriminator.layers.0.pieces must be 256 or less"),
        (
            "generator.layers.0.pieces=2",
            "generator.layers.0.pieces: a layer of the kind relu has no such field",
        ),
        (
            "generator.layers.0.kind=conv4d",
            "generator.layers.0.kind must be one of relu, sigmoid, tanh, linear,",
        ),
        ("generator.layers.0.unit=3", "a layer of the kind relu has no such field; did you mean 'units'?"),
        ("discriminator.layers.2.kind=relu", "discriminator.layers.2.kind must be sigmoid (or linear, for its logit)"),
        ("objective.name=wasserstien", "objective.name must be one of non-saturating, minimax, blend"),
        ("objective.blend=[1]", "objective.blend must be two weights"),
        ("data.scale=norm:0", "data.scale must be auto, unit, symmetric, norm:R"),
        ("data.scale=loud", "data.scale must be auto, unit, symmetric, norm:R"),
        ("data.scale=3", "data.scale must be no number unless data.name = array"),
        ("noise.radius=1", "noise.radius must be unset unless noise.distribution = spherical"),
        ("optimizer.schedule=linear", "optimizer.linear_to must be an epoch after linear_from"),
        ("training.rest_below=[1]", "training.rest_below must be two losses"),
        ("training.rest_below=1", "training.rest_below must be a list"),
        ("training.generator_below=0", "training.generator_below must be a probability above 0"),
        ("training.blend=1.5", "objective.blend must be two numbers, 0 or more"),
        ("optimizer.generator.learning_rate=-1", "optimizer.generator.learning_rate must be a number above 0"),
        ("optimizer.generator.rate=1", "Unknown configuration key optimizer.generator.rate"),
        ("optimizer.discriminator=3", "optimizer.discriminator must be a table"),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate must be a number above 0"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate must be a number above 0"),
        ("name=../up", "name must be letters, digits"),
        ("training.k.x=1", "training.k.x leads nowhere"),
        ("training.k", "--set takes KEY=VALUE"),
        ('data.path="x.npy"', "data.path must be unset unless data.name = array"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(setting: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_with(setting)
    assert sentence in str(caught.value)


def test_k_steps_need_the_alternating_order() -> None:
    tree = tree_of("mnist")
    apply_settings(tree, ["training.order=generator-first", "training.k=2"])
    with pytest.raises(UsageError, match=r"training.k must be 1 when training.order = generator-first"):
        build_config(tree)


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[training]\nepochs = 3\nbatch_size = 7\n[noise]\ndistribution = 'gaussian'\n")
    tree = tree_of("mnist")
    merge(tree, read_config_file(file))
    apply_settings(tree, ["training.batch_size=9", "noise.dimension = 11"])
    config = build_config(tree)
    assert (config.training.epochs, config.training.batch_size) == (3, 9)
    assert (config.noise.distribution, config.noise.dimension) == ("gaussian", 11)
    assert config.optimizer == build_config(tree_of("mnist")).optimizer


@pytest.mark.parametrize("content", [b"[training\n", b"\xff\xfe"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"broken\.toml"):
        read_config_file(file)
    with pytest.raises(UsageError, match="No such file"):
        read_config_file(tmp_path / "missing.toml")


def test_old_spellings_are_read_and_the_last_one_given_wins() -> None:
    tree = tree_of("mnist")
    apply_settings(tree, ["objective.name=minimax", "training.objective=blend", "training.blend=0.3"])
    apply_settings(tree, ["training.step=plain"])
    config = build_config(tree)
    assert (config.objective.name, config.objective.blend) == ("blend", (0.7, 0.3))
    assert config.training.engine == "plain"
    tree = read_tree("[training]\nobjective = 'minimax'\n", "old.toml")
    assert tree == {"training": {}, "objective": {"name": "minimax"}}


def test_a_layer_that_an_old_version_wrote_is_read() -> None:
    """config.json then held every field for every layer, pieces = 1 on a sigmoid, too."""
    tree = build_config(tree_of("mnist")).to_dict()
    present = build_config(json.loads(json.dumps(tree)))
    for network in ("generator", "discriminator"):
        for layer in tree[network]["layers"]:
            layer.setdefault("pieces", 1)
    assert build_config(tree) == present


def test_a_player_keeps_only_what_is_its_own() -> None:
    tree = tree_of("mnist")
    apply_settings(tree, ["optimizer.discriminator.learning_rate=1"])
    config = build_config(tree)
    assert config.to_dict()["optimizer"]["discriminator"] == {"learning_rate": 1.0}
    assert (config.optimizer.of("generator").learning_rate, config.optimizer.of("discriminator").learning_rate) == (
        0.1,
        1,
    )
    assert build_config(json.loads(json.dumps(config.to_dict()))) == config
