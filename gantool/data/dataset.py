"""What every data set becomes: three splits of rows, kept as small as they came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

_SPLIT_SEED = 2014


@dataclass(frozen=True)
class Split:
    """Rows of one split.

    `stored` is [N, D], uint8 where the data are bytes, else float32; `labels` is [N] int64, or None.
    """

    stored: torch.Tensor
    labels: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.stored.shape[0]


@dataclass(frozen=True)
class Dataset:
    """A data set in the paper's splits.

    A value is stored / divisor: 255 for byte images, 16 for the digits, 1 for floats. `shape` is one example's shape,
    (channels, height, width) for images, else (D,). `source` says in words where the rows came from; `warnings` what
    looks wrong with them. With `norm`, a value is that minus the mean of its row, and each row is scaled to this
    Euclidean norm. With `symmetric`, the networks see 2x − 1.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    divisor: float
    source: str
    warnings: tuple[str, ...] = ()
    norm: float | None = None
    symmetric: bool = False

    @property
    def dimension(self) -> int:
        """D, the number of values in one example."""
        return self.train.stored.shape[1]

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    def fingerprint(self) -> str:
        """SHA-256 of the training rows' bytes: equal for equal data, whatever they are called."""
        return hashlib.sha256(self.train.stored.contiguous().numpy().data).hexdigest()

    def split(self, name: str) -> Split:
        """The split called train, validation or test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def values(self, stored: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Stored rows → values of the same shape, in `dtype`, on the rows' device.

        A true division, not a product with 1/divisor: k/255 is then the float nearest to it, which the Parzen kernels
        recognise as an exact byte.
        """
        rows = stored.to(dtype)
        if self.divisor != 1.0:
            rows = rows.div(self.divisor) if rows is stored else rows.div_(self.divisor)
        return rows if self.norm is None else normalised(rows, self.norm)

    def training_values(self, stored: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Stored rows → what the networks see."""
        rows = self.values(stored, dtype)
        return 2 * rows - 1 if self.symmetric else rows


def normalised(rows: torch.Tensor, norm: float) -> torch.Tensor:
    """Each row [N, D] minus its mean, scaled to Euclidean norm `norm`; a row of equal values becomes zeros.

    The released configuration's global contrast normalisation of CIFAR-10, with norm 55.
    """
    centred = rows - rows.mean(dim=1, keepdim=True)
    lengths = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    return centred.mul_(norm / lengths.clamp_min(1e-8))


def fixed_permutation(count: int) -> npt.NDArray[np.int64]:
    """The order [count] in which rows without a split of their own are dealt out: the same for every run and version.

    NumPy's RandomState, seed 2014: its streams are frozen for good (NEP 19), which neither NumPy's newer generators nor
    torch's promise.
    """
    return np.random.RandomState(_SPLIT_SEED).permutation(count).astype(np.int64)
