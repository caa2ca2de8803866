"""`gantool report`: which runs it is about, where it goes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gantool.cli.app import app
from gantool.runs import Run


def call(run: Run, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", "--runs-dir", str(run.path.parent), *map(str, arguments)])


def test_the_newest_run_goes_to_report_html(digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(digits_run)
    assert result.exit_code == 0
    assert "A report on 1 run: report.html" in result.stdout
    assert f"gantool eval parzen {digits_run.path}" in result.stderr.replace("\n", "")
    assert "0001-digits" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_json_is_one_object_that_names_what_is_missing(digits_run: Run, tmp_path: Path) -> None:
    result = call(digits_run, "1", "--out", tmp_path / "x.html", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["report"] == str(tmp_path / "x.html")
    assert answer["bytes"] == (tmp_path / "x.html").stat().st_size
    (run,) = answer["runs"]
    assert run["run"] == str(digits_run.path)
    assert {part["part"] for part in run["missing"]} >= {"Training curves", "Parzen-window log-likelihood"}


def test_a_run_that_is_named_twice_is_told_once(digits_run: Run, tmp_path: Path) -> None:
    result = call(digits_run, "1", digits_run.path, "--out", tmp_path / "x.html", "--json")
    assert len(json.loads(result.stdout)["runs"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["9"], "There is no run '9'"),
        (["--out", "x.pdf"], "--out writes .html or .htm, but is asked for x.pdf"),
        (["--out", "/proc/x.html"], "no file can be made in /proc"),
        (["--out", "nowhere/x.html"], "the folder nowhere is not there"),
    ],
)
def test_wrong_requests_write_nothing(
    digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(digits_run, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []
