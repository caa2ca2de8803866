"""Nearest rows against brute force in float64, copies and near-ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.data.sets.toy import MIXTURES
from gantool.errors import UsageError
from gantool.numerics import neighbours
from gantool.numerics.neighbours import nearest, nearest_other, pairs_within


def brute(queries: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
    return cdist(queries.double().numpy(), rows.double().numpy())


def assert_nearest(queries: torch.Tensor, rows: torch.Tensor) -> None:
    indices, distances = nearest(queries, rows)
    table = brute(queries, rows)
    assert indices.tolist() == table.argmin(axis=1).tolist()  # NumPy's argmin takes the first of equals, too
    np.testing.assert_allclose(distances.numpy(), table.min(axis=1), rtol=1e-12)


def draw(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("count", "rows", "width"), [(1, 1, 1), (5, 3, 2), (300, 700, 17), (1_100, 8_500, 3)])
def test_brute_force(count: int, rows: int, width: int) -> None:
    assert_nearest(draw(count, width, 1), draw(rows, width, 2))


def test_exact_copies_go_to_the_lowest_index() -> None:
    rows = draw(40, 9).repeat(3, 1)[torch.randperm(120, generator=torch.Generator().manual_seed(5))]
    assert_nearest(rows.flip(0), rows)
    assert float(nearest(rows, rows)[1].max()) == 0


def test_ties_on_a_lattice_go_to_the_lowest_index() -> None:
    ticks = torch.arange(6.0)
    rows = torch.cartesian_prod(ticks, ticks, ticks)
    assert_nearest(rows + 0.5, rows)  # eight rows tie, whatever the order
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))]
    assert_nearest(shuffled + 0.5, shuffled)


def test_near_ties_far_below_the_precision_of_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = torch.cat([draw(20, 50) + 100.0, draw(20, 50, 3) - 100.0]).double()
    near = [centres + 1e-7 * draw(40, 50, seed).double() for seed in range(12)]
    rows, queries = torch.cat(near), centres + 1e-7 * draw(40, 50, 99).double()
    assert_nearest(queries, rows)
    monkeypatch.setattr(neighbours, "_PRECISIONS", ())  # what decides when no product can
    assert_nearest(queries, rows)


def test_a_large_offset_costs_no_digits() -> None:
    rows = draw(500, 20).double() + 1e6
    assert_nearest(rows + 1e-3 * draw(500, 20, 7).double(), rows)


def test_an_offset_is_taken_off_before_digits_are_lost() -> None:
    draws = torch.randn(700, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = 1e6 + 1e-2 * draws
    assert_nearest(rows[:200], rows[200:])
    single = (1_000.0 + 1e-1 * draws).float()  # distances of a few hundred float32 steps
    assert_nearest(single[:200], single[200:])


@pytest.mark.parametrize("scale", [1e30, 1e25, 1e20, 1e-20, 1e-25, 1e-30, 1e-40])
def test_any_unit_of_float32(scale: float) -> None:
    rows = torch.randn(700, 5, generator=torch.Generator().manual_seed(0)) * scale
    assert_nearest(rows[:200], rows[200:])
    table = brute(rows, rows)[np.triu_indices(len(rows), 1)]
    assert pairs_within(rows, 0.4 * scale) == int((table <= 0.4 * scale).sum()) > 0


@pytest.mark.parametrize("far", [1e5, 1e20, 1e30])
def test_queries_far_from_all_rows(far: float) -> None:
    rows, others = draw(40, 3).double(), draw(20, 3, 1).double()
    assert_nearest(torch.cat([others, others + far]), rows)
    assert_nearest(others, torch.cat([rows, rows[:5] + far]))


def test_a_negative_zero_is_a_zero() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, -0.0], [0.0, 0.0]])
    indices, distances = nearest(torch.tensor([[-0.0, 0.0]]), rows)
    assert (indices.item(), distances.item()) == (1, 0.0)


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("count", [2, 9, 900])
def test_the_nearest_other_row(copies: int, count: int) -> None:
    rows = draw(count, 7).repeat(copies, 1)
    rows = torch.cat([rows, draw(11, 7, 4)])
    indices, distances = nearest_other(rows)
    table = brute(rows, rows)
    np.fill_diagonal(table, np.inf)
    assert indices.tolist() == table.argmin(axis=1).tolist()
    np.testing.assert_allclose(distances.numpy(), table.min(axis=1), rtol=1e-12)


def test_pairs_within_a_radius() -> None:
    rows = torch.cat([draw(1_500, 5), draw(10, 5).repeat(4, 1)])
    table = brute(rows, rows)[np.triu_indices(len(rows), 1)]
    for radius in (0.0, 0.1, 0.3):
        assert pairs_within(rows, radius) == int((table <= radius).sum())


@pytest.mark.parametrize("name", list(MIXTURES))
def test_pairs_within_a_radius_far_below_the_spread(name: str) -> None:
    rows = load_dataset(DataConfig(name)).train.stored[:2_500]
    table = brute(rows, rows)[np.triu_indices(len(rows), 1)]
    for radius in (float(nearest_other(rows)[1].quantile(0.01)), 1e-3, 1e-2):
        assert pairs_within(rows, radius) == int((table <= radius).sum()) > 0


def test_pairs_of_wide_rows_that_products_cannot_tell() -> None:
    copies = torch.cat([draw(1, 784).repeat(60, 1), draw(60, 784, 1)])
    rows = copies + 1e-4 * draw(120, 784, 2)
    table = brute(rows, rows)[np.triu_indices(120, 1)]
    radius = float(np.quantile(table[table < 0.1], 0.5))
    assert pairs_within(rows, radius) == int((table <= radius).sum()) == 885  # half of 60·59/2
    assert pairs_within(rows, 1e300) == 120 * 119 // 2


def test_real_images(mnist_root: object) -> None:
    dataset = load_dataset(DataConfig("mnist"), root=mnist_root)  # type: ignore[arg-type]
    rows, queries = dataset.values(dataset.train.stored[:12_000]), dataset.values(dataset.test.stored[:300])
    assert_nearest(queries, rows)
    assert_nearest(rows[5_000:5_100], rows)


@pytest.mark.parametrize(
    ("queries", "rows", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), r"they have the shapes \[2, 3\] and \[2, 4\]"),
        (torch.zeros(2, 3), torch.zeros(0, 3), "M 1 or more"),
        (torch.full((1, 1), torch.nan), torch.zeros(1, 1), "NaN or infinity"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries: torch.Tensor, rows: torch.Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        nearest(queries, rows)


def test_one_row_has_no_other() -> None:
    with pytest.raises(UsageError, match="2 rows at least, but there are 1"):
        nearest_other(torch.zeros(1, 2))
