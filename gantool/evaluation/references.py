"""What the score must be seen beside: samples that are real training images, and k-means centroids.

A Parzen window ranks memorised training images, and k-means centroids still more, above the truth (Theis, van den Oord
and Bethge 2016, "A note on the evaluation of generative models", section 3.2 and table 1). Shown at the same N and each
with its own sigma, the two say what a score is worth.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from gantool.evaluation.kept import keep, read_kept
from gantool.files import cache_folder
from gantool.numerics.kmeans import lloyd
from gantool.numerics.rows import distinct_rows
from gantool.progress import Progress, silent

# Lloyd's algorithm from random rows. Three iterations: on MNIST 10,000 centroids then score within 0.4 nats of what ten
# give (331.5 and 331.8 on the validation rows). k-means++ would spend minutes on the first centroids alone. The seed is
# fixed, because centroids belong to the data, not to a run.
KMEANS_ITERATIONS = 3
KMEANS_SEED = 0
# Part of the cache's key: a change of the algorithm must not find old centroids.
_VERSION = 2

# One centroid for two rows at most: with as many centroids as rows, they would be the training images again.
ROWS_PER_CENTROID = 2


def centroid_count(rows: int, count: int) -> int:
    """How many centroids `rows` training rows give where `count` are wanted."""
    return max(1, min(count, rows // ROWS_PER_CENTROID))


def kmeans_centroids(
    rows: torch.Tensor, count: int, cache: Path, progress: Progress = silent
) -> tuple[torch.Tensor, list[str]]:
    """k-means centroids of the training rows [R, D] → [K, D] on the CPU, and notes about the cache.

    K is `centroid_count(R, count)`. The centroids depend on the data alone, so that they are kept under `cache`, by a
    hash of the rows and the parameters, with a checksum; where anything else is there, they are computed again, and a
    note says so. Rows in float64 are moved to
    their mean, since float32, in which clusters are found, may not tell them apart where they lie.
    """
    if rows.dtype == torch.float64:
        offset = rows.mean(dim=0)
        centred, said = kmeans_centroids((rows - offset).float(), count, cache, progress)
        return centred + offset, said
    clusters = centroid_count(len(rows), count)
    values = np.ascontiguousarray(rows.numpy(), dtype=np.float32)
    key = _key(values, clusters)
    path = cache / f"{clusters}-{key[:32]}.safetensors"
    kept = read_kept(path, key)
    if kept.tensors is not None:
        return kept.tensors["centroids"], []
    notes = []
    if kept.fault:
        notes.append(f"The cached centroids in {path} were damaged ({kept.fault}) and have been computed again.")
    progress(f"k-means: {clusters:,} centroids of {len(values):,} rows, kept for the next time", 0, 0)
    centroids = _fit(torch.from_numpy(values), clusters, progress)
    if refusal := keep(path, key, {"centroids": centroids}):
        notes.append(
            f"The k-means centroids could not be kept in {cache} ({refusal}): the next evaluation computes them again."
        )
    return centroids, notes


def describe_kmeans(clusters: int) -> str:
    """The parameters in words, for the result."""
    return f"k-means, {clusters:,} clusters from random rows, {KMEANS_ITERATIONS} Lloyd iterations, seed {KMEANS_SEED}"


def centroid_cache() -> Path:
    """Where centroids are kept."""
    return cache_folder() / "kmeans"


def _key(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], clusters: int) -> str:
    settings = (_VERSION, "lloyd", values.shape, clusters, KMEANS_ITERATIONS, KMEANS_SEED)
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(values.data)
    return digest.hexdigest()


def _fit(rows: torch.Tensor, clusters: int, progress: Progress) -> torch.Tensor:
    # Copies of a row would start two centroids on one spot, and fewer distinct rows cannot make so many clusters.
    distinct = distinct_rows(rows)
    return lloyd(distinct, min(clusters, len(distinct)), KMEANS_ITERATIONS, KMEANS_SEED, progress)
