"""Runs without training: a checkpoint of freshly drawn weights, in a real run directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.models import build_generator
from gantool.runs import Run, create_run
from gantool.runs.checkpoint import save_checkpoint

MakeRun = Callable[..., Run]


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """make_run(preset, steps=(7,)) → a run in a folder of its own, with a checkpoint at each step."""

    def make(preset: str, steps: tuple[int, ...] = (7,)) -> Run:
        config = build_config(read_tree(preset_text(preset), preset))
        dataset = load_dataset(config.data)
        mean = dataset.values(dataset.train.stored).mean(dim=0)
        run = create_run(tmp_path_factory.mktemp(preset) / "runs", config, dataset, {})
        for step in steps:
            rng = torch.Generator().manual_seed(step)
            generator = build_generator(config.generator, config.noise.dimension, mean, rng)
            save_checkpoint(run.checkpoints, step, {"generator": generator.state_dict()})
        return run

    return make


@pytest.fixture(scope="module")
def digits_run(make_run: MakeRun) -> Run:
    """A run on the digits with checkpoints at steps 3 and 7."""
    return make_run("digits", (3, 7))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache is left alone: each test keeps its own."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache
