"""The version is said in two places, and they agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

import gantool


def test_the_project_and_the_package_have_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == gantool.__version__
