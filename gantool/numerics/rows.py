"""Rows as sets: random parts of them, and which are equal."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def random_subset(rows: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """`count` of the rows [R, D] without repetition, in their order: [min(count, R), D]."""
    return rows if count >= len(rows) else rows[subset_indices(len(rows), count, seed)]


def subset_indices(available: int, count: int, seed: int) -> torch.Tensor:
    """`count` different indices below `available`, ascending: [min(count, available)]."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randperm(available, generator=rng, device="cpu")[:count].sort().values


def row_keys(rows: torch.Tensor) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """A 128-bit hash of each row [N, D] → [N]: equal rows have equal keys, and others differ for all purposes.

    Adding 0 turns −0 into 0, so that equal rows have equal bytes.
    """
    values = rows.cpu().numpy()
    digests = (hashlib.blake2b((row + np.float32(0)).data, digest_size=16).digest() for row in values)
    return np.frombuffer(b"".join(digests), dtype="V16")


def distinct_rows(rows: torch.Tensor) -> torch.Tensor:
    """The rows [M, D] without exact copies of an earlier one, in their order."""
    _, first = np.unique(row_keys(rows), return_index=True)
    return rows if len(first) == len(rows) else rows[torch.from_numpy(np.sort(first)).to(rows.device)]
