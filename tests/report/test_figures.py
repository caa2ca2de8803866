"""Charts are read back from their SVG: the text in them, and where the curve is highest."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from report.conftest import METRICS, SIGMAS, parzen_record

from gantool.report.drawing import Picture, render
from gantool.report.figures import modes_figure, sample_count_figure, sigma_figure, training_figures
from gantool.report.markup import figure

SVG = "{http://www.w3.org/2000/svg}"


def texts(content: bytes) -> set[str]:
    return {"".join(element.itertext()).strip() for element in ElementTree.fromstring(content).iter(f"{SVG}text")}


def line(content: bytes, points: int) -> np.ndarray:
    """The first drawn line that has so many points: [points, 2] in the picture's units, y downwards."""
    for path in paths(content):
        if "clip-path" in path.attrib and len(coordinates(path)) == points:
            return coordinates(path)
    raise AssertionError(f"no line of {points} points")


def dashed(content: bytes) -> np.ndarray:
    (path,) = [
        path for path in paths(content) if "stroke-dasharray" in path.get("style", "") and "clip-path" in path.attrib
    ]
    return coordinates(path)


def paths(content: bytes) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(content).iter(f"{SVG}path"))


def coordinates(path: ElementTree.Element) -> np.ndarray:
    return np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path.get("d", "")), float)


def drawn(picture: Picture | None) -> Picture:
    assert picture is not None
    assert picture.dark is not None
    assert picture.dark != picture.light
    return picture


def test_the_sigma_curve_is_the_records_and_names_its_marks() -> None:
    picture = drawn(sigma_figure(parzen_record()))
    words = texts(picture.light)
    assert {
        "validation rows",
        "σ = 0.4",
        "refined σ = 0.3456",
        "test rows, −31.2",
        "real training images, 28.5",
    } <= words
    curve = line(picture.light, len(SIGMAS))
    # σ is on a logarithmic axis: doubling is the same step everywhere; heights are linear in nats.
    steps = np.diff(curve[:, 0])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-4)
    expected = np.array([-60.0, -47.5, -35.0, -70.0])
    heights = -curve[:, 1]
    np.testing.assert_allclose((heights - heights[0]) / (heights[2] - heights[0]), (expected + 60.0) / 25.0, atol=1e-4)
    assert "highest, -35.0 nats, at σ = 0.4" in picture.alt
    assert "Real training images stand on N = 1,197: not comparable" in picture.caption


def test_a_sigma_that_was_left_out_of_the_curve_is_no_error() -> None:
    assert sigma_figure(parzen_record(sigma_curve=[])) is None
    drawn(sigma_figure(parzen_record(sigma=0.3, refined=None, references={})))


def test_the_score_over_the_number_of_samples() -> None:
    picture = drawn(sample_count_figure(parzen_record()))
    assert "-44.0 nats with 500 samples, -31.2 with 10,000" in picture.alt
    assert sample_count_figure(parzen_record(sample_curve=None)) is None
    assert sample_count_figure({}) is None


def test_modes_are_shares_beside_the_datas() -> None:
    modes = {"modes": [0, 1, 2], "counts": [30, 10, 0], "expected_shares": [0.5, 0.25, 0.25]}
    picture = drawn(modes_figure({"modes": modes}))
    assert picture.alt.endswith("0: 75.0%, 1: 25.0%, 2: 0.0%.")
    assert {"samples", "data"} <= texts(picture.light)
    assert modes_figure({"modes": modes | {"counts": [1, 2]}}) is None
    assert modes_figure({"modes": None}) is None


def test_training_has_a_chart_for_every_number_that_was_logged() -> None:
    pictures = training_figures(METRICS)
    assert [picture.title for picture in pictures] == [
        "Losses", "Value of the game", "What D believes", "Validation score",
    ]  # fmt: skip
    assert {"D loss", "G loss"} <= texts(pictures[0].light)
    assert "−log 4" in texts(pictures[1].light)
    assert "validation score goes from -40 at step 20 to -35 at step 110" in pictures[3].alt
    assert training_figures([]) == []


def test_long_curves_are_means_of_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert training_figures(METRICS)[0].caption == "Each point is the mean of 3 logged lines."
    monkeypatch.setattr("gantool.report.figures._MOST_POINTS", 7)
    records = [{"step": step, "generator_loss": step * 37 % 11} for step in range(20)]
    picture = drawn(training_figures(records)[0])
    losses = np.array([record["generator_loss"] for record in records])
    means = np.array([part.mean() for part in np.split(losses, range(3, len(losses), 3))])
    heights = -line(picture.light, len(means))[:, 1]
    low, high = means.argmin(), means.argmax()
    found = (heights - heights[low]) / (heights[high] - heights[low])
    np.testing.assert_allclose(found, (means - means.min()) / np.ptp(means), atol=1e-4)


def test_the_equilibrium_has_its_line() -> None:
    values = [-1.0, -math.log(4.0), -2.0]
    (picture,) = training_figures([{"step": step, "value": value} for step, value in enumerate(values)])
    curve, level = line(picture.light, 3), dashed(picture.light)
    np.testing.assert_allclose(level[:, 1], curve[1, 1], atol=1e-4)


@pytest.mark.parametrize("value", [None, float("nan"), True, "text"])
def test_values_that_are_no_numbers_are_left_out(value: object) -> None:
    assert training_figures([{"step": 1, "value": value}]) == []


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "module://no.such", "nonsense"])
def test_the_backend_of_the_environment_does_not_matter(backend: str) -> None:
    """What a notebook hands to a shell, where its backend may not be installed."""
    program = (
        "from gantool.report.drawing import render; "
        "picture = render('t', 'a', 'c', lambda axes, theme: axes.plot([1, 2])); print(len(picture.light) > 1000)"
    )
    environment = os.environ | {"MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout == "True\n", done.stderr


def test_the_users_own_style_does_not_matter(tmp_path: Path) -> None:
    """TeX need not be installed, and equal runs give equal reports on any desk."""
    program = (
        "import sys; from gantool.report.drawing import render; "
        "picture = render('t', 'a', 'c', lambda axes, theme: axes.plot([1, 2])); sys.stdout.buffer.write(picture.light)"
    )
    style = tmp_path / "matplotlibrc"
    style.write_text("text.usetex: True\nfont.size: 30\nlines.linewidth: 9\n")
    command = [sys.executable, "-c", program]
    styled = subprocess.run(command, capture_output=True, env=os.environ | {"MATPLOTLIBRC": str(style)}, check=True)
    assert len(styled.stdout) > 1000
    assert styled.stdout == subprocess.run(command, capture_output=True, check=True).stdout


def test_what_goes_wrong_in_drawing_is_the_pictures_fault() -> None:
    def draw(axes: object, theme: object) -> None:
        raise KeyError("our own")

    picture = render("Title", "In words.", "", draw)
    assert picture.fault == "the chart cannot be drawn (KeyError: 'our own')"
    assert "In words." in figure(picture)


@pytest.mark.parametrize("kind", [ImportError, MemoryError])
def test_where_no_chart_could_be_drawn_the_error_is_told(kind: type[Exception]) -> None:
    def draw(axes: object, theme: object) -> None:
        raise kind

    with pytest.raises(kind):
        render("Title", "In words.", "", draw)
