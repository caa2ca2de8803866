"""Runs with all that a report can tell, written by hand: the truth is then in the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.models import build_generator
from gantool.report.page import write_report
from gantool.runs import Run, create_run
from gantool.runs.checkpoint import save_checkpoint

MakeRun = Callable[..., Run]
SIGMAS = (0.1, 0.2, 0.4, 0.8)


def parzen_record(**changes: Any) -> dict[str, Any]:
    """A complete record, with numbers that occur once each."""
    curve = [{"sigma": sigma, "log_likelihood": -60.0 + 12.5 * index} for index, sigma in enumerate(SIGMAS[:3])]
    return {
        "measure": "parzen", "dataset": "digits", "split": "test", "test_size": 300, "num_samples": 10_000,
        "dimension": 64, "sigma": 0.4, "sigma_source": "validation", "log_likelihood": -31.25, "standard_error": 0.875,
        "nats_per_dimension": -31.25 / 64, "sigma_curve": [*curve, {"sigma": 0.8, "log_likelihood": -70.0}],
        "validation_size": 300, "pixel_scaling": "bytes / 16", "seed": 0, "impl": "native (avx2)", "device": "cpu",
        "refined": {
            "sigma": 0.3456, "log_likelihood": -30.5, "standard_error": 0.9, "validation_log_likelihood": -33.25,
        },
        "sample_curve": [
            {"num_samples": 500, "log_likelihood": -44.0, "standard_error": 1.0},
            {"num_samples": 10_000, "log_likelihood": -31.25, "standard_error": 0.875},
        ],
        "uncertainties": [
            {"name": "rows scored", "what_varies": "rows", "value": 0.7, "method": "x", "interval": [-33.5, -29.5]},
            {"name": "training seed", "what_varies": "weights", "value": None, "method": "none", "interval": None},
        ],
        "references": {
            "training_images": {
                "num_samples": 1_197, "sigma": 0.2, "log_likelihood": 28.5, "standard_error": 1.1, "how": "x",
            },
            "kmeans_centroids": None,
        },
        "train_gap": {
            "rows": 299, "train_log_likelihood": -27.5, "test_log_likelihood": -31.25, "gap": 3.75,
            "standard_error": 1.5,
        },
        "per_class": [{"label": 7, "test_size": 31, "log_likelihood": -22.25, "standard_error": 2.125}],
        "class_conditional": None, "paper": None, "warnings": ["The grid <ends> here."], "notes": ["A note."],
        "run": None, "step": 7, "seconds": 1.0,
    } | changes  # fmt: skip


DIVERSITY = {
    "measure": "diversity", "num_samples": 1_000, "verdict": "The generator has collapsed onto few images.",
    "alarms": [{"kind": "collapse", "sentence": "Half of the samples are near-copies of one another."}],
    "differences": ["7 of 9 bins hold another share", "digits are thinner"],
    "duplicates": {"near_share": 0.4321, "data_near_share": 0.0101}, "found": [{"label": 3, "share": 0.9}],
    "modes": {"modes": [0, 1], "counts": [9, 1], "expected_shares": [0.5, 0.5], "captured": 2},
    "histogram": list(range(100)),
    "warnings": [], "step": 7,
}  # fmt: skip
METRICS = [
    {
        "step": step, "epoch": 1, "discriminator_loss": 0.5, "generator_loss": step * 7919 % 100 / 10, "value": -1.0,
        "real_probability": 0.75, "fake_probability": 0.25, "learning_rate": 0.1, "momentum": 0.5,
        "images_per_second": 1e4, "seconds": 1.0,
    }
    for step in range(10, 2_010, 2)
]  # fmt: skip
METRICS[5]["validation_score"] = -40.0
METRICS[50]["validation_score"] = -35.0
METRICS[60]["alarms"] = [{"kind": "collapse", "sentence": "The samples repeat themselves."}]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """make_run(preset, scores=…, metrics=…, step=7, about=…) → a run with a checkpoint of fresh weights at `step`."""

    def make(
        preset: str = "digits",
        *,
        scores: tuple[dict[str, Any], ...] = (),
        metrics: list[dict[str, Any]] | None = None,
        step: int | None = 7,
        **changes: Any,
    ) -> Run:
        config = replace(build_config(read_tree(preset_text(preset), preset)), **changes)
        if step is not None:
            config = replace(config, training=replace(config.training, steps=step))
        dataset = load_dataset(config.data)
        run = create_run(tmp_path_factory.mktemp("made") / "runs", config, dataset, {"processor": "a <fast> one"})
        if step is not None:
            mean = dataset.values(dataset.train.stored).mean(dim=0)
            network = build_generator(config.generator, config.noise.dimension, mean, torch.Generator().manual_seed(1))
            save_checkpoint(run.checkpoints, step, {"generator": network.state_dict()})
        for score in scores:
            run.append_score(score)
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in metrics or []), encoding="utf-8")
        return run

    return make


@pytest.fixture(scope="session")
def full_run(make_run: MakeRun) -> Run:
    """A run with every part."""
    features = {
        "measure": "features", "frechet": 12.625, "num_samples": 2_000, "warnings": [], "step": 7,
        "caveat": "only comparable at equal N and with the same features", "reference": {"frechet": 0.25},
    }  # fmt: skip
    return make_run(scores=(parzen_record(), DIVERSITY, features), metrics=METRICS, about="A pair & <more>")


@pytest.fixture(scope="session")
def bare_run(make_run: MakeRun) -> Run:
    """A run that has only begun."""
    return make_run(step=None)


@pytest.fixture(scope="session")
def full_page(full_run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The report on that run, and the answer to the one who asked for it."""
    path = tmp_path_factory.mktemp("full") / "report.html"
    return path, write_report([full_run], path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "report.html"
