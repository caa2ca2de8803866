"""Labels as networks get them, and few of them."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gantool.data.dataset import Dataset, Split
from gantool.errors import UsageError
from gantool.seeds import derive_seed

# More classes than this are no classes: a label is then a number of something else.
MOST_CLASSES = 1_000


def count_labels(split: Split) -> tuple[int, ...]:
    """How many rows each class 0, 1, … has; empty where there are no labels, or other numbers than so few classes."""
    labels = split.labels
    if labels is None or len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= MOST_CLASSES:
        return ()
    return tuple(torch.bincount(labels).tolist())


def require_classes(dataset: Dataset) -> tuple[int, ...]:
    """The rows of each class. UsageError where a network cannot be told them: no labels, or a class without rows."""
    if dataset.train.labels is None:
        raise UsageError(f"The training rows of {dataset.name} have no labels: data.condition = label needs them.")
    counts = count_labels(dataset.train)
    if not counts:
        raise UsageError(f"The labels of {dataset.name} must be whole numbers from 0 to {MOST_CLASSES - 1}.")
    if len(counts) < 2:
        raise UsageError(f"The training rows of {dataset.name} are of one class: there is nothing to tell apart.")
    if 0 in counts:
        raise UsageError(f"Class {counts.index(0)} of {dataset.name} has no training rows: number the classes from 0.")
    return counts


def as_vectors(labels: Tensor, classes: int) -> Tensor:
    """Labels [N] → [N, K] float32, each row with one 1."""
    return one_hot(labels, classes).float()


def draw_labels(counts: tuple[int, ...], count: int, rng: torch.Generator) -> Tensor:
    """`count` labels [count] int64, by the shares of the classes."""
    shares = torch.tensor(counts, dtype=torch.float64, device=rng.device)
    return torch.multinomial(shares, count, replacement=True, generator=rng)


def few_labels(dataset: Dataset, count: int | None, seed: int, name: str = "data.labels") -> Tensor:
    """The training rows whose labels are known [count] int64, in a random order: as many of each class.

    None: all rows. `name` is the field that asks for them. Raises UsageError where the classes cannot have as many
    each.
    """
    classes = len(require_classes(dataset))
    labels = dataset.train.labels
    assert labels is not None
    rng = torch.Generator().manual_seed(derive_seed(seed, "few labels"))
    order = torch.randperm(len(labels), generator=rng, device="cpu")
    if count is None:
        return order
    if count % classes or count == 0:
        raise UsageError(f"{name} must be a multiple of {classes}, as many of each class, but is {count}.")
    each = count // classes
    chosen = [order[labels[order] == label][:each] for label in range(classes)]
    for label, rows in enumerate(chosen):
        if len(rows) < each:
            raise UsageError(f"{name} asks for {each:,} rows of each class, and class {label} has {len(rows):,}.")
    rows = torch.cat(chosen)
    return rows[torch.randperm(count, generator=rng, device="cpu")]


def split_hash(rows: Tensor) -> str:
    """The first 16 digits of the SHA-256 of the rows' numbers, sorted: equal for equal splits."""
    return hashlib.sha256(rows.sort().values.numpy().tobytes()).hexdigest()[:16]
