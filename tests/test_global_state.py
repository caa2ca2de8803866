"""Torch's global state, set to something odd: the library gives the same results, and leaves all of it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gantool import ParzenWindow, load_run
from gantool.config import DataConfig, RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.evaluation import classifier
from gantool.evaluation.diversity.score import DiversitySettings
from gantool.evaluation.features.sources import FeatureSettings
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings, evaluate
from gantool.evaluation.parzen.target import target_of_dataset
from gantool.evaluation.subject import Place, subject_of_run
from gantool.nn import Maxout
from gantool.ops import maxout, parzen_log_density
from gantool.training.session import resume_run, start_run


class Silent:
    def on_record(self, record: Any) -> None: ...
    def on_samples(self, step: int, sheet: Path) -> None: ...
    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


def configuration() -> RunConfig:
    tree = read_tree(preset_text("digits"), "digits")
    tree["training"] |= {"steps": 6, "log_every": 2, "checkpoint_every": 6}
    return build_config(tree)


def state() -> dict[str, Any]:
    """Everything that the library might write."""
    return {
        "generator": torch.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "device": str(torch.get_default_device()),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "autocast": torch.is_autocast_enabled("cpu"),
    }


def flat(tree: Any) -> list[Any]:
    """The numbers and words of a record, without what no two evaluations share."""
    if isinstance(tree, dict):
        return [value for key, item in tree.items() if key not in ("seconds", "run") for value in flat(item)]
    if isinstance(tree, (list, tuple)):
        return [value for item in tree for value in flat(item)]
    return [tree]


def everything(folder: Path) -> dict[str, Any]:
    """What each public function gives, in plain values."""
    device = torch.device("cpu")
    digits = load_dataset(DataConfig("digits"))
    outcome = start_run(configuration(), digits, device, folder / "runs", lambda run, total: Silent())
    run = load_run(outcome.run.path)
    found: dict[str, Any] = {"sample": run.sample(8, seed=3).numpy()}
    resume_run(run, digits, device, lambda run, total: Silent(), steps=8)
    found["resumed"] = run.sample(8, seed=3).numpy()
    weights = run.checkpoints / "step-0000008"
    found["weights"] = [path.read_bytes() for path in sorted(weights.glob("*.safetensors"))]
    place = Place(device)
    settings = ParzenSettings(num_samples=100, validation_rows=40, cache=folder / "kmeans")
    features = FeatureSettings(num_samples=100, cache=folder / "classifiers")
    diversity = DiversitySettings(num_samples=100, cache=folder / "kmeans", classifiers=folder / "classifiers")
    found["parzen"] = flat(measure("parzen", subject_of_run(run, place, "test"), settings).to_dict())
    measured = measure("features", subject_of_run(run, place, "test"), features)
    found["classifier"], found["features"] = measured.classifier, flat(measured.to_dict())
    found["diversity"] = flat(measure("diversity", subject_of_run(run, place, "test"), diversity).to_dict())
    rows = digits.train.stored.numpy() / 16
    window = ParzenWindow(bandwidth="grid").fit(rows[:100].astype(np.float32))
    found["window"] = window.score_samples(rows[100:110].astype(np.float32))
    found["window sample"] = window.sample(3, random_state=0)
    found["window score"] = window.score(rows[100:110])
    queries, samples = (torch.from_numpy(part.astype(np.float32)) for part in (rows[:9], rows[9:40]))
    found["density"] = parzen_log_density(queries, samples, [0.2, 0.3]).numpy()
    layer = Maxout(64, 5, 3, rng=torch.Generator().manual_seed(0), device="cpu", dtype=torch.float32)
    found["layer"] = layer(queries).detach().numpy()
    found["maxout"] = maxout(queries, layer.weight.detach(), layer.bias.detach()).numpy()
    return found


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")  # holds no values, so that whatever lands there by mistake is missed
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        yield


ODD: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "generator": seeded,
    "default dtype": default_dtype,
    "default device": default_device,
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "deterministic": deterministic,
    "threads": threads,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_LEAST_STEPS", 30)  # for speed: a worse classifier is one as well
        yield everything(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("odd", ODD)
def test_results_and_state_are_the_same(odd: str, plain: dict[str, Any], tmp_path: Path) -> None:
    with ODD[odd]():
        before = state()
        found = everything(tmp_path)
        assert state() == before
    for name, expected in plain.items():
        if odd != "threads":
            assert str(found[name]) == str(expected), name
    # The number of threads may decide how products round, but never what measures.
    assert found["classifier"] == plain["classifier"]


def test_rows_made_in_inference_mode_are_scored_and_autocast_rounds_none_of_it(tmp_path: Path) -> None:
    digits = load_dataset(DataConfig("digits"))
    target = target_of_dataset(digits, "test", 40, references=False)
    settings = ParzenSettings(num_samples=100, references=False)
    samples = digits.values(digits.train.stored[:100])
    expected = evaluate(samples, target, settings)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = evaluate(samples.clone(), replace(target, scored=target.scored.clone()), settings)
    assert flat(found.to_dict()) == flat(expected.to_dict())


def test_the_users_random_numbers_are_the_users(tmp_path: Path) -> None:
    digits = load_dataset(DataConfig("digits"))
    outcome = start_run(configuration(), digits, torch.device("cpu"), tmp_path, lambda run, total: Silent())
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        load_run(outcome.run.path).sample(4)
        assert torch.equal(torch.rand(1), expected)
