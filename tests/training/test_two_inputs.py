"""Networks that are told more than their input: sizes by hand, gradients by hand, resume, and every order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus
from training.watching import assert_same_run, silent

from gantool.config import DataConfig, RunConfig
from gantool.config.sources import apply_settings, build_config, preset_text, read_tree
from gantool.data import Dataset, Split
from gantool.data.labels import few_labels, split_hash
from gantool.errors import UsageError
from gantool.models import build_discriminator, build_generator, conditions_of
from gantool.runs import find_run
from gantool.sampling import generate, sample_labels
from gantool.training.engines.autograd import AutogradEngine
from gantool.training.orders import ORDERS
from gantool.training.session import resume_run, start_run
from gantool.training.state import TrainingState, build_state

CPU = torch.device("cpu")
IMAGES = (1, 28, 28)
COUNTS = (5_000,) * 10


def configured(preset: str, *settings: str) -> RunConfig:
    tree = read_tree(preset_text(preset), preset)
    apply_settings(tree, settings)
    return build_config(tree)


def few_classes(*settings: str) -> RunConfig:
    """K + 1 on the digits, small."""
    layers = "[{kind='noise',std=0.1},{kind='relu',units=32},{kind='noise',std=0.1},{kind='linear',units=10}]"
    own = ("objective.name=k-plus-one", "objective.feature_matching=1.0", "data.labels=50", "training.engine=plain")
    own = (*own, "training.average_discriminator=0.9")
    return configured("digits", *own, f"discriminator.layers={layers}", *settings)


CONFIGS = {
    "digits-conditional": configured("digits-conditional"),
    "digits-bigan": configured("digits-bigan"),
    "regressor": configured("digits-bigan", "inference.kind=regressor", "discriminator.join=none"),
    "joint-regressor": configured("digits-bigan", "inference.kind=joint-regressor", "discriminator.join=none"),
    "k-plus-one": few_classes(),
    "inpainting": configured("digits-inpainting"),
}

# Weights and biases, layer by layer.
SIZES = {
    "cgan": (
        (100 * 200 + 200) + (10 * 1000 + 1000) + (1200 * 1200 + 1200) + (1200 * 784 + 784),
        5 * (784 * 240 + 240) + 5 * (10 * 50 + 50) + 4 * (290 * 240 + 240) + 241,
    ),
    "dcgan-conditional": (
        110 * 1024 + 1034 * 6272 + 138 * 64 * 25 + 74 * 25,
        11 * 64 * 25 + 74 * 128 * 25 + (6272 + 10) * 1024 + 1034,
    ),
    "bigan": (
        # The generator and the encoder, without biases.
        50 * 1024 + 1024 * 1024 + 1024 * 784 + 784 * 1024 + 1024 * 1024 + 1024 * 50,
        784 * 1024 + (1024 + 50) * 1024 + 1024,
    ),
    "inpainting": (
        # 100 of z, 784 of the mask and as many of what is known.
        (100 + 2 * 784 + 1) * 1024 + 1025 * 1024 + 1025 * 784 + 4 * 1024,
        (2 * 784 + 1) * 1024 + 1025 * 1024 + 1025,
    ),
    "k-plus-one": (
        # Directions and norms of the last layer's weights.
        100 * 500 + 500 * 500 + 4 * 500 + (500 * 784 + 784 + 784),
        (784 * 1000 + 1000) + (1000 * 500 + 500) + (500 * 250 + 250) + 2 * (250 * 250 + 250) + (250 * 10 + 10 + 10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("preset", SIZES)
def test_the_papers_nets_have_as_many_parameters_as_their_arithmetic(preset: str) -> None:
    config, rng = configured(preset), torch.Generator()
    counts = COUNTS if config.data.condition == "label" else ()
    for_generator, for_discriminator = conditions_of(config, counts, 784)
    mean = torch.full((784,), 0.5)
    generator = build_generator(
        config.generator, config.noise.dimension, mean, rng, IMAGES, condition=for_generator, inference=config.inference
    )
    discriminator = build_discriminator(config.discriminator, IMAGES, rng, 1, for_discriminator)
    found = tuple(sum(p.numel() for p in network.parameters()) for network in (generator, discriminator))
    assert found == SIZES[preset]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_stopped_run_goes_on_as_the_one_that_never_stopped(
    name: str, order: str, digits: Dataset, tmp_path: Path
) -> None:
    config = CONFIGS[name]
    config = replace(config, training=replace(config.training, order=order, steps=20, log_every=5))
    short = replace(config, training=replace(config.training, steps=9))
    straight = start_run(config, digits, CPU, tmp_path / "straight", silent)
    start_run(short, digits, CPU, tmp_path / "halves", silent)
    resumed = resume_run(find_run("latest", tmp_path / "halves"), digits, CPU, silent, steps=20)
    assert_same_run(straight.run, resumed.run)


def started(name: str, dataset: Dataset) -> tuple[TrainingState, AutogradEngine]:
    """A game in float64 without dropout, so that the same pass can be made again by hand."""
    config = CONFIGS[name]
    state = build_state(config, dataset, CPU, torch.float64)
    for player in (state.game.generator, state.game.discriminator):
        player.network.eval()
    return state, AutogradEngine(state.game)


def assert_gradients(found: tuple[Tensor, ...], loss: Tensor, network: torch.nn.Module) -> None:
    expected = torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


def test_both_players_see_the_class(digits: Dataset) -> None:
    state, engine = started("digits-conditional", digits)
    generator, discriminator = state.game.generator.network, state.game.discriminator.network
    real, z = engine.draw_batch(3), engine.draw_noise(100)
    assert real.labels is not None
    told = torch.eye(10, dtype=torch.float64)[real.labels]
    assert real.given is not None
    assert torch.equal(real.given, told)
    engine.discriminator_gradients(real, engine.generate(z, real))
    fake = generator(z, None, told)
    of_real, of_fake = discriminator(real.rows, None, told), discriminator(fake.detach(), None, told)
    loss = 0.5 * (softplus(-of_real).mean() + softplus(of_fake).mean())
    assert_gradients(engine.of_discriminator, loss, discriminator)
    engine.generator_gradients(z, real)
    assert_gradients(engine.of_generator, softplus(-discriminator(fake, None, told)).mean(), generator)
    assert not torch.equal(generator(z, None, told), generator(z, None, told.roll(1, dims=1)))


def test_bigan_judges_pairs_and_moves_the_encoder_to_meet_the_generator(digits: Dataset) -> None:
    state, engine = started("digits-bigan", digits)
    generator, judge = state.game.generator.network, state.game.discriminator.network
    real, z = engine.draw_batch(0), engine.draw_noise(100)

    def losses() -> tuple[Tensor, Tensor]:
        codes = generator.encoder(real.rows)  # type: ignore[operator]
        of_real, of_fake = judge(real.rows, None, codes), judge(generator(z), None, z)
        judging = 0.5 * (softplus(-of_real).mean() + softplus(of_fake).mean())
        return judging, softplus(of_real).mean() + softplus(-of_fake).mean()

    engine.discriminator_gradients(real, engine.generate(z, real))
    assert_gradients(engine.of_discriminator, losses()[0], judge)
    engine.generator_gradients(z, real)
    assert_gradients(engine.of_generator, losses()[1], generator)


@pytest.mark.parametrize("name", ["regressor", "joint-regressor"])
def test_a_regressor_finds_z_again(name: str, digits: Dataset) -> None:
    state, engine = started(name, digits)
    generator, judge = state.game.generator.network, state.game.discriminator.network
    real, z = engine.draw_batch(0), engine.draw_noise(100)
    engine.generator_gradients(z, real)
    fake = generator(z)
    seen = fake.detach() if name == "regressor" else fake
    loss = softplus(-judge(fake)).mean() + (generator.encoder(seen) - z).square().mean()  # type: ignore[operator]
    assert_gradients(engine.of_generator, loss, generator)


def test_k_plus_one_adds_the_cross_entropy_of_known_rows_and_matches_features(digits: Dataset) -> None:
    state, engine = started("k-plus-one", digits)
    generator, judge = state.game.generator.network, state.game.discriminator.network
    real, z = engine.draw_batch(2), engine.draw_noise(100)
    assert real.known is not None
    rows, labels = real.known
    engine.discriminator_gradients(real, engine.generate(z, real))

    # Of K + 1 classes, the last of which has the logit 0: p(generated | x) and the labelled loss.
    def log_p(x: Tensor) -> Tensor:
        logits = judge.class_logits(x)  # type: ignore[operator]
        return torch.cat([logits, logits.new_zeros(len(logits), 1)], dim=1).log_softmax(dim=1)

    not_generated = (1 - log_p(real.rows)[:, -1].exp()).log()
    loss = -0.5 * (not_generated.mean() + log_p(generator(z).detach())[:, -1].mean())
    loss = loss + cross_entropy(judge.class_logits(rows), labels)  # type: ignore[operator]
    found = engine.of_discriminator
    expected = torch.autograd.grad(loss, list(judge.parameters()))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    engine.generator_gradients(z, real)
    hidden = judge.layers[1]  # type: ignore[index]
    distance = (hidden(real.rows).mean(dim=0).detach() - hidden(generator(z)).mean(dim=0)).square().sum()
    assert_gradients(engine.of_generator, distance, generator)


def test_masks_hide_what_the_generator_fills_in(digits: Dataset) -> None:
    state, engine = started("inpainting", digits)
    generator, judge = state.game.generator.network, state.game.discriminator.network
    real, z = engine.draw_batch(0), engine.draw_noise(100)
    known = real.given
    assert known is not None
    assert set(known.unique().tolist()) == {0.0, 1.0}
    engine.discriminator_gradients(real, engine.generate(z, real))

    def filled(z: Tensor) -> Tensor:
        told = torch.cat([z, known, known * real.rows], dim=1)
        for layer in generator.layers:  # type: ignore[union-attr]
            told = layer(told)
        return known * real.rows + (1 - known) * told

    of_real, of_fake = judge(real.rows, None, known), judge(filled(z).detach(), None, known)
    assert_gradients(engine.of_discriminator, 0.5 * (softplus(-of_real).mean() + softplus(of_fake).mean()), judge)
    before = state.game.rng.get_state()
    engine.generator_gradients(z, real)
    state.game.rng.set_state(before)
    fake, again = filled(z), filled(engine.draw_noise(100))
    some = known.sum(dim=1) < 64  # of a row that is known there is nothing to tell apart
    distances = [
        (a - b)[some].norm(dim=1).sum() / 100 for a, b in ((fake, real.rows), (again, real.rows), (fake, again))
    ]
    energy = 10.0 * 0.5 * (distances[0] + distances[1] - distances[2])
    expected = torch.autograd.grad(softplus(-judge(fake, None, known)).mean() + energy, list(generator.parameters()))
    for mine, theirs in zip(engine.of_generator, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_missing_data_are_never_known_nor_judged(digits: Dataset) -> None:
    rows = digits.values(digits.train.stored).clone()
    gone = torch.rand(rows.shape, generator=torch.Generator().manual_seed(0)) < 0.2
    holed = replace(digits, train=Split(rows.masked_fill(gone, torch.nan)), divisor=1.0)
    config = configured("digits-inpainting", "generator.layers.2.bias=0", "training.watch_every=0")
    engine = AutogradEngine(build_state(config, holed, CPU).game)
    batch = engine.draw_batch(0)
    assert batch.observed is not None
    assert batch.given is not None
    assert ((batch.given == 1) <= (batch.observed == 1)).all()
    fake = engine.generate(engine.draw_noise(100), batch)
    assert bool((fake.rows[batch.observed == 0] == 0).all())
    assert bool((batch.rows[batch.observed == 0] == 0).all())
    assert bool(batch.rows.isfinite().all())


@pytest.mark.parametrize("norm", ["none", "rows", "weight"])
def test_first_weights_are_fitted_to_rows_layer_by_layer(norm: str, digits: Dataset) -> None:
    kinds = ("{kind='relu',units=32", "{kind='softplus',units=16", "{kind='linear',units=10")
    layers = "[" + ",".join(f"{kind},norm='{norm}'}}" for kind in kinds) + "]"
    every = len(digits.train)
    config = few_classes("discriminator.layers=" + layers, f"discriminator.init_rows={every}")
    judge = build_state(config, digits, CPU).game.discriminator.network
    x = digits.training_values(digits.train.stored, torch.float64)
    for layer, bend in zip(judge.layers, (torch.relu, softplus, lambda y: y), strict=True):  # type: ignore[call-overload]
        weight, bias = layer.affine.weight.detach().double(), layer.affine.bias.detach().double()
        y = x @ weight.T + bias
        spread = y.std(dim=0, correction=0)
        torch.testing.assert_close(y.mean(dim=0), torch.zeros_like(spread), rtol=0, atol=1e-4)
        alive = spread > 0.5  # a unit that no row moves stays still
        assert alive.sum() >= len(spread) - 1
        torch.testing.assert_close(spread[alive], torch.ones_like(spread[alive]), rtol=1e-4, atol=0)
        x = bend(y)


def test_known_rows_are_as_many_of_each_class_and_come_by_turns(digits: Dataset) -> None:
    state, _ = started("k-plus-one", digits)
    chosen = few_labels(digits, 50, seed=0)
    assert digits.train.labels is not None
    assert torch.bincount(digits.train.labels[chosen]).tolist() == [5] * 10
    assert split_hash(chosen) == split_hash(chosen.flip(0)) != split_hash(few_labels(digits, 50, seed=1))
    known = state.game.draw_batch(7).known
    assert known is not None
    # 100 of 50 rows: each comes twice.
    values = digits.values(digits.train.stored[chosen]).double()
    counts = (torch.cdist(known[0], values) < 1e-9).sum(dim=0)
    assert counts.tolist() == [2] * 50


def test_samples_are_of_the_class_that_was_asked_for_and_of_the_datas_shares(digits: Dataset, tmp_path: Path) -> None:
    config = CONFIGS["digits-conditional"]
    config = replace(config, training=replace(config.training, steps=2))
    run = start_run(config, digits, CPU, tmp_path, silent).run
    generator = run.load_generator()
    labels = sample_labels(generator, 30_000, seed=4)
    assert labels is not None
    assert digits.train.labels is not None
    shares = torch.bincount(digits.train.labels) / len(digits.train)
    assert (torch.bincount(labels) / 30_000 - shares).abs().max() < 0.008  # 4.5 standard errors
    threes = generate(generator, config.noise, 5, seed=1, device="cpu", labels=torch.full((5,), 3))
    assert torch.equal(run.sample(5, seed=1, label=3), threes)
    with pytest.raises(UsageError, match="The class must be from 0 to 9"):
        run.sample(5, label=10)


@pytest.mark.parametrize(
    ("preset", "setting", "sentence"),
    [
        ("digits-conditional", "generator.join=none", "generator.join must be input or every, since label enters"),
        ("digits", "generator.join=input", "generator.join must be none, since nothing is joined"),
        ("digits", "data.labels=100", "data.labels must be unset unless objective.name = k-plus-one"),
        ("digits-conditional", "training.pack=2", "training.pack must be 1 with a condition or an encoder"),
        ("digits-bigan", "objective.name=hinge", "objective.name must be non-saturating"),
        ("digits-bigan", "inference.layers.2.units=7", "inference.layers.2.units must be 16, z's dimension"),
        ("digits-bigan", "data.condition=label", "inference.kind must be another than bigan"),
        ("k-plus-one", "objective.feature_matching=0", "objective.feature_matching must be above 0"),
        ("k-plus-one", "discriminator.layers.11.units=1", "must be the number of classes"),
    ],
)
def test_what_does_not_fit_is_one_sentence(preset: str, setting: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        configured(preset, setting)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (None, "has no labels"),
        (torch.tensor([0, 2] * 300), "Class 1 of toys has no training rows"),
        (torch.zeros(600, dtype=torch.int64), "of one class"),
        (torch.full((600,), 5_000), "must be whole numbers from 0 to 999"),
    ],
)
def test_labels_that_cannot_be_told_are_refused(labels: Tensor | None, sentence: str) -> None:
    split = Split(torch.rand(600, 4), labels)
    dataset = Dataset("toys", split, split, split, (4,), 1.0, "made for a test")
    config = replace(CONFIGS["digits-conditional"], data=DataConfig("toys", condition="label"))
    with pytest.raises(UsageError, match=sentence):
        build_state(config, dataset, CPU)


@pytest.mark.parametrize(("count", "sentence"), [(55, "a multiple of 10"), (5_000, "class 0 has")])
def test_so_few_labels_there_must_be(count: int, sentence: str, digits: Dataset) -> None:
    with pytest.raises(UsageError, match=sentence):
        few_labels(digits, count, seed=0)
