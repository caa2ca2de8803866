"""Making, finding and reading run directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import gantool
from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.models import build_generator
from gantool.runs import Run, create_run, find_run, list_runs, unreadable_runs
from gantool.runs.checkpoint import save_checkpoint


def make_run(runs_dir: Path) -> Run:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    return create_run(runs_dir, config, load_dataset(DataConfig("digits")), {"torch": "any"})


def test_runs_are_numbered_and_latest_is_the_newest(tmp_path: Path) -> None:
    first, second = make_run(tmp_path), make_run(tmp_path)
    assert [run.path.name for run in (first, second)] == ["0001-digits", "0002-digits"]
    for reference in (None, "latest", "2", "0002", "0002-digits", str(second.path)):
        assert find_run(reference, tmp_path).path.resolve() == second.path.resolve()
    assert find_run("1", tmp_path).path == first.path
    assert [run.path.name for run in list_runs(tmp_path)] == ["0001-digits", "0002-digits"]


def test_the_ten_thousandth_run_is_found(tmp_path: Path) -> None:
    make_run(tmp_path).path.rename(tmp_path / "9999-digits")
    assert make_run(tmp_path).path.name == "10000-digits"
    assert find_run("10000", tmp_path).path.name == "10000-digits"
    assert make_run(tmp_path).path.name == "10001-digits"


def test_a_missing_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no run in .* yet; make one with `gantool train`"):
        find_run(None, tmp_path / "none")
    run = make_run(tmp_path)
    with pytest.raises(UsageError, match=r"There is no run '7'; the newest in .*: 0001-digits"):
        find_run("7", tmp_path)
    with pytest.raises(UsageError, match=r"There is no checkpoint in .*"):
        run.load_generator()
    (run.path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="does not hold what a run writes"):
        find_run("1", tmp_path)


def test_samples_from_python_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mean = torch.full((64,), 0.25)
    network = build_generator(run.config.generator, 32, mean, torch.Generator().manual_seed(5))
    save_checkpoint(run.checkpoints, 12, {"generator": network.state_dict()})
    opened = gantool.load_run(run.path)
    samples = opened.sample(5, seed=1)
    assert (samples.shape, samples.dtype, opened.latest_step()) == ((5, 64), torch.float32, 12)
    assert torch.equal(samples, opened.sample(5, seed=1))
    assert not torch.equal(samples, opened.sample(5, seed=2))
    for name, value in opened.load_generator().state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def score(value: float) -> dict[str, Any]:
    return {"log_likelihood": value, "num_samples": 10, "sigma": 0.2, "split": "test", "dataset": "digits"}


def test_scores_are_kept_in_order_and_a_torn_line_spoils_itself_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert run.scores() == []
    run.append_score(score(1.0))
    with run.evaluations.open("a") as stream:
        stream.write('{"log_like')
    assert [one["log_likelihood"] for one in run.scores()] == [1.0]
    assert run.damage(run.evaluations) == []  # a line without an end may still be being written
    run.append_score(score(2.0))
    assert [one["log_likelihood"] for one in run.scores()] == [1.0, 2.0]
    (said,) = run.damage(run.evaluations)
    assert said == f"1 of the lines of {run.evaluations} (line 2) hold no record and are left out."


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b"\xff\xfe", b'{"log_likelihood": "much"}', b'{"measure": 5}', b"[" * 100_000], ids=range(6)
)
def test_an_odd_line_hides_itself_alone(line: bytes, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.append_score(score(1.0))
    with run.evaluations.open("ab") as stream:
        stream.write(line + b"\n")
    run.append_score(score(2.0))
    assert [one["log_likelihood"] for one in run.scores()] == [1.0, 2.0]
    assert len(run.damage(run.evaluations)) == 1
    assert [one.path for one in list_runs(tmp_path)] == [run.path]


def test_latest_is_a_convenience(tmp_path: Path) -> None:
    first, second = make_run(tmp_path), make_run(tmp_path)
    assert find_run(None, tmp_path).path.name == second.path.name
    (tmp_path / "latest").unlink()
    assert find_run("latest", tmp_path).path.name == second.path.name
    (tmp_path / "latest").symlink_to(first.path.name)
    assert find_run(None, tmp_path).path.name == first.path.name
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").mkdir()  # what a copied tree makes of a link
    third = make_run(tmp_path)
    assert find_run(None, tmp_path).path.name == third.path.name
    assert not list(tmp_path.glob(".latest*"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "does not hold what a run writes"),
        ("config.json", '{"name": "x"}', "The configuration lacks"),
        ("dataset.json", '{"shape": 5}', "does not hold what a run writes"),
        ("config.json", None, "cannot be read: Is a directory"),
    ],
)
def test_a_run_that_cannot_be_read_hides_no_other(name: str, content: str | None, said: str, tmp_path: Path) -> None:
    broken, sound = make_run(tmp_path), make_run(tmp_path)
    (broken.path / name).unlink()
    if content is None:
        (broken.path / name).mkdir()
    else:
        (broken.path / name).write_text(content)
    assert [run.path for run in list_runs(tmp_path)] == [sound.path]
    (sentence,) = unreadable_runs(tmp_path)
    assert said in sentence


def test_a_run_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    digits = load_dataset(DataConfig("digits"))
    with pytest.raises(ValueError, match="JSON"):
        create_run(tmp_path, make_run(tmp_path / "other").config, digits, {"speed": float("nan")})
    assert list(tmp_path.glob("0001*")) == []
