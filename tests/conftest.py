"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch is imported. Workers side by side would wait for each other's threads at every barrier.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import pytest

if TYPE_CHECKING:
    from gantool.data import Dataset


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Native tests skip where the kernels are not built, and fail there under GANTOOL_REQUIRE_NATIVE=1.

    CUDA tests skip where there is no such device.
    """
    if item.get_closest_marker("cuda") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device here")
    if item.get_closest_marker("native") is None:
        return
    from gantool.native import load as native

    if native.CPU.loaded:
        return
    reason = f"the compiled kernels are not here: {native.CPU.reason}"
    if os.environ.get("GANTOOL_REQUIRE_NATIVE", "") not in ("", "0"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The data root that holds the real MNIST files under `mnist/`; the test skips where there is none."""
    root = os.environ.get("GANTOOL_DATA_DIR")
    if not root or not (Path(root) / "mnist" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("real MNIST is not here: set GANTOOL_DATA_DIR to a folder that holds mnist/*.gz")
    return Path(root).resolve()


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The embedded digits."""
    from gantool.config import DataConfig
    from gantool.data import load_dataset

    return load_dataset(DataConfig("digits"))
