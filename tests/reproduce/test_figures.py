"""The paper's figures: p_g of Figure 1 against closed forms and against samples; Figure 2's layout; the command."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.pictures import sheets
from gantool.reproduce.figure1 import panel_of, prior, pushed_forward
from gantool.runs import open_run
from gantool.runs.checkpoint import checkpoint_steps


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


Z = np.linspace(-6, 6, 20_001)


@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (-0.5, 0.3)])
def test_a_line_pushes_a_gaussian_to_a_gaussian(a: float, b: float) -> None:
    x = np.linspace(-4, 4, 101)
    found = pushed_forward(prior(Z), a * Z + b, np.full_like(Z, a), x)
    assert found == pytest.approx(prior((x - b) / a) / abs(a), abs=1e-6)


def test_both_branches_of_a_square_count() -> None:
    """z² of N(0, 1) is chi-squared with one degree of freedom."""
    x = np.linspace(0.05, 6, 50)
    found = pushed_forward(prior(Z), Z**2, 2 * Z, x)
    assert found == pytest.approx(np.exp(-x / 2) / np.sqrt(2 * math.pi * x), rel=1e-3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    folder = tmp_path_factory.mktemp("figures")
    code, _, err = call("train", "--dataset", "digits", "--steps", "20", "--runs-dir", folder)
    assert code == 0, err
    code, out, err = call("reproduce", "figures", "1", "--runs-dir", folder, "--quick", "--json")
    assert code == 0, err
    return folder / "figures", json.loads(out)


def test_the_command_writes_every_figure(drawn: tuple[Path, dict[str, list[str]]]) -> None:
    folder, answer = drawn
    names = {Path(path).name for path in answer["figures"]}
    assert names == {
        "figure1.png", "figure1-dark.png", "figure1.svg", "figure1.gif", "figure2-0001-digits.png",
        "figure3-0001-digits.png",
    }  # fmt: skip
    with Image.open(folder / "figure1.gif") as film:
        assert film.n_frames == 8
    assert all((folder / name).stat().st_size > 1_000 for name in names)


def test_the_density_of_a_trained_generator_is_that_of_its_samples(drawn: tuple[Path, dict[str, list[str]]]) -> None:
    run = open_run(drawn[0] / "0001-figure1")
    panel = panel_of(run, checkpoint_steps(run.checkpoints)[-1])
    step = panel.x[1] - panel.x[0]
    inside = panel.p_g.sum() * step
    z = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples = run.load_generator()(z).numpy().ravel()
    counts, edges = np.histogram(samples, bins=20, range=(panel.x[0], panel.x[-1]))
    shares = [panel.p_g[(panel.x >= low) & (panel.x < high)].sum() * step for low, high in itertools.pairwise(edges)]
    assert inside == pytest.approx(counts.sum() / len(samples), abs=0.01)
    assert np.array(shares) == pytest.approx(counts / len(samples), abs=0.01)
    assert panel.d_star == pytest.approx(panel.p_data / (panel.p_data + panel.p_g), abs=1e-9)


def test_another_run_has_no_figure_1(drawn: tuple[Path, dict[str, list[str]]]) -> None:
    run = open_run(drawn[0].parent / "0001-digits")
    with pytest.raises(Exception, match="Figure 1 is drawn of runs of the preset figure1"):
        panel_of(run, 20)


def test_figure_2_has_the_training_images_at_the_right_in_yellow_frames(tmp_path: Path) -> None:
    samples, neighbours = torch.zeros(2, 3, 4), torch.full((2, 4), 1.0)
    sheets.figure2_sheet(samples, neighbours, (1, 2, 2), tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    yellow = (pixels == (255, 200, 0)).all(axis=2)
    black = (pixels == 0).all(axis=2)
    assert yellow.any()
    assert np.flatnonzero(yellow.any(axis=0)).min() > np.flatnonzero(black.any(axis=0)).max()
    assert yellow.any(axis=1).sum() > black.any(axis=1).sum()


def test_a_run_without_images_is_refused(tmp_path: Path) -> None:
    code, _, err = call("train", "--dataset", "ring2d", "--steps", "2", "--runs-dir", tmp_path)
    assert code == 0, err
    code, _, err = call("reproduce", "figures", "1", "--runs-dir", tmp_path, "--quick")
    assert code == 2
    assert "Figures 2 and 3 show images" in err
