"""A run in a notebook: what its records and folders hold, whoever wrote them, is shown or left out."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from report.document import Document

from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.runs import Run, create_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = build_config(read_tree(preset_text("digits"), "digits"))
    return create_run(tmp_path, config, load_dataset(DataConfig("digits")), {"torch": "any"})


def log(run: Run, **changes: Any) -> None:
    """Three lines of losses, with the changes in each."""
    lines = [
        {"step": step, "seconds": 1.0, "discriminator_loss": 1.0 / step, "generator_loss": 2.0 * step} | changes
        for step in (1, 2, 4)
    ]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))


def curves(html: str) -> list[str]:
    return re.findall(r'<polyline [^>]*points="([^"]*)"', html)


def test_both_losses_are_drawn_on_one_scale(run: Run) -> None:
    log(run)
    html = run._repr_html_()
    assert Document(html).problems == []
    below, above = ([tuple(map(float, point.split(","))) for point in curve.split()] for curve in curves(html))
    assert [x for x, _ in below] == [x for x, _ in above] == [90.0, 180.0, 360.0]
    assert (max(y for _, y in below), min(y for _, y in above)) == (120.0, 0.0)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "text", 10**400], ids=lambda v: str(v)[:4])
def test_a_loss_that_is_no_number_costs_its_own_curve(run: Run, value: object) -> None:
    log(run, generator_loss=value)
    (curve,) = curves(run._repr_html_())
    assert "nan" not in curve
    log(run, generator_loss=value, discriminator_loss=value)
    assert curves(run._repr_html_()) == []


def test_the_newest_sheet_is_shown_and_no_name_of_a_file_is_markup(run: Run) -> None:
    for name in ("step-9999999.png", "step-10000000.png", 'step-"><b onload=x>.png', "step-²2.png"):
        (run.samples / name).write_bytes(name.encode())
    html = run._repr_html_()
    assert "onload" not in html
    (image,) = Document(html).attributes("img")
    assert image["alt"] == "samples at step 10,000,000"
    assert image["src"] == "data:image/png;base64," + base64.b64encode(b"step-10000000.png").decode()


def test_a_run_without_anything_is_one_line(run: Run) -> None:
    assert "\n" not in repr(run)
    assert len(repr(run)) < 300
    assert Document(run._repr_html_()).words.endswith("not scored yet: gantool eval parzen")
