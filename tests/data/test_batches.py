"""Batches: each epoch is a permutation of the rows, and a pure function of (seed, epoch)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gantool.data import BatchStream, Dataset, Split
from gantool.data.batches import Batch
from gantool.errors import UsageError
from gantool.seeds import derive_seed


def numbered(rows: int, dtype: torch.dtype = torch.uint8) -> Dataset:
    """Row i holds i, i + 1 (modulo 256 as bytes)."""
    stored = torch.stack((torch.arange(rows), torch.arange(rows) + 1), dim=1).to(dtype)
    split = Split(stored)
    divisor = 255.0 if dtype == torch.uint8 else 1.0
    return Dataset("numbered", split, split, Split(stored[:5]), (2,), divisor, "made here")


def rows_of(batch: Batch) -> list[int]:
    return (batch.rows[:, 0] * 255).round().long().tolist()


def test_an_epoch_is_a_permutation_without_its_incomplete_batch() -> None:
    stream = BatchStream(numbered(103), 10, seed=0)
    assert stream.batches_per_epoch == 10
    for epoch in range(3):
        drawn = [row for batch in range(10) for row in rows_of(stream.draw(epoch * 10 + batch))]
        assert len(set(drawn)) == 100
        assert set(drawn) < set(range(103))
        assert drawn != sorted(drawn)


def test_the_order_is_the_documented_function_of_seed_and_epoch() -> None:
    stream = BatchStream(numbered(100), 10, seed=7)
    for epoch in (0, 1, 5):
        rng = torch.Generator().manual_seed(derive_seed(7, f"batch order of epoch {epoch}"))
        order = torch.randperm(100, generator=rng)
        assert rows_of(stream.draw(epoch * 10 + 3)) == order[30:40].tolist()


def test_a_batch_does_not_depend_on_what_was_drawn_before() -> None:
    straight = BatchStream(numbered(100), 7, seed=1)
    batches = [straight.draw(position) for position in range(60)]
    for position in (59, 0, 30, 14, 13, 30):
        assert torch.equal(BatchStream(numbered(100), 7, seed=1).draw(position).rows, batches[position].rows)
        assert torch.equal(straight.draw(position).rows, batches[position].rows)


def test_seeds_and_epochs_give_different_orders() -> None:
    """Also seeds that agree in the 32 low bits, which are all that torch's CPU generator would take of a seed."""
    orders = set()
    for seed in (0, 1, 2**32, 2**62):
        stream = BatchStream(numbered(100), 100, seed=seed)
        orders.update(tuple(rows_of(stream.draw(epoch))) for epoch in range(4))
    assert len(orders) == 16


def test_every_row_comes_up_in_every_place_alike() -> None:
    """Where row 0 stands over 4,000 epochs of 10 rows: χ² with 9 degrees of freedom, whose 1 − 1e-6 quantile is 45."""
    stream = BatchStream(numbered(10), 10, seed=0)
    places = [rows_of(stream.draw(epoch)).index(0) for epoch in range(4_000)]
    counts = torch.bincount(torch.tensor(places), minlength=10).double()
    assert float(((counts - 400) ** 2 / 400).sum()) < 45


def test_values_are_exact_in_each_type() -> None:
    data = numbered(256)
    order = torch.tensor(rows_of(BatchStream(data, 256, seed=3).draw(0)))
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        batch = BatchStream(data, 256, seed=3, dtype=dtype).draw(0).rows
        assert batch.dtype == dtype
        assert torch.equal(batch[:, 0], order.to(dtype) / 255)


def test_float_rows_are_not_scaled_and_a_batch_is_a_copy() -> None:
    data = numbered(20, torch.float32)
    stream = BatchStream(data, 20, seed=0)
    batch = stream.draw(0).rows
    assert sorted(batch[:, 0].tolist()) == list(range(20))
    before = data.train.stored.clone()
    batch.zero_()
    assert torch.equal(data.train.stored, before)
    assert not torch.equal(stream.draw(0).rows, batch)


def test_another_split() -> None:
    stream = BatchStream(numbered(100), 5, seed=0, split="test")
    assert sorted(rows_of(stream.draw(0))) == [0, 1, 2, 3, 4]


def test_the_last_batch_is_short_where_it_is_kept() -> None:
    stream = BatchStream(numbered(103), 10, seed=0, keep_last=True)
    assert (stream.batches_per_epoch, stream.even) == (11, False)
    for epoch in range(3):
        batches = [rows_of(stream.draw(epoch * 11 + batch)) for batch in range(11)]
        assert [len(batch) for batch in batches] == [10] * 10 + [3]
        assert sorted(row for batch in batches for row in batch) == list(range(103))
    assert [stream.rows_before(position) for position in (0, 1, 10, 11, 12, 22)] == [0, 10, 100, 103, 113, 206]
    dropped = BatchStream(numbered(103), 10, seed=0)
    assert [dropped.rows_before(position) for position in (9, 10, 21)] == [90, 100, 210]
    assert rows_of(dropped.draw(9)) == rows_of(stream.draw(9))


def test_networks_see_symmetric_values() -> None:
    data = replace(numbered(256), symmetric=True)
    batch = BatchStream(data, 256, seed=3).draw(0).rows
    assert float(batch.min()) == -1.0
    assert float(batch.max()) == 1.0
    assert torch.equal(data.values(data.train.stored), numbered(256).values(data.train.stored)), "scores are in [0, 1]"


def test_labels_come_with_their_rows() -> None:
    data = numbered(100)
    labelled = Split(data.train.stored, torch.arange(100) + 1_000)
    stream = BatchStream(replace(data, train=labelled), 10, seed=3, labelled=True)
    for position in range(12):
        batch = stream.draw(position)
        assert batch.labels is not None
        assert (batch.labels - 1_000).tolist() == rows_of(batch)
    assert BatchStream(replace(data, train=labelled), 10, seed=3).draw(0).labels is None
    with pytest.raises(UsageError, match="The train split of numbered has no labels"):
        BatchStream(data, 10, seed=3, labelled=True)


@pytest.mark.parametrize("size", [0, -1, 101])
def test_a_batch_size_that_does_not_fit(size: int) -> None:
    with pytest.raises(UsageError, match=r"training\.batch_size must be from 1 to 100, .*numbered's train split"):
        BatchStream(numbered(100), size, seed=0)


def test_a_negative_position_is_refused() -> None:
    with pytest.raises(ValueError, match="position"):
        BatchStream(numbered(10), 5, seed=0).draw(-1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("resident", [True, False])
def test_cuda_sees_the_same_batches(resident: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not resident:
        monkeypatch.setattr("gantool.data.batches._DEVICE_SHARE", 0.0)
    cpu = BatchStream(numbered(100), 10, seed=2)
    cuda = BatchStream(numbered(100), 10, seed=2, device="cuda")
    for position in range(25):
        batch = cuda.draw(position).rows
        assert batch.is_cuda
        assert torch.equal(batch.cpu(), cpu.draw(position).rows)
