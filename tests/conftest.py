"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The data root that holds the real MNIST files under `mnist/`; the test skips where there is none."""
    root = os.environ.get("GANTOOL_DATA_DIR")
    if not root or not (Path(root) / "mnist" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("real MNIST is not here: set GANTOOL_DATA_DIR to a folder that holds mnist/*.gz")
    return Path(root).resolve()
