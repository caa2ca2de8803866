"""Statistics of features as FID tools pass them around: a mean and a covariance, and no rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantool.data.formats.npy import Array, read_arrays
from gantool.data.formats.tensors import read_tensors
from gantool.errors import UsageError

# The names that the authors' code gives them (Heusel et al. 2017), and every tool after it.
NAMES = frozenset(("mu", "sigma"))


@dataclass(frozen=True)
class Statistics:
    """The mean [F] and the covariance [F, F] of features, float64; `name` is the file's."""

    mean: Tensor
    covariance: Tensor
    name: str

    @property
    def dimension(self) -> int:
        """F, the number of features."""
        return len(self.mean)


def are_statistics(arrays: dict[str, Array]) -> bool:
    """Whether an archive holds a mean and a covariance, and nothing that could be rows."""
    return set(arrays) == NAMES


def read_statistics(path: Path) -> Statistics | None:
    """The statistics in an .npz or .safetensors archive; None where the file holds anything else.

    Raises UsageError where the file cannot be read, where they do not fit together, or are not finite numbers.
    """
    if path.is_dir():
        return None
    arrays = read_tensors(path) if path.suffix == ".safetensors" else read_arrays(path)
    if not are_statistics(arrays):
        return None
    mean, covariance = (np.array(arrays[name], dtype=np.float64) for name in ("mu", "sigma"))
    if mean.ndim != 1 or len(mean) == 0 or covariance.shape != (len(mean), len(mean)):
        raise UsageError(
            f"{path} must hold mu [F] and sigma [F, F], the mean and covariance of features, but they have the shapes "
            f"{list(mean.shape)} and {list(covariance.shape)}."
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UsageError(f"{path} must hold finite numbers, but its mu or sigma does not.")
    return Statistics(torch.from_numpy(mean), torch.from_numpy(covariance), path.name)
