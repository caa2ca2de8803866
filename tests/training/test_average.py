"""The running average of the generator's weights, against its own formula and across a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from training.watching import Silent

from gantool.config import RunConfig
from gantool.config.sources import apply_settings, build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.runs import Run
from gantool.runs.checkpoint import find_checkpoint, read_checkpoint
from gantool.training.average import WeightAverage
from gantool.training.session import resume_run, start_run

CPU = torch.device("cpu")


def configured(*settings: str) -> RunConfig:
    tree = read_tree(preset_text("digits"), "digits")
    apply_settings(tree, list(settings))
    return build_config(tree)


def weights(run: Run, group: str) -> torch.Tensor:
    found = read_checkpoint(find_checkpoint(run.checkpoints), (group,)).groups[group]
    return torch.cat([value.flatten() for _, value in sorted(found.items())])


def test_the_average_is_the_formulas() -> None:
    network, decay = nn.Linear(1, 1, bias=False), 0.99
    network.weight.data.fill_(0.0)
    average, expected = WeightAverage(network, decay), 0.0
    for step in range(1, 2001):
        value = float(step % 7)
        network.weight.data.fill_(value)
        average.see(step)
        if step % 10 == 0:
            kept = min(decay, (1 + step) / (3 + step)) ** 10
            expected = kept * expected + (1 - kept) * value
    assert float(average.network.weight) == pytest.approx(expected, rel=1e-5)
    assert not average.network.weight.requires_grad


def test_samples_come_from_the_average_and_training_does_not_change(digits: Dataset, tmp_path: Path) -> None:
    settings = ("training.steps=60", "training.log_every=20")
    plain = start_run(configured(*settings), digits, CPU, tmp_path / "a", lambda run, total: Silent()).run
    run = start_run(
        configured(*settings, "training.average=0.9"), digits, CPU, tmp_path / "b", lambda run, total: Silent()
    ).run
    assert torch.equal(weights(plain, "generator"), weights(run, "generator"))
    loaded = torch.cat([value.flatten() for _, value in sorted(run.load_generator().state_dict().items())])
    assert torch.equal(loaded, weights(run, "average"))
    assert not torch.equal(loaded, weights(run, "generator"))


def test_a_resumed_average_is_bit_identical(digits: Dataset, tmp_path: Path) -> None:
    config = configured("training.steps=60", "training.log_every=20", "training.average=0.95")
    straight = start_run(config, digits, CPU, tmp_path / "a", lambda run, total: Silent()).run
    short = replace(config, training=replace(config.training, steps=33))
    half = start_run(short, digits, CPU, tmp_path / "b", lambda run, total: Silent()).run
    resumed = resume_run(half, digits, CPU, lambda run, total: Silent(), steps=60).run
    for group in ("average", "generator"):
        assert torch.equal(weights(straight, group), weights(resumed, group))


@pytest.mark.parametrize("value", ["1.0", "-0.1", "nan"])
def test_a_decay_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"training\.average must be from 0 to below 1"):
        configured(f"training.average={value}")


def test_what_a_network_counts_by_itself_is_copied() -> None:
    """Running means are averages already: the average has the trained network's."""
    trained = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    average = WeightAverage(trained, 0.9)
    trained(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + 5.0)
    average.see(10)
    for name, buffer in trained.named_buffers():
        assert torch.equal(average.network.get_buffer(name), buffer)
    assert float(average.network.get_buffer("1.running_mean").abs().max()) > 0
