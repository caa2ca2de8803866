"""`gantool eval diversity`: on a run, on arrays, and asked wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from calling import Command

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.runs import Run

call = Command("eval", "diversity")
answer = call.answer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The digits as files: fresh rows, training rows, held-out rows, and one digit's image a hundred times."""
    folder = tmp_path_factory.mktemp("arrays")
    digits = load_dataset(DataConfig("digits"))
    arrays = {
        "fresh": digits.values(digits.validation.stored),
        "train": digits.values(digits.train.stored),
        "test": digits.values(digits.test.stored),
        "one": digits.values(digits.validation.stored[:1]).repeat(300, 1),
    }
    for name, rows in arrays.items():
        np.save(folder / f"{name}.npy", rows.numpy())
    return {name: folder / f"{name}.npy" for name in arrays}


def test_a_run_is_measured_and_the_record_kept(digits_run: Run) -> None:
    payload = answer("--runs-dir", digits_run.path.parent, "--num-samples", 200, "--seed", 3)
    assert (payload["measure"], payload["dataset"], payload["split"], payload["step"]) == (
        "diversity", "digits", "test", 7,
    )  # fmt: skip
    assert payload["duplicates"]["num_samples"] == payload["bins"]["num_samples"] == 200
    assert payload["memorisation"]["num_training_rows"] == 1_197
    assert payload["modes"]["modes"] == list(range(10))
    # Weights as they were drawn give one grey image, over and over.
    assert [alarm["kind"] for alarm in payload["alarms"]] == ["collapse"]
    assert digits_run.scores()[-1] == payload


def test_arrays_are_told_apart(files: dict[str, Path]) -> None:
    real = ("--data", files["test"], "--train-data", files["train"])
    verdicts = {name: answer("--samples", files[name], *real) for name in ("fresh", "one", "train")}
    kinds = {name: [alarm["kind"] for alarm in payload["alarms"]] for name, payload in verdicts.items()}
    assert kinds == {"fresh": [], "one": ["collapse"], "train": ["memorisation"]}
    assert verdicts["fresh"]["modes"] is None


def test_the_text_says_the_verdict_the_alarm_and_every_measure(files: dict[str, Path]) -> None:
    result = call("--samples", files["one"], "--dataset", "digits", "--no-classes")
    assert result.exit_code == 0, result.stderr
    for words in ("The generator has collapsed", "Alarm: Collapse", "near another sample", "spread within bins"):
        assert words in result.stdout
    assert "modes captured" not in result.stdout
    assert "Besides, the samples are told from the data: 29 of 30 bins" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--samples", "fresh"), "--data FILE, or --dataset NAME"),
        (("--samples", "fresh", "--dataset", "digits", "--train-data", "train"), "leave out --train-data"),
        (("--samples", "fresh", "--data", "test", "--split", "validation"), "--split chooses a part"),
        (("--samples", "fresh", "--dataset", "digits", "--step", "3"), "--step belongs to a run"),
        (("--data", "test"), "--data needs --samples FILE"),
        (("--samples", "fresh", "--dataset", "digits", "--num-samples", "5"), "--num-samples must be 20 or more"),
        (("--samples", "fresh", "--dataset", "ring2d"), "rows of 2 values"),
    ],
)
def test_asked_wrongly(arguments: tuple[str, ...], message: str, files: dict[str, Path]) -> None:
    result = call(*(files.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
