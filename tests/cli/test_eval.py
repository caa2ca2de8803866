"""`gantool eval parzen`: on a run, on arrays, and every way to ask for it wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calling import Command
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.runs import Run

call = Command("eval", "parzen")
answer = call.answer


def on_run(run: Run, *arguments: object) -> tuple[object, ...]:
    return ("--runs-dir", run.path.parent, *arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two Gaussian clouds: samples, test, validation and training rows, 2-D."""
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(0)
    names = ("samples", "data", "validation", "train-data")
    for name in names:
        np.save(folder / f"{name}.npy", rng.normal(scale=0.3, size=(400, 2)).astype(np.float32))
    return {name: folder / f"{name}.npy" for name in names}


def options(files: dict[str, Path], *names: str) -> list[object]:
    return [item for name in names for item in (f"--{name}", files[name])]


def test_a_run_is_scored_and_the_score_recorded(digits_run: Run) -> None:
    payload = answer(*on_run(digits_run, "--num-samples", 400, "--seed", 5))
    assert (payload["dataset"], payload["split"], payload["test_size"]) == ("digits", "test", 300)
    assert (payload["num_samples"], payload["seed"], payload["step"]) == (400, 5, 7)
    assert payload["run"] == str(digits_run.path)
    assert payload["sigma_source"] == "validation"
    assert payload["sigma"] == max(payload["sigma_curve"], key=lambda point: point["log_likelihood"])["sigma"]
    assert payload["references"]["training_images"]["num_samples"] == 400
    assert payload["references"]["kmeans_centroids"]["num_samples"] == 400
    assert digits_run.scores()[-1] == payload


def test_the_score_is_that_of_the_sampled_array(digits_run: Run, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.npz"
    arguments = ["sample", "--runs-dir", str(digits_run.path.parent), "--n", "300", "--seed", "5", "--out", str(drawn)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    of_run = answer(*on_run(digits_run, "--num-samples", 300, "--seed", 5, "--no-references"))
    of_array = answer("--samples", drawn, "--dataset", "digits", "--no-references")
    for key in ("sigma", "sigma_curve"):
        assert of_run[key] == of_array[key]
    # The seed also orders the samples, and sums round by their order.
    assert of_run["log_likelihood"] == pytest.approx(of_array["log_likelihood"], abs=1e-4)
    assert (of_array["run"], of_array["step"]) == (None, None)


def test_an_earlier_checkpoint_is_another_model(digits_run: Run) -> None:
    arguments = on_run(digits_run, "--num-samples", 200, "--no-references")
    early = answer(*arguments, "--step", 3)
    assert early["step"] == 3
    assert early["log_likelihood"] != answer(*arguments)["log_likelihood"]


def test_other_rows_than_the_runs_are_refused_before_anything_runs(digits_run: Run) -> None:
    facts = digits_run.path / "dataset.json"
    original = facts.read_text()
    facts.write_text(json.dumps(json.loads(original) | {"fingerprint": "another"}))
    try:
        result = call(*on_run(digits_run, "--num-samples", 50, "--no-references"))
    finally:
        facts.write_text(original)
    assert result.exit_code == 2
    assert "was trained on other rows than those of scikit-learn's embedded digits." in result.stderr


def test_one_row_has_no_error_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("samples", 30), ("data", 1), ("validation", 20)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(count, 3)).astype(np.float32))
    files = [part for name in ("samples", "data", "validation") for part in (f"--{name}", tmp_path / f"{name}.npy")]
    payload = answer(*files)
    assert payload["standard_error"] is payload["refined"]["standard_error"] is None
    assert payload["uncertainties"][0]["interval"] is None
    said = call(*files).output
    assert "± is missing, since one row is scored and shows no spread" in said
    assert "rows scored: not covered: one row is scored, and one row shows no spread." in said


def test_people_see_score_curve_references_and_sentences(digits_run: Run) -> None:
    result = call(*on_run(digits_run, "--num-samples", 400))
    assert result.exit_code == 0
    for words in (
        "real training images",
        "k-means centroids",
        "← chosen",
        "Parzen estimate at N = 400 and σ = ",
        "not the likelihood; only comparable at equal N, σ protocol and pixel scale (bytes / 16)",
        "it leaves out the samples drawn, the choice of σ and the training seed",
        "samples drawn: ±",
        "training seed: not covered",
        "training rows score",
        "σ refined",
        "Warning: 400 samples are fewer than the protocol's 10,000",
        "evaluations.jsonl",
    ):
        assert words in result.output


