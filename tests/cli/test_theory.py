"""`gantool theory` as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.theory.studies import STUDIES


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["theory", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


PAGES = sorted((Path(__file__).parents[2] / "docs").glob("theory-*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_the_pages_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("GAME.txt").write_text("3 1\n0 2\n")
    lines = [line.strip() for line in page.read_text().splitlines() if line.startswith("    gantool theory ")]
    assert lines
    for line in lines:
        code, out, err = call(*shlex.split(line)[2:], "--quick")
        assert code == 0, err
        assert "Figure: runs/theory/" in out


def test_each_study_has_its_page() -> None:
    assert {page.stem.removeprefix("theory-") for page in PAGES} == set(STUDIES)


def test_alone_it_lists_the_studies() -> None:
    code, out, _ = call()
    assert code == 0
    assert all(name in out for name in STUDIES)


def test_a_study_is_a_table_a_figure_and_json(tmp_path: Path) -> None:
    code, out, _ = call("generation", "--quick", "--out", tmp_path / "f.png")
    assert code == 0
    assert out.startswith("A game whose equilibrium is the data")
    assert out.count("yes") >= 10  # a narrow terminal folds the claims
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.format == "PNG"
    code, out, _ = call("generation", "--quick", "--out", tmp_path / "f.svg", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["holds"] is True
    assert {"text", "computed", "exact", "difference", "tolerance", "relation", "holds"} <= set(found["claims"][0])
    assert (tmp_path / "f.svg").read_text().lstrip().startswith("<?xml")


def test_a_check_that_fails_ends_in_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.theory.generation.LOG4", 1.0)
    code, out, _ = call("generation", "--quick", "--out", tmp_path / "f.png")
    assert code == 1
    assert "NO" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("optimun",), "There is no study 'optimun'; did you mean optimum?"),
        (("optimum", "--matrix", "x"), "--matrix is an option of gantool theory games, not of optimum."),
        (("games", "--matrix", "nowhere.txt"), "The matrix nowhere.txt cannot be read: No such file or directory."),
        (("divergences", "--p", "N(0,1)"), "--p and --q go together: give both, or neither."),
        (("games", "--out", "x.gif"), "--out must end in .png or .svg, but is x.gif."),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(*arguments)
    assert code == 2
    assert sentence in err
    assert list(tmp_path.iterdir()) == []
