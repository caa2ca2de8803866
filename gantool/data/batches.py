"""Batches of training rows in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.seeds import derive_seed

_DEVICE_SHARE = 0.5


class Batch(NamedTuple):
    """Rows as values [B, D], with their labels [B] where they are asked for. Replicas at once have a leading axis.

    `given` [B, C] is what the networks are told beside the rows, where they are told anything: the class as a vector,
    or with a 1 which values are known. `known` are other rows [B, D] with their labels [B], for a discriminator that
    learns classes from them. `observed` [B, D] says with a 1 which values the data have, where some are missing.
    """

    rows: Tensor
    labels: Tensor | None = None
    given: Tensor | None = None
    known: tuple[Tensor, Tensor] | None = None
    observed: Tensor | None = None

    @property
    def size(self) -> int:
        """B, the number of rows."""
        return self.rows.shape[-2]


def _fits(rows: torch.Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return rows.nbytes <= _DEVICE_SHARE * free


class BatchStream:
    """Endless batches of one split; `draw(position)` is the batch number `position` since training began.

    Every epoch passes over a fresh permutation of the rows; its incomplete last batch is dropped, or with `keep_last`
    drawn, and the batches are then not `even`. The permutation is
    torch.randperm of a CPU generator seeded with `derive_seed(seed, "batch order of epoch <epoch>")`, so that a run on
    a GPU sees the same order. There is no state to save: a resumed run asks for the next position.

    The rows live on `device`, as stored (bytes stay bytes), where they fit in half of its free memory; else they stay
    in host memory and each batch crosses through a pinned buffer, without a synchronisation.

    A stream `beside` another of the same split and device shares its rows. With `labelled` a batch carries the labels.

    Raises UsageError where `batch_size` is larger than the split.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        split: str = "train",
        beside: BatchStream | None = None,
        labelled: bool = False,
        keep_last: bool = False,
    ) -> None:
        rows, labels = dataset.split(split).stored, dataset.split(split).labels
        if labelled and labels is None:
            raise UsageError(f"The {split} split of {dataset.name} has no labels.")
        if not 1 <= batch_size <= len(rows):
            raise UsageError(
                f"training.batch_size must be from 1 to {len(rows)}, the rows of {dataset.name}'s {split} split, "
                f"but is {batch_size}."
            )
        self.batch_size = batch_size
        self.batches_per_epoch = -(-len(rows) // batch_size) if keep_last else len(rows) // batch_size
        self.even = len(rows) % batch_size == 0 or not keep_last
        self._dataset = dataset
        self._seed = seed
        self._device = torch.device(device)
        self._dtype = dtype
        self.resident: bool = beside.resident if beside else _fits(rows, self._device)
        own = rows.to(self._device) if self.resident and not beside else rows
        self._rows: torch.Tensor = beside._rows if beside else own
        self._labels = labels.to(self._device if self.resident else "cpu") if labelled and labels is not None else None
        self._epoch: int | None = None
        self._order = torch.empty(0, dtype=torch.int64, device="cpu")
        # Called before each batch is drawn: a place between two updates.
        self.on_draw: Callable[[], None] = lambda: None

    @property
    def like(self) -> Tensor:
        """An empty tensor of the batches' type, on their device."""
        return torch.empty(0, dtype=self._dtype, device=self._device)

    def draw(self, position: int) -> Batch:
        """Batch number `position`, 0 or more, on the device, in tensors of its own."""
        self.on_draw()
        return self.take(self.indices(position).flatten())

    def indices(self, position: int, count: int = 1) -> torch.Tensor:
        """The rows of `count` batches from number `position` on: [count, batch_size] int64, on the device where the
        rows are `resident`. The last batch of an epoch may be short, and can then be asked for only by itself."""
        parts = []
        while count > 0:
            epoch, batch = divmod(position, self.batches_per_epoch)
            if epoch != self._epoch:
                self._order = self._permutation(epoch)
                self._epoch = epoch
            here = min(count, self.batches_per_epoch - batch)
            parts.append(self._order[batch * self.batch_size : (batch + here) * self.batch_size])
            position, count = position + here, count - here
        joined = torch.cat(parts) if len(parts) > 1 else parts[0]
        return joined.view(-1, self.batch_size) if len(joined) % self.batch_size == 0 else joined[None]

    def rows_before(self, position: int) -> int:
        """The rows in all batches before number `position`."""
        epochs, batches = divmod(position, self.batches_per_epoch)
        rows = self.batches_per_epoch * self.batch_size if self.even else len(self._rows)
        return epochs * rows + batches * self.batch_size

    def take(self, indices: torch.Tensor) -> Batch:
        """The rows of these indices on the device, in tensors of its own."""
        labels = None if self._labels is None else self._labels[indices].to(self._device, non_blocking=True)
        return Batch(self._dataset.training_values(self._gather(indices), self._dtype), labels)

    def _permutation(self, epoch: int) -> torch.Tensor:
        if epoch < 0:
            raise ValueError("position must be 0 or more")
        rng = torch.Generator().manual_seed(derive_seed(self._seed, f"batch order of epoch {epoch}"))
        order = torch.randperm(len(self._rows), generator=rng, device=rng.device)
        if not self.resident or self._device.type == "cpu":
            return order
        return order.pin_memory().to(self._device, non_blocking=True)

    def _gather(self, index: torch.Tensor) -> torch.Tensor:
        if self.resident:
            return self._rows.index_select(0, index)
        batch = torch.empty((len(index), self._rows.shape[1]), dtype=self._rows.dtype, device="cpu", pin_memory=True)
        torch.index_select(self._rows, 0, index, out=batch)
        return batch.to(self._device, non_blocking=True)


class KnownRows:
    """Endless batches of the rows whose labels are known, in an order that is a pure function of (seed, pass).

    `chosen` [n] int64 are the rows; a batch may hold the end of one pass over them and the beginning of the next.
    """

    def __init__(self, dataset: Dataset, chosen: Tensor, batch_size: int, *, seed: int, like: Tensor) -> None:
        assert dataset.train.labels is not None
        rows = dataset.training_values(dataset.train.stored[chosen], like.dtype)
        self._rows, self._labels = rows.to(like.device), dataset.train.labels[chosen].to(like.device)
        self._size, self._seed = batch_size, seed

    def draw(self, position: int) -> tuple[Tensor, Tensor]:
        """Rows [B, D] and labels [B] of batch number `position`."""
        count = len(self._rows)
        first, last = position * self._size, (position + 1) * self._size - 1
        passes = range(first // count, last // count + 1)
        order = torch.cat([self._permutation(number) for number in passes])[first - passes[0] * count :][: self._size]
        order = order.to(self._rows.device)
        return self._rows[order], self._labels[order]

    def _permutation(self, number: int) -> Tensor:
        rng = torch.Generator().manual_seed(derive_seed(self._seed, f"order of labelled rows in pass {number}"))
        return torch.randperm(len(self._rows), generator=rng, device=rng.device)
