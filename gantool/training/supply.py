"""What a training batch holds beside its rows: what the networks are told, and rows whose labels are known."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gantool.config import RunConfig
from gantool.data import Dataset
from gantool.data.batches import Batch, BatchStream, KnownRows
from gantool.data.labels import as_vectors, few_labels, require_classes
from gantool.data.masks import draw_known
from gantool.errors import UsageError
from gantool.seeds import derive_seed


def label_counts_of(config: RunConfig, dataset: Dataset) -> tuple[int, ...]:
    """The rows of each class, where the networks are told them; else empty. UsageError where they cannot be."""
    return require_classes(dataset) if config.data.condition == "label" else ()


def supply(config: RunConfig, dataset: Dataset, batches: BatchStream) -> Callable[[int], Batch]:
    """Batch number `position` with all that the objective and the networks need of it."""
    if config.data.condition == "label":
        classes = len(require_classes(dataset))
        return lambda position: _told(batches.draw(position), classes)
    if config.data.condition == "mask":
        config.data.mask.check(dataset.shape)
        whole = not dataset.train.stored.is_floating_point() or not bool(dataset.train.stored.isnan().any())
        return lambda position: _partly_known(batches.draw(position), config, dataset.shape, position, whole)
    if config.objective.name == "k-plus-one":
        known = _known_rows(config, dataset, batches)
        return lambda position: batches.draw(position)._replace(known=known.draw(position))
    return batches.draw


def _told(batch: Batch, classes: int) -> Batch:
    assert batch.labels is not None
    return batch._replace(given=as_vectors(batch.labels, classes).to(batch.rows.dtype))


def _partly_known(batch: Batch, config: RunConfig, shape: tuple[int, ...], position: int, whole: bool) -> Batch:
    """The batch with what is told of its rows; where the data are not `whole`, a value that is NaN is never known."""
    rng = torch.Generator().manual_seed(derive_seed(config.training.seed, f"masks of batch {position}"))
    known = draw_known(config.data.mask, batch.size, shape, rng).to(batch.rows)
    if whole:
        return batch._replace(given=known)
    observed = (~batch.rows.isnan()).to(known)
    return batch._replace(rows=batch.rows.nan_to_num(nan=0.0), given=known * observed, observed=observed)


def _known_rows(config: RunConfig, dataset: Dataset, batches: BatchStream) -> KnownRows:
    classes, last = len(require_classes(dataset)), len(config.discriminator.layers) - 1
    units = getattr(config.discriminator.layers[last], "units", 0)
    if units != classes:
        raise UsageError(
            f"discriminator.layers.{last}.units must be {classes}, the classes of {dataset.name}, not {units}."
        )
    seed = config.training.seed
    chosen = few_labels(dataset, config.data.labels, seed)
    return KnownRows(dataset, chosen, config.training.batch_size, seed=seed, like=batches.like)
