"""Data sets: read, checked and split as the paper does; batches in a reproducible order."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantool.data.batches import BatchStream
    from gantool.data.dataset import Dataset, Split
    from gantool.data.registry import DATASETS, data_root, load_dataset

__all__ = ["DATASETS", "BatchStream", "Dataset", "Split", "data_root", "load_dataset"]

_HOMES = {"BatchStream": "batches", "Dataset": "dataset", "Split": "dataset"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for: which data sets there are can be said without torch."""
    if name not in __all__:
        raise AttributeError(f"module 'gantool.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gantool.data.{_HOMES.get(name, 'registry')}"), name)
