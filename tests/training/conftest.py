"""Fixtures of the training tests."""

from __future__ import annotations

import pytest

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The embedded digits."""
    return load_dataset(DataConfig("digits"))