def test_arrays_are_scored_with_references(files: dict[str, Path]) -> None:
    payload = answer(*options(files, "samples", "data", "validation", "train-data"), "--num-samples", 400)
    assert (payload["dataset"], payload["split"], payload["dimension"]) == ("data.npy", "data", 2)
    assert payload["pixel_scaling"] == "as given"
    assert payload["references"]["training_images"]["num_samples"] == 400
    assert payload["references"]["kmeans_centroids"]["num_samples"] == 200
    # The samples are the truth: two draws of one cloud differ by their own error.
    gap = payload["log_likelihood"] - payload["references"]["training_images"]["log_likelihood"]
    assert abs(gap) < 3 * payload["standard_error"]


def test_two_arrays_suffice_for_everything_but_the_training_rows(files: dict[str, Path]) -> None:
    payload = answer(*options(files, "samples", "data"), "--sigma-search")
    assert payload["measure"] == "parzen"
    assert (payload["sigma_source"], payload["validation_size"]) == ("leave-one-out", 400)
    assert payload["refined"].keys() == {"sigma", "log_likelihood", "standard_error", "validation_log_likelihood"}
    assert payload["sample_curve"][-1]["num_samples"] == 400
    assert {source["name"] for source in payload["uncertainties"]} >= {"rows scored", "samples drawn", "training seed"}
    images, kmeans = (payload["references"][name] for name in ("training_images", "kmeans_centroids"))
    assert (images["num_samples"], kmeans["num_samples"]) == (200, 100)
    assert images["how"].startswith("200 of 200 rows of --data")
    # The samples are the truth, so that half of the data score them alike but for their number.
    assert images["log_likelihood"] == pytest.approx(payload["log_likelihood"], abs=0.1)
    assert payload["train_gap"] is None
    assert any("--train-data" in said for said in payload["notes"])
    result = call(*options(files, "samples", "data"))
    assert "chosen by leave-one-out on the samples" in result.output
    assert "nats on 400 samples, left out" in result.output


def test_training_rows_show_the_gap(files: dict[str, Path]) -> None:
    arguments = options(files, "samples", "data", "validation", "train-data")
    gap = answer(*arguments, "--no-references")["train_gap"]
    assert gap["rows"] == 400
    assert abs(gap["gap"]) < 4 * gap["standard_error"]
    result = call(*arguments, "--no-references")
    assert "400 training rows score" in result.output


def test_no_refine_leaves_the_refined_row_out(files: dict[str, Path]) -> None:
    arguments = options(files, "samples", "data", "validation")
    assert "these samples, σ refined" in call(*arguments).output
    assert answer(*arguments, "--no-refine")["refined"] is None
    assert "σ refined" not in call(*arguments, "--no-refine").output


def test_labels_give_class_scores(files: dict[str, Path], tmp_path: Path) -> None:
    names: list[object] = []
    for name, member in (("samples", "samples"), ("data", "test")):
        rows = np.load(files[name])
        np.savez(tmp_path / f"{name}.npz", **{member: rows, "labels": (rows[:, 0] > 0).astype(np.int64)})
        names += [f"--{name}", tmp_path / f"{name}.npz"]
    payload = answer(*names, "--no-references")
    assert [score["label"] for score in payload["per_class"]] == [0, 1]
    conditional = payload["class_conditional"]
    # Half of the samples share each row's density, and the other half lay elsewhere: log 2 more.
    assert conditional["log_likelihood"] == pytest.approx(payload["log_likelihood"] + np.log(2), abs=0.2)
    result = call(*names, "--no-references")
    assert "nats by its own samples" in result.output
    assert "By the samples of its own class each row scores" in result.output


def test_the_test_rows_never_move_sigma(files: dict[str, Path], tmp_path: Path) -> None:
    moved = tmp_path / "moved.npy"
    np.save(moved, np.load(files["data"]) + 5)
    arguments = [*options(files, "samples", "validation"), "--no-references"]
    first, second = (answer(*arguments, "--data", data) for data in (files["data"], moved))
    assert first["sigma"] == second["sigma"]
    assert first["sigma_curve"] == second["sigma_curve"]
    assert first["log_likelihood"] != second["log_likelihood"]


