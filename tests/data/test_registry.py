"""Names, and where data live."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantool.config import DataConfig
from gantool.data import DATASETS, data_root, load_dataset
from gantool.errors import UsageError

TYPOS = {"mnits": "mnist", "digit": "digits", "ring": "ring2d", "MNIST": "mnist"}


@pytest.mark.parametrize(("typed", "meant"), TYPOS.items())
def test_a_typo_suggests_the_nearest_name(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"data.name = '{typed}' .* did you mean {meant}[?]"):
        load_dataset(DataConfig(typed))


def test_a_name_like_no_other_lists_them_all() -> None:
    with pytest.raises(UsageError) as caught:
        load_dataset(DataConfig("imagenet-21k"))
    assert all(name in str(caught.value) for name in DATASETS)


def test_data_root_in_order_of_precedence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("GANTOOL_DATA_DIR", raising=False)
    assert data_root() == tmp_path / ".cache" / "gantool"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root() == tmp_path / "cache" / "gantool"
    monkeypatch.setenv("GANTOOL_DATA_DIR", "~/data")
    assert data_root() == tmp_path / "data"
    assert data_root(Path("~/other")) == tmp_path / "other"
    monkeypatch.setenv("GANTOOL_DATA_DIR", "")
    assert data_root() == tmp_path / "cache" / "gantool"


def test_every_data_set_without_files_loads_offline(tmp_path: Path) -> None:
    for name, entry in DATASETS.items():
        if entry.remote is None and not entry.remedy(tmp_path):
            dataset = load_dataset(DataConfig(name), root=tmp_path, offline=True)
            assert dataset.name == name
            assert dataset.train.labels is not None
    assert list(tmp_path.iterdir()) == []
