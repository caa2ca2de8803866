"""Random subsets, k-means centroids, and the folder that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.spatial.distance import cdist

from gantool.evaluation.references import centroid_cache, centroid_count, kmeans_centroids
from gantool.numerics.rows import random_subset


def rows_of(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed))


def test_a_subset_is_of_distinct_rows_and_of_the_seed() -> None:
    rows = torch.arange(1000.0)[:, None]
    subset = random_subset(rows, 300, seed=1).flatten()
    assert len(subset.unique()) == 300
    assert torch.equal(subset, random_subset(rows, 300, seed=1).flatten())
    assert not torch.equal(subset, random_subset(rows, 300, seed=2).flatten())
    assert torch.equal(random_subset(rows, 5000, seed=1), rows)


@pytest.mark.parametrize(("rows", "wanted", "count"), [(50_000, 10_000, 10_000), (1_197, 10_000, 598), (1, 10, 1)])
def test_no_more_centroids_than_half_the_rows(rows: int, wanted: int, count: int) -> None:
    assert centroid_count(rows, wanted) == count


def test_centroids_are_the_means_of_the_rows_nearest_to_them(tmp_path: Path) -> None:
    # Lloyd's algorithm has come to rest here, and the definition of a fixed point is then exact.
    rows = torch.cat([rows_of(40, 3, seed=index) * 0.01 + index for index in range(3)])
    centroids, _ = kmeans_centroids(rows, 2, tmp_path)
    owner = cdist(rows.numpy(), centroids.numpy()).argmin(axis=1)
    means = np.stack([rows.numpy()[owner == index].mean(axis=0) for index in range(len(centroids))])
    np.testing.assert_allclose(centroids.numpy(), means, atol=1e-5)


def test_centroids_are_kept_and_read_again(tmp_path: Path) -> None:
    done: list[int] = []
    rows = rows_of(60, 4)
    first, notes = kmeans_centroids(rows, 10, tmp_path, lambda stage, now, total: done.append(now))
    again, _ = kmeans_centroids(rows.clone(), 10, tmp_path, lambda stage, now, total: done.append(now))
    assert notes == []
    assert torch.equal(first, again)
    assert done.count(0) > 0
    assert done == sorted(done)  # the second did not compute
    (kept,) = tmp_path.iterdir()
    assert torch.equal(load_file(kept)["centroids"], first)


def test_other_rows_or_another_count_are_kept_apart(tmp_path: Path) -> None:
    for rows, count in ((rows_of(60, 4), 10), (rows_of(60, 4, seed=1), 10), (rows_of(60, 4), 11)):
        kmeans_centroids(rows, count, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_rows_are_left_as_they_were(tmp_path: Path) -> None:
    rows = rows_of(60, 4)
    kmeans_centroids(rows, 10, tmp_path)
    assert torch.equal(rows, rows_of(60, 4))


@pytest.mark.parametrize("damage", ["empty", "archive", "one column", "other rows"])
def test_a_damaged_file_is_computed_again_and_said(tmp_path: Path, damage: str) -> None:
    rows = rows_of(60, 4)
    first, _ = kmeans_centroids(rows, 10, tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    if damage == "empty":
        kept.write_bytes(b"")
    elif damage == "archive":
        with kept.open("wb") as file:
            np.savez(file, centroids=first.numpy())
    elif damage == "one column":
        with safe_open(kept, framework="pt") as file:
            label = file.metadata()
        save_file({"centroids": first * torch.tensor([1.0, 1.0, 1.001, 1.0])}, kept, label)
    else:
        kmeans_centroids(rows_of(60, 4, seed=1), 10, tmp_path / "other")
        next((tmp_path / "other").iterdir()).replace(kept)
    again, notes = kmeans_centroids(rows, 10, tmp_path)
    assert torch.equal(again, first)
    assert "damaged" in notes[0]
    assert kept.read_bytes() == whole
    assert kmeans_centroids(rows, 10, tmp_path)[1] == []


def test_a_folder_in_the_files_place_is_said(tmp_path: Path) -> None:
    rows = rows_of(60, 4)
    first, _ = kmeans_centroids(rows, 10, tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.unlink()
    kept.mkdir()
    again, notes = kmeans_centroids(rows, 10, tmp_path)
    assert torch.equal(again, first)
    assert "it is not a file" in notes[0]
    assert "could not be kept" in notes[1]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    centroids, notes = kmeans_centroids(rows_of(60, 4), 10, blocked / "kmeans")
    assert centroids.shape == (10, 4)
    assert "could not be kept" in notes[0]


def test_repeated_rows_make_fewer_centroids(tmp_path: Path) -> None:
    rows = rows_of(3, 4).repeat(20, 1)
    centroids, _ = kmeans_centroids(rows, 10, tmp_path)
    assert len(centroids) == 3
    torch.testing.assert_close(centroids.sort(dim=0).values, rows[:3].sort(dim=0).values)


def test_the_cache_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert centroid_cache() == tmp_path / "gantool" / "kmeans"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert centroid_cache() == Path.home() / ".cache" / "gantool" / "kmeans"