def test_a_grid_of_ones_own(files: dict[str, Path]) -> None:
    arguments = [*options(files, "samples", "data", "validation"), "--no-references"]
    payload = answer(*arguments, "--grid", 0.02, 0.5, 4)
    sigmas = [point["sigma"] for point in payload["sigma_curve"]]
    np.testing.assert_allclose(sigmas, np.geomspace(0.02, 0.5, 4))


def test_a_given_sigma_is_named_and_an_absurd_one_shouted(files: dict[str, Path]) -> None:
    arguments = [*options(files, "samples", "data", "validation"), "--no-references", "--sigma", 0.0005]
    payload = answer(*arguments)
    assert (payload["sigma"], payload["sigma_source"]) == (0.0005, "given")
    assert payload["warnings"][0].startswith("SIGMA LOOKS WRONG")
    result = call(*arguments)
    assert "given, not searched" in result.output
    assert "Warning: SIGMA LOOKS WRONG" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sigma", 0.2, "--sigma-search"], "--sigma-search and --sigma exclude each other"),
        (["--sigma", -1], "--sigma must be a number above 0"),
        (["--grid", 1, 0.1, 5], "--grid must be LOW HIGH COUNT"),
        (["--num-samples", 0], "--num-samples must be"),
        (["--validation-rows", 0], "--validation-rows must be"),
        (["--impl", "fast"], "--impl must be one of"),
        (["--device", "tpu"], "--device must be auto, cpu, cuda or cuda:N"),
        (["--step", 5], "There is no checkpoint of step 5"),
        (["--split", "train"], "--split must be test or validation"),
        (["44"], "There is no run '44'"),
        (["--data", "x.npy"], "--data needs --samples FILE"),
        (["--dataset", "digits"], "--dataset needs --samples FILE"),
    ],
)
def test_wrong_requests_of_a_run(digits_run: Run, arguments: list[object], message: str) -> None:
    result = call(*on_run(digits_run, *arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["samples"], [], "--data FILE, or --dataset NAME"),
        (["samples", "data"], ["--dataset", "digits"], "not both"),
        (["samples", "validation"], ["--dataset", "digits"], "rows of its own: leave out --validation"),
        (["samples"], ["--dataset", "digts"], "did you mean digits"),
        (["samples"], ["--dataset", "digits"], "digits has rows of 64 values"),
        (["samples", "data"], ["--split", "validation", "--sigma", 1], "--split chooses a part of a registered"),
        (["samples", "data"], ["3"], "RUN belongs to a run"),
        (["samples", "data"], ["--step", 3], "--step belongs to a run"),
    ],
)
def test_wrong_requests_of_arrays(files: dict[str, Path], names: list[str], more: list[object], message: str) -> None:
    result = call(*options(files, *names), *more)
    assert result.exit_code == 2
    assert message in result.stderr


def test_scored_rows_as_validation_rows_are_refused(files: dict[str, Path]) -> None:
    result = call(*options(files, "samples", "data"), "--validation", files["data"])
    assert result.exit_code == 2
    assert "sigma is never chosen on the rows that are scored" in result.stderr


def test_a_failure_under_json_is_an_object_too(tmp_path: Path) -> None:
    result = call("--runs-dir", tmp_path, "--json")
    assert result.exit_code == 2
    payload = json.loads(result.stdout)
    assert payload["exit_code"] == 2
    assert "There is no run" in payload["error"]


def test_the_whole_of_mnist_stays_under_its_memory_bound(mnist_root: Path, tmp_path: Path) -> None:
    mnist = load_dataset(DataConfig("mnist"), root=mnist_root, offline=True)
    splits = {"samples": mnist.train.stored[:10_000], "data": mnist.test.stored, "validation": mnist.validation.stored}
    for name, stored in splits.items():
        np.save(tmp_path / f"{name}.npy", stored.numpy())
    command = [sys.executable, "-m", "gantool", "eval", "parzen", "--no-references", "--json"]
    arguments = [str(item) for name in splits for item in (f"--{name}", tmp_path / f"{name}.npy")]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        payload = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert usage.ru_maxrss < 1.5e9 / 1024  # kilobytes
    assert (payload["num_samples"], payload["test_size"], payload["dimension"]) == (10_000, 10_000, 784)
    assert payload["sigma"] == pytest.approx(10 ** (-1 + 2 / 9))
    assert payload["notes"][0].startswith("Values are bytes / 255 in --samples")
    # The figure measured at sigma = 0.2 is 230.8; the grid's own best sigma gives more.
    assert payload["log_likelihood"] > 230.8
