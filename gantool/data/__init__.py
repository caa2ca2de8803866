"""Data sets: read, checked and split as the paper does; batches in a reproducible order."""

from __future__ import annotations

from gantool.data.batches import BatchStream
from gantool.data.dataset import Dataset, Split
from gantool.data.registry import DATASETS, data_root, load_dataset

__all__ = ["DATASETS", "BatchStream", "Dataset", "Split", "data_root", "load_dataset"]
