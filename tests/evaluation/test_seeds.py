"""What may be compared, and the spread over seeds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.evaluation.compare import differences, require_comparable
from gantool.evaluation.seeds import require_one_configuration, same_but_for_the_seed, summarise
from gantool.runs import Run, create_run
from gantool.runs.checkpoint import save_checkpoint

RECORD: dict[str, Any] = {
    "measure": "parzen",
    "dataset": "mnist",
    "data_fingerprint": "a" * 64,
    "split": "test",
    "test_size": 10_000,
    "dimension": 784,
    "pixel_scaling": "bytes / 255",
    "num_samples": 10_000,
    "sigma": 0.2,
    "sigma_source": "validation",
    "sigma_curve": [{"sigma": 0.1, "log_likelihood": 1.0}, {"sigma": 0.2, "log_likelihood": 2.0}],
    "validation_size": 1_000,
    "log_likelihood": 225.0,
    "standard_error": 2.0,
    "run": "runs/0001-mnist",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"measure": "features"}, "measure: parzen against features"),
        ({"dataset": "digits"}, "data set: mnist against digits"),
        ({"data_fingerprint": "b" * 64}, "data set's fingerprint: aaaaaaaaaaaa against bbbbbbbbbbbb"),
        ({"split": "validation"}, "split: test against validation"),
        ({"test_size": 300}, "rows scored: 10000 against 300"),
        ({"dimension": 64}, "dimension: 784 against 64"),
        ({"pixel_scaling": "as given"}, "pixel scaling: bytes / 255 against as given"),
        ({"num_samples": 1_000}, "number of samples: 10000 against 1000"),
        ({"sigma_source": "given"}, "choice of sigma: .* against given as 0.2"),
        (
            {"sigma_curve": RECORD["sigma_curve"][:1]},
            "choice of sigma: .* of 2 values from 0.1 to 0.2 against .* 1 val",
        ),
        ({"validation_size": 10}, "choice of sigma: validation on 1,000 rows .* against validation on 10 rows"),
    ],
)
def test_unlike_scores_are_refused_and_the_difference_named(change: dict[str, Any], words: str) -> None:
    other = RECORD | change | {"run": "runs/0002-mnist"}
    with pytest.raises(UsageError, match=rf"runs/0001-mnist and runs/0002-mnist cannot be compared.*{words}"):
        require_comparable([RECORD, RECORD, other])


def test_two_given_sigmas_are_two_protocols() -> None:
    given = RECORD | {"sigma_source": "given"}
    assert "choice of sigma" in differences(given, given | {"sigma": 0.3})
    require_comparable([given, given])


def test_a_difference_between_later_records_is_seen_too() -> None:
    unknown = {**RECORD, "data_fingerprint": None}
    with pytest.raises(UsageError, match=r"fingerprint: a+ against b+"):
        require_comparable(
            [unknown, {**RECORD, "data_fingerprint": "a" * 64}, {**RECORD, "data_fingerprint": "b" * 64}]
        )


def test_unlike_rulers_are_not_compared() -> None:
    features = {"measure": "features", "dataset": "digits", "features": "gantool classifier", "classifier": "a" * 64}
    assert differences(features, features) == {}
    assert differences(features, features | {"classifier": "b" * 64}) == {"classifier": ("a" * 12, "b" * 12)}
    assert differences(features, features | {"classifier": None}) == {"classifier": ("a" * 12, "unknown")}
    assert "features" in differences(features, features | {"features": "rows", "classifier": None})
    inception = features | {"features": "inception", "classifier": None, "about": "version 1"}
    assert "features" in differences(inception, inception | {"about": "version 2"})
    modes = {"measure": "diversity", "modes_by": "a small classifier", "classifier": "a" * 64}
    assert "classifier" in differences(modes, modes | {"classifier": "b" * 64})


def test_what_does_not_decide_the_terms_is_no_difference() -> None:
    other = RECORD | {"log_likelihood": 3.0, "sigma": 0.1, "seed": 5, "impl": "reference", "device": "cuda", "step": 9}
    assert differences(RECORD, other) == {}
    old = {key: value for key, value in RECORD.items() if key not in ("measure", "data_fingerprint")}
    assert differences(RECORD, old) == {}


def test_mean_and_standard_error_across_seeds() -> None:
    values = [74.6, 65.2, 89.5]
    found = summarise([RECORD | {"log_likelihood": value} for value in values], [0, 1, 2]).to_dict()
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["standard_error_across_seeds"] == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))
    assert (found["num_runs"], found["seeds"]) == (3, [0, 1, 2])
    assert "over 3 training seeds" in found["notes"][0]


def test_one_seed_has_no_spread() -> None:
    found = summarise([RECORD], [4])
    assert (found.mean, found.standard_error_across_seeds) == (225.0, None)
    assert "One seed has no spread" in found.notes[0]


def make_run(folder: Path, seed: int, step: int = 7, name: str = "digits", **training: Any) -> Run:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    config = replace(config, name=name, training=replace(config.training, seed=seed, **training))
    run = create_run(folder, config, load_dataset(DataConfig("digits")), {})
    save_checkpoint(run.checkpoints, step, {"generator": {}})
    return run


def test_runs_must_differ_in_the_seed_alone(tmp_path: Path) -> None:
    first, second = make_run(tmp_path, 0), make_run(tmp_path, 1, name="other")
    require_one_configuration([first, second])
    with pytest.raises(
        UsageError, match=r"0001-digits and .*0003-digits differ in training\.batch_size \(100 against 50"
    ):
        require_one_configuration([first, second, make_run(tmp_path, 2, batch_size=50)])
    with pytest.raises(UsageError, match=r"0001-digits is at step 7 and .*0004-digits at step 9.*--step"):
        require_one_configuration([first, make_run(tmp_path, 2, step=9)])
    with pytest.raises(UsageError, match=r"0001-digits and .*0005-digits have the same seed, 0"):
        require_one_configuration([first, second, make_run(tmp_path, 0)])
    moved = replace(second, data=replace(second.data, fingerprint="another"))
    with pytest.raises(UsageError, match="were trained on different rows"):
        require_one_configuration([first, moved])


def test_layers_are_part_of_the_configuration(tmp_path: Path) -> None:
    first, second = make_run(tmp_path, 0), make_run(tmp_path, 1)
    layers = second.config.generator.layers
    fewer = replace(second.config, generator=replace(second.config.generator, layers=layers[1:]))
    with pytest.raises(UsageError, match=r"differ in generator\.layers\.1\.kind \(relu against sigmoid\)"):
        require_one_configuration([first, replace(second, config=fewer)])


def test_the_folders_runs_with_other_seeds(tmp_path: Path) -> None:
    first = make_run(tmp_path, 3)
    make_run(tmp_path, 4, k=2)
    older, newer = make_run(tmp_path, 1), make_run(tmp_path, 1)
    short, again = make_run(tmp_path, 2, step=3), make_run(tmp_path, 3)
    chosen, notes = same_but_for_the_seed(first, tmp_path)
    assert [run.path for run in chosen] == [newer.path, first.path]
    said = " ".join(notes)
    assert f"{short.path} is left out: it is at step 3, not 7." in said
    assert f"{older.path} is left out: {newer.path} has its seed, 1, too." in said
    assert f"{again.path} is left out: {first.path} has its seed, 3, too." in said
    assert len(notes) == 3
    chosen, notes = same_but_for_the_seed(first, tmp_path, step=7)
    assert [run.path for run in chosen] == [newer.path, first.path]
    assert f"{short.path} is left out: it has no checkpoint of step 7." in notes
